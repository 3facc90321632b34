"""Laws of the pictures to embed: which they are, and what tells them apart."""

import os

import numpy as np
import pytest
from PIL import Image
from small_pictures import picture
from small_pictures import write_pictures
from small_records import make_record
from small_records import write_records

from scn_tf.embedding.picture_source import open_pictures
from tfrecords.errors import InputError
from tfrecords.images import decode


@pytest.fixture
def folder(tmp_path):
    write_pictures(tmp_path / "in", 5)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    return tmp_path / "in"


def test_a_folder_gives_its_pictures_at_any_depth(folder):
    pictures = open_pictures(str(folder))
    assert pictures.names == ["a/0.png", "a/2.png", "a/4.png"] + [
        "b/1.png",
        "b/3.png",
    ]
    assert pictures.columns == {"folder": ["a", "a", "a", "b", "b"]}
    # PNG comes as the JPEG that records would keep: close, not equal.
    difference = pictures.load(1).astype(int) - picture(2, 22, 30)
    assert np.abs(difference).mean() < 4


def test_links_that_lead_outside_are_no_pictures(folder, tmp_path):
    Image.fromarray(picture(9)).save(tmp_path / "outside.png")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    assert "link.png" not in open_pictures(str(folder)).names


def test_a_picture_turned_by_exif_stands_upright(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(1, 20, 30)).save(folder / "t.jpg", exif=exif)
    pictures = open_pictures(str(folder))
    assert pictures.load(pictures.find("t.jpg")).shape == (30, 20, 3)


@pytest.mark.parametrize(
    "mode, suffix",
    [
        ("RGB", "jpg"),
        ("CMYK", "jpg"),
        ("L", "png"),
        ("P", "png"),
        ("RGBA", "png"),
        ("1", "bmp"),
        ("RGB", "webp"),
        ("CMYK", "tif"),
    ],
)
def test_pictures_of_all_kinds_come_as_rgb(tmp_path, mode, suffix):
    Image.fromarray(picture(3)).convert(mode).save(tmp_path / f"p.{suffix}")
    pixels = open_pictures(str(tmp_path)).load(0)
    assert pixels.shape == (20, 30, 3) and pixels.dtype == np.uint8


def test_16_bits_are_scaled_to_8(tmp_path):
    gray = np.full([20, 30], 257 * 100, np.uint16)
    Image.fromarray(gray).save(tmp_path / "p.png")
    assert (open_pictures(str(tmp_path)).load(0) == 100).all()


def test_a_picture_is_found_by_name_and_by_any_path(folder, monkeypatch):
    pictures = open_pictures(str(folder))
    monkeypatch.chdir(folder / "a")
    for query in ("a/4.png", "4.png", str(folder / "b/../a/4.png")):
        assert pictures.find(query) == 2
    assert pictures.find("5.png") is None
    assert pictures.find("../../elsewhere/4.png") is None


def test_a_file_that_is_there_is_meant_and_not_its_namesake(
    folder, tmp_path, monkeypatch
):
    pictures = open_pictures(str(folder))
    write_pictures(tmp_path, 5)  # a/4.png and others, outside
    monkeypatch.chdir(tmp_path)
    assert pictures.find("a/4.png") is None
    assert pictures.find("in/a/4.png") == 2
    (tmp_path / "a/4.png").unlink()
    assert pictures.find("a/4.png") == 2
    # One that leads inside is the picture there.
    (tmp_path / "a/4.png").symlink_to(folder / "b/1.png")
    assert pictures.find("a/4.png") == 3


def test_a_link_in_the_folder_is_found_as_itself(folder):
    (folder / "link.png").symlink_to(folder / "b/1.png")
    pictures = open_pictures(str(folder))
    for query in ("link.png", str(folder / "a/../link.png")):
        assert pictures.names[pictures.find(query)] == "link.png"
    assert pictures.names[pictures.find(str(folder / "b/1.png"))] == "b/1.png"


def test_the_digest_is_that_of_names_sizes_and_times(folder):
    first = open_pictures(str(folder)).digest()
    assert open_pictures(str(folder)).digest() == first
    os.utime(folder / "a/0.png", (1, 1))
    second = open_pictures(str(folder)).digest()
    write_pictures(folder, 1, first=7)
    assert len({first, second, open_pictures(str(folder)).digest()}) == 3


def test_records_give_whole_photographs_with_split_and_labels(
    tmp_path, monkeypatch
):
    train = [make_record("train", index, 2, 3) for index in range(2)]
    val = [make_record("val", 0, 0, 0)]
    write_records(tmp_path, {"train-0.tfrecord": train, "val-0.tfrecord": val})
    pictures = open_pictures(str(tmp_path))
    assert pictures.names == ["train-0", "train-1", "val-0"]
    assert pictures.columns == {
        "split": ["train", "train", "val"],
        # Three objects: unknown, cat, dog.
        "labels": ["cat,dog", "cat,dog", ""],
    }
    np.testing.assert_array_equal(pictures.load(1), decode(train[1].encoded))
    assert pictures.find("val-0") == 2
    assert pictures.find("val-1") is None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "val-0").write_bytes(val[0].encoded)
    assert pictures.find("val-0") is None


def test_a_damaged_record_is_left_out_or_stops(tmp_path):
    train = [make_record("train", index, 2) for index in range(2)]
    write_records(tmp_path, {"train-0.tfrecord": train})
    path = tmp_path / "train-0.tfrecord"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    pictures = open_pictures(str(tmp_path))
    assert pictures.names == ["train-1"]
    assert "checksum" in pictures.left_out[0][1]
    with pytest.raises(InputError, match="checksum"):
        open_pictures(str(tmp_path), "stop")


def test_what_holds_no_picture_is_refused(tmp_path):
    for name in ("none", "file"):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="is not a folder.*--images"):
            open_pictures(str(tmp_path / name))
    with pytest.raises(InputError, match="No picture in"):
        open_pictures(str(tmp_path))
