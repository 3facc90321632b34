import pickle

import numpy as np
import pytest
from PIL import Image

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.images import load_image
from tfrecords.sources.splits import hashed_split
from tfrecords.sources.yolo import Yolo


def _picture(path, orientation=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (200, 100)).save(path, exif=exif)


def _labels(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


@pytest.fixture
def data_dir(tmp_path):
    """Pictures of 100 x 200 (height x width) in Ultralytics' layout."""
    for name in ("train/day/a", "train/b", "val/c"):
        _picture(tmp_path / "images" / f"{name}.jpg")
    _labels(
        tmp_path / "labels" / "train" / "day" / "a.txt",
        "1 0.25 0.5 0.1 0.1",
        "",
        "0 0.5 0.5 1 1",
    )
    _labels(tmp_path / "labels" / "val" / "c.txt")
    (tmp_path / "data.yaml").write_text("path: /etc\nnames: [dog, car]\n")
    return tmp_path


def _read(data_dir, image_id="images/train/day/a.jpg"):
    return Yolo(str(data_dir)).read(ImageKey("train", image_id))


def test_pictures_are_sorted_and_splits_are_their_folders(data_dir):
    assert Yolo(str(data_dir)).keys() == [
        ImageKey("train", "images/train/b.jpg"),
        ImageKey("train", "images/train/day/a.jpg"),
        ImageKey("val", "images/val/c.jpg"),
    ]


def test_boxes_come_in_our_convention(data_dir):
    record = _read(data_dir)
    # Center x 50, y 50, 20 wide, 10 high; and the whole picture.
    np.testing.assert_allclose(
        record.boxes, [[45, 40, 55, 60], [0, 0, 100, 200]]
    )
    assert record.boxes.dtype == np.float32
    assert record.labels == ("car", "dog")
    assert record.size == (100, 200)


@pytest.mark.parametrize("orientation", [3, 6])
def test_labels_refer_to_the_upright_picture(data_dir, orientation):
    path = data_dir / "images/train/day/a.jpg"
    _picture(path, orientation)
    record = _read(data_dir)
    stored = load_image(path)
    assert record.size == (stored.height, stored.width)
    np.testing.assert_allclose(record.boxes[1], [0, 0, *record.size])


@pytest.mark.parametrize("name", ["images/train/b.jpg", "images/val/c.jpg"])
def test_missing_or_empty_labels_are_no_boxes(data_dir, name):
    record = _read(data_dir, name)
    assert record.boxes.shape == (0, 4) and record.labels == ()


def test_the_box_around_a_polygon_is_taken(data_dir):
    path = data_dir / "labels/train/day/a.txt"
    # x from 0.1 to 0.4 of 200, y from 0.2 to 0.6 of 100.
    _labels(path, "0 0.1 0.2 0.4 0.3 0.2 0.6")
    np.testing.assert_allclose(_read(data_dir).boxes, [[20, 20, 60, 80]], 1e-6)


def test_a_folder_per_split_is_read_too(tmp_path):
    for split in ("train", "valid", "test"):
        _picture(tmp_path / split / "images" / "a.jpg")
    _labels(tmp_path / "train" / "labels" / "a.txt", "0 0.5 0.5 1 1")
    source = Yolo(str(tmp_path))
    assert source.keys() == [
        ImageKey("test", "test/images/a.jpg"),
        ImageKey("train", "train/images/a.jpg"),
        ImageKey("val", "valid/images/a.jpg"),
    ]
    records = [source.read(key) for key in source.keys()]
    assert [len(record.boxes) for record in records] == [0, 1, 0]


def test_without_a_folder_of_its_own_a_hash_decides_the_split(tmp_path):
    for index in range(100):
        _picture(tmp_path / "images" / f"{index}.jpg")
    (tmp_path / "labels").mkdir()
    splits = [key.split for key in Yolo(str(tmp_path)).keys()]
    assert 0 < splits.count("val") < 30 and set(splits) == {"train", "val"}


def test_a_picture_called_after_a_split_is_in_none(tmp_path):
    (tmp_path / "labels").mkdir()
    for name in ("val.jpg", "test.jpg", "eval.jpg"):
        _picture(tmp_path / "images" / name)
    splits = {key.split for key in Yolo(str(tmp_path)).keys()}
    assert "test" not in splits


def test_without_names_the_numbers_are_the_classes(data_dir):
    (data_dir / "data.yaml").unlink()
    _labels(data_dir / "labels" / "val" / "c.txt", "x", "12 0.5 0.5 1 1")
    assert Yolo(str(data_dir)).classes == ("0", "1")
    assert _read(data_dir).labels == ("1", "0")


def test_classes_are_sorted_and_labels_keep_their_number(data_dir):
    assert Yolo(str(data_dir)).classes == ("car", "dog")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0 0.5 0.5 1", "Wanted: `class cx cy w h`"),
        ("0 0.5 0.5 1 1 0.9", "Wanted: `class cx cy w h`"),
        ("0", "Wanted: `class cx cy w h`"),
        ("dog 0.5 0.5 1 1", "Wanted: `class cx cy w h`"),
        ("0,0.5,0.5,1,1", "Wanted: `class cx cy w h`"),
        ("0.5 0.5 0.5 1 1", "the class 0.5 is no number"),
        ("-1 0.5 0.5 1 1", "the class -1 is no number"),
        ("nan 0.5 0.5 1 1", "the class nan is no number"),
        ("1e300 0.5 0.5 1 1", "the class 1e300 is no number"),
        ("0 0.5 nan 1 1", "not all numbers are from 0 to 1"),
        ("0 0.5 inf 1 1", "not all numbers are from 0 to 1"),
        ("0 100 50 20 10", "not all numbers are from 0 to 1"),
        ("0 0.5 -0.5 1 1", "not all numbers are from 0 to 1"),
    ],
)
def test_a_faulty_row_refuses_its_picture_alone(data_dir, row, message):
    path = data_dir / "labels/train/day/a.txt"
    _labels(path, "0 0.5 0.5 1 1", row)
    with pytest.raises(InputError, match=f"(?s)a.txt, line 2.*{message}"):
        _read(data_dir)
    source = Yolo(str(data_dir))
    assert len(source.keys()) == 3 and source.classes == ("car", "dog")


def test_a_class_without_a_name_is_refused(data_dir):
    _labels(data_dir / "labels/train/day/a.txt", "7 0.5 0.5 1 1")
    with pytest.raises(InputError, match="a.txt: there is no name for class 7"):
        _read(data_dir)


def test_labels_that_are_no_text_are_refused(data_dir):
    (data_dir / "labels/train/day/a.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="a.txt is not a text file"):
        _read(data_dir)


def test_a_file_that_is_no_picture_is_refused_by_name(data_dir):
    (data_dir / "images/train/b.jpg").write_bytes(b"letter")
    with pytest.raises(InputError, match="b.jpg: it is no picture"):
        _read(data_dir, "images/train/b.jpg")


@pytest.mark.parametrize("folders", [["images"], ["labels"], ["a/images"]])
def test_a_folder_without_the_layout_is_refused(tmp_path, folders):
    for name in folders:
        (tmp_path / name).mkdir(parents=True)
    assert not Yolo.is_here(tmp_path)
    with pytest.raises(InputError, match="looked for images/ beside labels/"):
        Yolo(str(tmp_path))


def test_folders_without_pictures_are_refused(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="No picture in the folders images/"):
        Yolo(str(tmp_path)).keys()


@pytest.mark.parametrize(
    "image_id",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "images/../../secret.jpg",
        "images/train/nobody.jpg",
        "labels/a.jpg",
        "",
    ],
)
def test_a_hostile_or_unknown_key_is_refused(data_dir, image_id):
    _picture(data_dir / "labels" / "a.jpg")
    _picture(data_dir.parent / "secret.jpg")
    with pytest.raises(InputError, match="cannot name|missing|no picture"):
        _read(data_dir, image_id)


def test_links_that_lead_outside_are_refused(data_dir, tmp_path_factory):
    outside_dir = tmp_path_factory.mktemp("outside")
    path = data_dir / "labels/train/day/a.txt"
    path.rename(outside_dir / "a.txt")
    path.symlink_to(outside_dir / "a.txt")
    with pytest.raises(InputError, match="a.txt is a link that leads outside"):
        _read(data_dir)
    path = data_dir / "images/train/b.jpg"
    path.rename(outside_dir / "b.jpg")
    path.symlink_to(outside_dir / "b.jpg")
    assert len(Yolo(str(data_dir)).keys()) == 2
    with pytest.raises(InputError, match="b.jpg is a link that leads outside"):
        _read(data_dir, "images/train/b.jpg")


def test_the_digest_follows_names_pictures_and_labels(data_dir):
    digests = {Yolo(str(data_dir)).digest(), Yolo(str(data_dir)).digest()}
    assert len(digests) == 1
    (data_dir / "data.yaml").write_text("names: [dog, cat]")
    digests.add(Yolo(str(data_dir)).digest())
    _labels(data_dir / "labels/val/c.txt", "0 0.5 0.5 1 1")
    digests.add(Yolo(str(data_dir)).digest())
    (data_dir / "images/val/c.jpg").unlink()
    digests.add(Yolo(str(data_dir)).digest())
    assert len(digests) == 4


def test_a_picture_is_read_without_the_listing(data_dir, monkeypatch):
    source = pickle.loads(pickle.dumps(Yolo(str(data_dir))))
    monkeypatch.delattr("tfrecords.sources.folder.list_pictures")
    key = ImageKey("train", "images/train/day/a.jpg")
    assert source.read(key).labels == ("car", "dog")


def test_a_folder_of_a_split_is_wholly_named_after_it(tmp_path):
    (tmp_path / "labels").mkdir()
    for index in range(60):
        _picture(tmp_path / "images" / "valley" / f"{index}.jpg")
    _picture(tmp_path / "images" / "Val2017" / "a.jpg")
    keys = Yolo(str(tmp_path)).keys()
    assert keys[0] == ImageKey("val", "images/Val2017/a.jpg")
    # Beside a val all else is train.
    assert [key.split for key in keys[1:]] == ["train"] * 60


@pytest.mark.parametrize("layout", ["images/train", "train/images", "images"])
def test_without_a_val_a_tenth_of_train_is_held_out(tmp_path, layout):
    for place in (layout, "images/test"):
        labels_dir = tmp_path / place.replace("images", "labels")
        labels_dir.mkdir(parents=True)
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        for index in range(200):
            (tmp_path / place / f"{index}.jpg").touch()
    keys = Yolo(str(tmp_path)).keys()
    assert [key.split for key in keys] == [
        "test" if "/test/" in key.image_id else hashed_split(key.image_id)
        for key in keys
    ]
    assert 5 < [key.split for key in keys].count("val") < 40


def test_folders_that_only_begin_like_a_split_are_none(tmp_path):
    for name in ("train", "valley"):
        _picture(tmp_path / name / "images" / "a.jpg")
        _labels(tmp_path / name / "labels" / "a.txt", "0 0.5 0.5 1 1")
    (key,) = Yolo(str(tmp_path)).keys()
    assert key == ImageKey("train", "train/images/a.jpg")


def test_the_digest_follows_labels_of_the_same_length(data_dir):
    digest = Yolo(str(data_dir)).digest()
    path = data_dir / "labels/train/day/a.txt"
    path.write_text(path.read_text().replace("0.25", "0.35"))
    assert Yolo(str(data_dir)).digest() != digest


def test_the_digest_never_follows_labels_that_lead_outside(
    data_dir, tmp_path_factory
):
    outside_path = tmp_path_factory.mktemp("outside") / "a.txt"
    outside_path.write_text("0 0.5 0.5 1 1")
    path = data_dir / "labels/train/day/a.txt"
    path.unlink()
    missing = Yolo(str(data_dir)).digest()
    path.symlink_to(outside_path)
    assert Yolo(str(data_dir)).digest() == missing
