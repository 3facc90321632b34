"""Laws that every source keeps; a new one in SOURCES needs an example."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from tfrecords import boxes
from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.images import load_image
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


_EXAMPLES = {
    "image_folder": _write_folder,
    "synthetic": lambda folder: None,
    "voc": _write_devkit,
}


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


def test_a_pickled_source_reads_the_same(source):
    twin = pickle.loads(pickle.dumps(source))
    key = source.keys()[-1]
    one, other = source.read(key), twin.read(key)
    assert one.image == other.image and one.labels == other.labels
    np.testing.assert_array_equal(one.boxes, other.boxes)
    assert twin.digest() == source.digest()


def test_an_unknown_key_is_refused_by_name(source):
    with pytest.raises(InputError, match="nobody"):
        source.read(ImageKey("train", "nobody"))


def test_auto_tells_a_devkit_from_a_folder(tmp_path):
    _write_devkit(tmp_path / "one")
    _write_folder(tmp_path / "two")
    for folder, name in (
        ("one", "voc"),
        ("one/VOCdevkit", "voc"),
        ("one/VOCdevkit/VOC2012", "voc"),
        ("one/VOCdevkit/VOC2012/JPEGImages", "image_folder"),
        ("two", "image_folder"),
    ):
        assert open_source("auto", str(tmp_path / folder), 0).name == name


def test_an_unknown_name_is_refused_with_a_hint():
    with pytest.raises(InputError, match="Did you mean 'synthetic'"):
        open_source("syntetic", "", 0)
    with pytest.raises(InputError, match="Known sources: auto, image_fold"):
        open_source("?", "", 0)


@pytest.mark.parametrize("name", ["auto", "image_folder", "voc"])
def test_a_source_of_files_wants_a_folder(name):
    with pytest.raises(InputError, match="--data_dir"):
        open_source(name, "", 0)


@pytest.mark.parametrize("name", ["auto", "image_folder", "voc"])
def test_a_missing_folder_is_refused_by_name(name, tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        open_source(name, str(tmp_path / "nowhere"), 0)
