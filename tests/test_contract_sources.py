"""Laws that every source keeps; a new one in SOURCES needs an example."""

import io
import json
import pickle

import numpy as np
import pytest
from detection_records import example
from PIL import Image

from tfrecords import boxes
from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.images import load_image
from tfrecords.record_file import frame
from tfrecords.sources import open_source
from tfrecords.sources import SOURCES

_XML = """<annotation><filename>{0}.jpg</filename><object>
<name>cat</name><bndbox><xmin>3</xmin><ymin>2</ymin><xmax>20</xmax>
<ymax>12</ymax></bndbox></object></annotation>"""


def _jpeg():
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), (200, 90, 10)).save(buffer, "JPEG")
    return buffer.getvalue()


def _write_folder(folder):
    for index in range(12):
        path = folder / f"day{index % 2}" / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_jpeg())


def _write_devkit(folder):
    year_dir = folder / "VOCdevkit" / "VOC2012"
    for name in ("ImageSets/Main", "JPEGImages", "Annotations"):
        (year_dir / name).mkdir(parents=True)
    for image_id in ("2008_1", "2008_2", "2008_3"):
        path = year_dir / "JPEGImages" / f"{image_id}.jpg"
        path.write_bytes(_jpeg())
        path = year_dir / "Annotations" / f"{image_id}.xml"
        path.write_text(_XML.format(image_id))
    lists_dir = year_dir / "ImageSets" / "Main"
    (lists_dir / "train.txt").write_text("2008_2\n2008_1\n")
    (lists_dir / "val.txt").write_text("2008_3\n")


def _write_coco(folder):
    folder = folder / "annotations"
    for split, number in (("train", 1), ("val", 2)):
        path = folder.parent / f"{split}2017" / f"{number}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(_jpeg())
        content = {
            "images": [{"id": number, "file_name": path.name}],
            "annotations": [
                {"image_id": number, "category_id": 7, "bbox": [2, 1, 18, 11]}
            ],
            "categories": [{"id": 7, "name": "cat"}],
        }
        folder.mkdir(exist_ok=True)
        text = json.dumps(content)
        (folder / f"instances_{split}2017.json").write_text(text)


def _write_csv(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["filename,xmin,ymin,xmax,ymax,class"]
    for index in range(3):
        (folder / f"{index}.jpg").write_bytes(_jpeg())
        rows.append(f"{index}.jpg,2,1,20,12,cat")
    (folder / "boxes.csv").write_text("\n".join(rows))


def _write_records(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "val"):
        path = folder / f"{split}.record-00000-of-00001"
        path.write_bytes(frame(example()) + frame(example()))


def _write_yolo(folder):
    for split, index in (("train", 0), ("train", 1), ("val", 2)):
        path = folder / "images" / split / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_jpeg())
        path = folder / "labels" / split / f"{index}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0 0.5 0.5 0.2 0.3")
    (folder / "data.yaml").write_text("names: [cat]")


_EXAMPLES = {
    "coco": _write_coco,
    "csv": _write_csv,
    "image_folder": _write_folder,
    "object_detection": _write_records,
    "synthetic": lambda folder: None,
    "voc": _write_devkit,
    "yolo": _write_yolo,
}
_OF_FILES = sorted(set(SOURCES) - {"synthetic"})
# Ids that a stranger's file of keys may hold.
_HOSTILE = (
    "nobody",
    "",
    ".",
    "..",
    "../secret.jpg",
    "../../../../../../../../../../etc/passwd",
    "/etc/passwd",
    "day0/../../secret.jpg",
    "images/../../secret.jpg",
    "train2017/../../secret.jpg",
    "train.record-00000-of-00001/../../secret.jpg/0",
    "..\\secret.jpg",
    "a\0b",
    "\udcff",
    "\ud800.jpg",
    "a" * 5000,
    "link.jpg",
    "link/secret.jpg",
    "images/train/link.jpg",
    "٣",
)


@pytest.fixture(params=sorted(SOURCES))
def source(request, tmp_path):
    _EXAMPLES[request.param](tmp_path)
    return open_source(request.param, str(tmp_path), seed=0)


def test_the_table_is_sorted_and_names_its_sources():
    assert list(SOURCES) == sorted(SOURCES)
    for name, kind in SOURCES.items():
        assert kind.name == name


def test_keys_are_unique_and_in_a_fixed_order(source, tmp_path):
    keys = source.keys()
    assert len({key.image_id for key in keys}) == len(keys) > 0
    again = open_source(source.name, str(tmp_path), seed=0)
    assert again.keys() == keys
    assert again.digest() == source.digest()


def test_the_list_of_keys_is_the_callers_own(source):
    source.keys().clear()
    assert source.keys()


def test_the_digest_is_sha_256_in_hex(source):
    assert len(source.digest()) == 64
    int(source.digest(), 16)


def test_records_keep_the_convention(source):
    for key in source.keys()[:20]:
        record = source.read(key)
        count = len(record.labels)
        assert record.key == key
        assert record.boxes.shape == (count, 4)
        assert record.boxes.dtype == np.float32
        assert record.difficult.shape == (count,)
        assert record.difficult.dtype == bool
        assert set(record.labels) <= set(source.classes)
        stored = load_image(record.image)
        size = stored.height, stored.width
        assert not any(boxes.faults(record.boxes, size))
        if record.pairs is not None:
            assert record.pairs.dtype == np.int64
            assert record.pairs.max() < count


def test_classes_are_sorted(source):
    assert list(source.classes) == sorted(source.classes)


def test_a_pickled_source_reads_the_same_without_listing(source):
    keys = source.keys()
    twin = pickle.loads(pickle.dumps(source))
    for key in keys[-3:]:
        one, other = source.read(key), twin.read(key)
        assert one.image == other.image and one.labels == other.labels
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.difficult, other.difficult)
        assert one.size == other.size
    assert twin.keys() == keys and twin.digest() == source.digest()
    assert twin.classes == source.classes


def test_what_was_listed_and_parsed_stays_out_of_the_pickle(source):
    before = pickle.dumps(source)
    source.read(source.keys()[0])
    source.digest()
    assert len(source.classes) < 99
    assert pickle.dumps(source) == before and len(before) < 1000


@pytest.mark.parametrize("name", _OF_FILES)
def test_a_copy_may_be_opened_from_another_folder(name, tmp_path, monkeypatch):
    _EXAMPLES[name](tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    source = open_source(name, "data", 0)
    key = source.keys()[0]
    pickled = pickle.dumps(source)
    monkeypatch.chdir("/")
    assert len(pickle.loads(pickled).read(key).labels) >= 0


@pytest.mark.parametrize("name", _OF_FILES)
def test_opening_a_source_lists_and_parses_nothing(name, tmp_path, monkeypatch):
    """However many photographs there are: no content is looked at."""
    _EXAMPLES[name](tmp_path)
    for place in tmp_path.rglob("*"):
        if place.is_file() and place.suffix not in (".jpg", ".xml"):
            place.write_bytes(b"\xff no such format")
    monkeypatch.delattr("tfrecords.sources.folder.list_pictures")
    open_source(name, str(tmp_path), 0)


@pytest.mark.parametrize("image_id", _HOSTILE)
def test_a_hostile_key_is_refused(source, tmp_path, image_id):
    secret_path = tmp_path.parent / "secret.jpg"
    secret_path.write_bytes(_jpeg())
    for name in ("link.jpg", "images/train/link.jpg"):
        if (tmp_path / name).parent.is_dir():
            (tmp_path / name).symlink_to(secret_path)
    (tmp_path / "link").symlink_to(tmp_path.parent)
    with pytest.raises(InputError) as refusal:
        source.read(ImageKey("train", image_id))
    # The message can be printed.
    str(refusal.value).encode()


@pytest.mark.parametrize("name", _OF_FILES)
def test_a_picture_behind_a_link_to_outside_is_never_read(name, tmp_path):
    """Pictures, or files of records, that are links: none comes through."""
    data_dir = tmp_path / "data"
    _EXAMPLES[name](data_dir)
    keys = open_source(name, str(data_dir), 0).keys()
    for path in [*data_dir.rglob("*.jpg"), *data_dir.glob("*.record-*")]:
        outside_path = tmp_path / path.name
        path.rename(outside_path)
        path.symlink_to(outside_path)
    source = open_source(name, str(data_dir), 0)
    for key in keys:
        with pytest.raises(InputError, match="leads outside"):
            source.read(key)


def test_an_unknown_key_is_refused_by_name(source):
    with pytest.raises(InputError, match="nobody"):
        source.read(ImageKey("train", "nobody"))


@pytest.mark.parametrize("name", _OF_FILES)
def test_auto_tells_each_kind_of_folder(name, tmp_path):
    _EXAMPLES[name](tmp_path)
    assert open_source("auto", str(tmp_path), 0).name == name
    others = set(SOURCES) - {name, "image_folder"}
    assert not any(SOURCES[other].is_here(tmp_path) for other in others)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("VOCdevkit", "voc"),
        ("VOCdevkit/VOC2012", "voc"),
        ("VOCdevkit/VOC2012/JPEGImages", "image_folder"),
    ],
)
def test_auto_tells_a_devkit_from_its_parts(folder, name, tmp_path):
    _write_devkit(tmp_path)
    assert open_source("auto", str(tmp_path / folder), 0).name == name


def test_auto_does_not_guess_between_two_kinds(tmp_path):
    _write_coco(tmp_path)
    _write_yolo(tmp_path)
    message = "as coco and as yolo.*--source=coco or --source=yolo"
    with pytest.raises(InputError, match=message):
        open_source("auto", str(tmp_path), 0)
    assert open_source("coco", str(tmp_path), 0).name == "coco"


def test_an_unknown_name_is_refused_with_a_hint():
    with pytest.raises(InputError, match="Did you mean 'synthetic'"):
        open_source("syntetic", "", 0)
    with pytest.raises(InputError, match="Known sources: auto, coco, csv"):
        open_source("?", "", 0)


@pytest.mark.parametrize("name", ["auto", *_OF_FILES])
def test_a_source_of_files_wants_a_folder(name):
    with pytest.raises(InputError, match="--data_dir"):
        open_source(name, "", 0)


@pytest.mark.parametrize("name", ["auto", *_OF_FILES])
def test_a_missing_folder_is_refused_by_name(name, tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        open_source(name, str(tmp_path / "nowhere"), 0)
