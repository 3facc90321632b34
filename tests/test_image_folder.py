import os
import pickle
import shutil

import pytest
from PIL import Image
from small_records import write_records

from scn_tf.experiment_plan import Plan
from scn_tf.run_folder import write_experiment
from scn_tf.run_folder import write_flags
from tfrecords.errors import InputError
from tfrecords.images import load_image
from tfrecords.sources.image_folder import ImageFolder


def _fill(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture " + name.encode())
    return folder


def _ids(folder, **options):
    keys = ImageFolder(str(folder), **options).keys()
    return [key.image_id for key in keys]


def test_pictures_are_found_in_all_folders_and_sorted(tmp_path):
    _fill(tmp_path, ["b.jpg", "a/z.PNG", "a/b/c.Tiff", "a.jpg"])
    assert _ids(tmp_path) == ["a.jpg", "a/b/c.Tiff", "a/z.PNG", "b.jpg"]


def test_every_stated_ending_is_read_in_any_case(tmp_path):
    names = [
        *("1.bmp", "2.jpeg", "3.jpg", "4.png", "5.tif", "6.tiff", "7.webp"),
        *("8.JPG", "9.jfif", "9.jpe"),
    ]
    _fill(tmp_path, names)
    assert _ids(tmp_path) == names


def test_other_and_hidden_files_are_left_out(tmp_path):
    _fill(tmp_path, ["a.jpg", "a.txt", "._a.jpg", ".thumbs/a.jpg", "jpg"])
    assert _ids(tmp_path) == ["a.jpg"]


def _fill_run(run_dir):
    """What a run, or a row of an experiment, leaves."""
    write_flags(run_dir, {"seed": 0})
    _fill(run_dir, ["pictures/pairs.png", "a/b.jpg"])


def test_runs_and_records_among_the_pictures_change_nothing(tmp_path, caplog):
    _fill(tmp_path, ["a.jpg", "day/b.jpg"])
    before = ImageFolder(str(tmp_path))
    before_keys, before_digest = before.keys(), before.digest()
    _fill_run(tmp_path / "runs" / "mine")
    plan = Plan("table2")
    _fill_run(tmp_path / "all" / "SCN" / "seed0")
    write_experiment(tmp_path / "all", {"seed": 0}, plan)
    _fill(tmp_path, ["all/table2.png", "records/statistics.png"])
    write_records(tmp_path / "records", {})
    with caplog.at_level("INFO", "absl"):
        after = ImageFolder(str(tmp_path))
        assert after.keys() == before_keys
        assert after.digest() == before_digest
    [said] = caplog.messages
    assert said.startswith("3 folders in")
    assert said.endswith("'all', 'records', 'runs/mine'.")


def test_a_run_that_is_named_itself_is_searched(tmp_path):
    _fill_run(tmp_path / "mine")
    assert _ids(tmp_path / "mine") == ["a/b.jpg", "pictures/pairs.png"]


@pytest.mark.parametrize("name", ["flags.txt", "manifest.json"])
def test_files_of_the_same_names_hide_no_pictures(tmp_path, name):
    _fill(tmp_path, ["day/a.jpg", f"day/{name}"])
    assert _ids(tmp_path) == ["day/a.jpg"]


def test_a_tenth_is_val_and_more_pictures_move_none(tmp_path):
    names = [f"{index}.jpg" for index in range(1000)]
    few_dir = _fill(tmp_path / "few", names[::2])
    many_dir = _fill(tmp_path / "many", names)
    many = {k.image_id: k.split for k in ImageFolder(str(many_dir)).keys()}
    # 1000 draws of 0.1: 100 with a deviation of 9.5.
    assert 60 < list(many.values()).count("val") < 140
    for key in ImageFolder(str(few_dir), seed=5).keys():
        assert many[key.image_id] == key.split


@pytest.mark.parametrize(("share", "split"), [(0.0, "train"), (1.0, "val")])
def test_the_share_of_val_is_an_argument(tmp_path, share, split):
    _fill(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    keys = ImageFolder(str(tmp_path), val_share=share).keys()
    assert {key.split for key in keys} == {split}


def test_a_record_is_the_path_without_boxes(tmp_path):
    _fill(tmp_path, ["a/b.jpg"])
    source = ImageFolder(str(tmp_path))
    record = source.read(source.keys()[0])
    assert record.image == tmp_path / "a" / "b.jpg"
    assert record.boxes.shape == (0, 4)
    assert record.labels == () and record.difficult.shape == (0,)
    assert source.classes == ()


def test_links_that_lead_outside_are_not_followed(tmp_path):
    outside_dir = _fill(tmp_path / "outside", ["secret.jpg"])
    inside_dir = _fill(tmp_path / "inside", ["a.jpg"])
    (inside_dir / "file.jpg").symlink_to(outside_dir / "secret.jpg")
    (inside_dir / "folder").symlink_to(outside_dir)
    (inside_dir / "loop").symlink_to(inside_dir)
    (inside_dir / "again.jpg").symlink_to(inside_dir / "a.jpg")
    assert _ids(inside_dir) == ["a.jpg", "again.jpg"]


def test_the_digest_follows_names_and_sizes_not_place_or_time(tmp_path):
    first_dir = _fill(tmp_path / "first", ["a.jpg", "b.jpg"])
    second_dir = tmp_path / "second"
    shutil.copytree(first_dir, second_dir)
    os.utime(second_dir / "a.jpg", (0, 0))
    digest = ImageFolder(str(first_dir)).digest()
    assert ImageFolder(str(second_dir)).digest() == digest
    (second_dir / "a.jpg").write_bytes(b"longer than before")
    assert ImageFolder(str(second_dir)).digest() != digest
    (first_dir / "a.jpg").rename(first_dir / "c.jpg")
    assert ImageFolder(str(first_dir)).digest() != digest


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        ImageFolder(str(tmp_path / "nowhere"))


def test_a_folder_without_pictures_says_what_was_looked_for(tmp_path):
    _fill(tmp_path, ["notes.txt"])
    with pytest.raises(InputError, match="No picture in .*\\.jpeg, \\.jpg"):
        ImageFolder(str(tmp_path)).keys()


def test_a_picture_deleted_since_is_refused_by_name(tmp_path):
    _fill(tmp_path, ["a.jpg"])
    source = ImageFolder(str(tmp_path))
    (key,) = source.keys()
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match="missing: .*a.jpg"):
        source.read(key)
    assert len(source.digest()) == 64


def test_a_name_that_is_no_text_is_refused_when_read(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xff.jpg")
    with open(path, "wb") as file:
        file.write(b"picture")
    source = ImageFolder(str(tmp_path))
    assert len(source.digest()) == 64
    with pytest.raises(InputError, match="not valid UTF-8"):
        source.read(source.keys()[0])


def test_links_that_lead_outside_are_counted_and_named(tmp_path, caplog):
    outside_dir = _fill(tmp_path / "outside", ["b.jpg"])
    inside_dir = _fill(tmp_path / "inside", ["a.jpg", "day/b.jpg"])
    (inside_dir / "day" / "file.jpg").symlink_to(outside_dir / "b.jpg")
    (inside_dir / "folder").symlink_to(outside_dir)
    (inside_dir / "notes.txt").symlink_to(outside_dir / "b.jpg")
    (inside_dir / "again.jpg").symlink_to(inside_dir / "a.jpg")
    ImageFolder(str(inside_dir)).keys()
    (message,) = caplog.messages
    assert message.startswith("2 links lead outside of ")
    assert "left out: 'day/file.jpg', 'folder'. Copy" in message


def test_at_most_ten_links_are_named(tmp_path, caplog):
    inside_dir = _fill(tmp_path / "inside", ["a.jpg"])
    for index in range(11):
        (inside_dir / f"{index:02}.jpg").symlink_to(tmp_path / "nowhere.jpg")
    ImageFolder(str(inside_dir)).keys()
    (message,) = caplog.messages
    assert message.startswith("11 links")
    assert "'09.jpg', ..." in message and "10.jpg" not in message


def test_no_links_are_no_warning(tmp_path, caplog):
    ImageFolder(str(_fill(tmp_path, ["a.jpg"]))).keys()
    assert not caplog.messages


def test_a_link_to_itself_is_refused_when_read(tmp_path):
    _fill(tmp_path, ["a.jpg"])
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    source = ImageFolder(str(tmp_path))
    assert len(source.digest()) == 64
    with pytest.raises(InputError, match="loop.jpg is a link that"):
        source.read(source.keys()[1])


def test_the_share_of_val_survives_pickling(tmp_path):
    _fill(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    twin = pickle.loads(pickle.dumps(ImageFolder(str(tmp_path), 0, 1.0)))
    assert {key.split for key in twin.keys()} == {"val"}


def test_folders_of_splits_tell_the_split(tmp_path):
    _fill(tmp_path, ["train/a.jpg", "Validation/b.jpg", "testing/c/d.jpg"])
    keys = ImageFolder(str(tmp_path), val_share=0.0).keys()
    assert {key.image_id: key.split for key in keys} == {
        "Validation/b.jpg": "val",
        "testing/c/d.jpg": "test",
        "train/a.jpg": "train",
    }


def test_beside_train_without_val_the_share_of_val_is_an_argument(tmp_path):
    _fill(tmp_path, ["train/a.jpg", "train/b.jpg", "test/c.jpg"])
    keys = ImageFolder(str(tmp_path), val_share=1.0).keys()
    assert [key.split for key in keys] == ["test", "val", "val"]


def test_a_jpeg_by_another_ending_is_read(tmp_path):
    for name in ("a.jfif", "b.JPE"):
        Image.new("RGB", (8, 6)).save(tmp_path / name, "JPEG")
    source = ImageFolder(str(tmp_path))
    images = [load_image(source.read(key).image) for key in source.keys()]
    assert [(i.height, i.width, i.changed) for i in images] == [(6, 8, "")] * 2


def test_pictures_of_other_formats_are_counted_once(tmp_path, caplog):
    names = ["a.jpg", "b.heic", "day/c.HEIC", "d.gif", "e.CR2", "f.txt"]
    _fill(tmp_path, [*names, ".g.heic", "notes.gif/h.jpg"])
    assert _ids(tmp_path) == ["a.jpg", "notes.gif/h.jpg"]
    (message,) = caplog.messages
    assert message.startswith(f"4 pictures in {tmp_path} are in formats")
    assert "1 .cr2, 1 .gif, 2 .heic. Convert them to JPEG" in message
