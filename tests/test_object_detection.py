import gzip
import pickle

import numpy as np
import pytest
from detection_records import example
from small_records import make_record
from small_records import write_records

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.record_file import frame
from tfrecords.record_file import read_records
from tfrecords.sources import open_source
from tfrecords.sources.object_detection import ObjectDetectionRecords


def _write(path, *names, **changes):
    """Writes records of these names; returns where each one begins."""
    path.parent.mkdir(exist_ok=True)
    framed = [
        frame(example(image__source_id=[name.encode()], **changes))
        for name in names
    ]
    path.write_bytes(b"".join(framed))
    return np.cumsum([0, *map(len, framed)]).tolist()


def _ids(data_dir):
    keys = ObjectDetectionRecords(str(data_dir)).keys()
    return [key.image_id for key in keys]


def test_records_come_file_by_file_with_their_place(tmp_path):
    starts = _write(tmp_path / "train.record-00000-of-00001", "a", "b")
    _write(tmp_path / "val.tfrecord", "a", "")
    source = ObjectDetectionRecords(str(tmp_path))
    keys = source.keys()
    assert keys == [
        ImageKey("train", "train.record-00000-of-00001/0/a"),
        ImageKey("train", f"train.record-00000-of-00001/{starts[1]}/b"),
        ImageKey("val", "val.tfrecord/0/a"),
        ImageKey("val", keys[3].image_id),
    ]
    # Without a source_id the file name stands: see `example`.
    assert keys[3].image_id.endswith("/a.jpg")
    for key in keys:
        assert source.read(key).labels == ("dog",)
    assert source.classes == ("dog",)


@pytest.mark.parametrize("name", ["auto", "object_detection"])
def test_records_of_ours_are_no_source(tmp_path, name):
    shards = {"train-00000-of-00001.tfrecord": [make_record("train", 0, 2)]}
    write_records(tmp_path, shards)
    with pytest.raises(InputError, match=f"--records_dir={tmp_path}, without"):
        open_source(name, str(tmp_path), 0)


def test_a_manifest_of_others_is_passed_over(tmp_path):
    _write(tmp_path / "train.record", "a")
    (tmp_path / "manifest.json").write_text('{"files": ["train.record"]}')
    assert _ids(tmp_path) == ["train.record/0/a"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("coco_train.record-00003-of-00100", "train"),
        ("validation-00000-of-00128", "val"),
        ("pascal_eval.record", "val"),
        ("test.tfrecords", "test"),
        ("pictures.tfrecord", "train"),
    ],
)
def test_a_files_name_tells_its_split(tmp_path, name, split):
    _write(tmp_path / name, "a")
    (key,) = ObjectDetectionRecords(str(tmp_path)).keys()
    assert key.split == split


@pytest.mark.parametrize(
    "name", ["a.record.gz", ".hidden.record", "a-1-of-2", "record", "a.txt"]
)
def test_other_files_are_left_alone(tmp_path, name):
    _write(tmp_path / name, "a")
    (tmp_path / "folder.record").mkdir()
    assert not ObjectDetectionRecords.is_here(tmp_path)
    with pytest.raises(InputError, match="No TFRecord file in"):
        ObjectDetectionRecords(str(tmp_path))


def test_a_label_map_names_what_records_do_not(tmp_path):
    _write(tmp_path / "train.record", "a", image__object__class__text=None)
    source = ObjectDetectionRecords(str(tmp_path))
    assert source.classes == ("7",)
    digest = source.digest()
    (tmp_path / "label_map.pbtxt").write_text("item { id: 7 name: 'cat' }")
    (tmp_path / "pipeline.pbtxt").write_text("?")
    source = ObjectDetectionRecords(str(tmp_path))
    assert source.classes == ("cat",) and source.digest() != digest
    assert source.read(source.keys()[0]).labels == ("cat",)


def test_several_label_maps_are_not_guessed_between(tmp_path):
    _write(tmp_path / "train.record", "a")
    for name in ("one_label_map.pbtxt", "two_label_map.pbtxt"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="Several label maps"):
        ObjectDetectionRecords(str(tmp_path)).keys()


def test_of_a_file_that_ends_early_the_rest_is_kept_and_named(tmp_path, caplog):
    path = tmp_path / "train.record"
    starts = _write(path, "a", "b", "c")
    path.write_bytes(path.read_bytes()[:-10])
    source = ObjectDetectionRecords(str(tmp_path))
    keys = source.keys()
    assert keys[2].image_id == f"train.record/{starts[2]}"
    assert [len(source.read(key).boxes) for key in keys[:2]] == [1, 1]
    with pytest.raises(
        InputError, match=f"no whole record at byte {starts[2]}"
    ):
        source.read(keys[2])
    (message,) = caplog.messages
    assert "train.record: 1 damaged places" in message
    assert f"the first is record 2 at byte {starts[2]}: the file" in message


def test_a_damaged_record_costs_that_record_only(tmp_path):
    path = tmp_path / "train.record"
    starts = _write(path, "a", "b", "c")
    content = bytearray(path.read_bytes())
    content[starts[1] + 100] ^= 1
    path.write_bytes(content)
    source = ObjectDetectionRecords(str(tmp_path))
    keys = source.keys()
    assert [key.image_id.rpartition("/")[2] for key in keys[::2]] == ["a", "c"]
    source.read(keys[2])
    with pytest.raises(InputError, match="no whole record"):
        source.read(keys[1])


def test_a_record_of_something_else_is_refused_alone(tmp_path):
    path = tmp_path / "train.record"
    _write(path, "a")
    with open(path, "ab") as file:
        file.write(frame(b"\xff no example") + frame(b""))
    source = ObjectDetectionRecords(str(tmp_path))
    first, second, third = source.keys()
    source.read(first)
    with pytest.raises(InputError, match="is no tf.train.Example"):
        source.read(second)
    with pytest.raises(InputError, match="no picture in image/encoded"):
        source.read(third)


def test_empty_files_are_refused(tmp_path):
    (tmp_path / "train.record").touch()
    with pytest.raises(InputError, match="hold no record"):
        ObjectDetectionRecords(str(tmp_path)).keys()


def test_a_compressed_file_says_what_to_do(tmp_path):
    _write(tmp_path / "raw", "a")
    packed = gzip.compress((tmp_path / "raw").read_bytes())
    (tmp_path / "train.record").write_bytes(packed)
    with pytest.raises(InputError, match="train.record is compressed.*gunzip"):
        ObjectDetectionRecords(str(tmp_path)).keys()


@pytest.mark.parametrize(
    "image_id",
    [
        "nobody",
        "",
        "train.record",
        "train.record/x/a",
        "train.record/1/a",
        "train.record/99999999/a",
        "train.record/999999999999999999/a",
        "train.record/0/b",
        "train.record/0",
        "gone.record/0/a",
        "../secret.record/0/a",
        "/etc/passwd",
        "secret.txt/0/a",
        "link.record/0/a",
        "..record/0/a",
    ],
)
def test_a_hostile_or_unknown_key_is_refused(tmp_path, image_id):
    data_dir = tmp_path / "data"
    _write(data_dir / "train.record", "a")
    _write(data_dir / "secret.txt", "a")
    _write(tmp_path / "secret.record", "a")
    (data_dir / "link.record").symlink_to(tmp_path / "secret.record")
    source = ObjectDetectionRecords(str(data_dir))
    source.read(ImageKey("train", "train.record/0/a"))
    message = "There is no record|no whole record|leads outside|listed was"
    with pytest.raises(InputError, match=message):
        source.read(ImageKey("train", image_id))


def test_a_file_that_lies_outside_is_refused(tmp_path):
    data_dir = tmp_path / "data"
    _write(data_dir / "train.record", "a")
    _write(tmp_path / "secret.record", "a")
    (data_dir / "link.record").symlink_to(tmp_path / "secret.record")
    source = ObjectDetectionRecords(str(data_dir))
    assert len(source.digest()) == 64
    with pytest.raises(InputError, match="link.record is a link that leads"):
        source.keys()


def test_a_record_is_read_without_the_listing(tmp_path, monkeypatch):
    starts = _write(tmp_path / "train.record", "a", "b")
    source = ObjectDetectionRecords(str(tmp_path))
    before = len(pickle.dumps(source))
    source.keys()
    assert len(pickle.dumps(source)) == before < 500
    monkeypatch.delattr("tfrecords.record_file.read_records")
    twin = pickle.loads(pickle.dumps(source))
    key = ImageKey("train", f"train.record/{starts[1]}/b")
    assert len(twin.read(key).boxes) == 1


def test_the_digest_follows_names_and_records(tmp_path):
    _write(tmp_path / "train.record", "a")
    digest = ObjectDetectionRecords(str(tmp_path)).digest()
    assert ObjectDetectionRecords(str(tmp_path)).digest() == digest
    _write(tmp_path / "train.record", "a", "b")
    changed = ObjectDetectionRecords(str(tmp_path)).digest()
    assert changed != digest
    (tmp_path / "train.record").rename(tmp_path / "test.record")
    assert ObjectDetectionRecords(str(tmp_path)).digest() != changed
    ymin = {"image__object__bbox__ymin": [0.3]}
    _write(tmp_path / "test.record", "a", "b", **ymin)
    other = ObjectDetectionRecords(str(tmp_path)).digest()
    size = (tmp_path / "test.record").stat().st_size
    _write(tmp_path / "test.record", "a", "b")
    assert (tmp_path / "test.record").stat().st_size == size
    assert ObjectDetectionRecords(str(tmp_path)).digest() != other


def test_the_digest_follows_damage_and_its_mending(tmp_path):
    path = tmp_path / "train.record"
    _write(path, "a", "b")
    whole = path.read_bytes()
    digest = ObjectDetectionRecords(str(tmp_path)).digest()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert ObjectDetectionRecords(str(tmp_path)).digest() != digest
    path.write_bytes(whole)
    assert ObjectDetectionRecords(str(tmp_path)).digest() == digest


def test_keys_classes_and_digest_read_the_records_once(tmp_path, monkeypatch):
    _write(tmp_path / "train.record", "a", "b")
    _write(tmp_path / "val.record", "c")
    read = []

    def counting(path):
        read.append(path.name)
        return read_records(path)

    monkeypatch.setattr("tfrecords.record_file.read_records", counting)
    source = ObjectDetectionRecords(str(tmp_path))
    source.digest()
    assert len(source.keys()) == 3 and source.classes == ("dog",)
    assert read == ["train.record", "val.record"]


def test_a_file_that_is_refused_counts_by_its_size_in_the_digest(tmp_path):
    data_dir = tmp_path / "data"
    _write(data_dir / "train.record", "a")
    (data_dir / "zip.record").write_bytes(b"\x1f\x8b" * 9)
    (data_dir / "link.record").symlink_to(tmp_path / "secret.record")
    digests = set()
    for names in (["a"], ["a", "b"]):
        _write(tmp_path / "secret.record", *names)
        digests.add(ObjectDetectionRecords(str(data_dir)).digest())
    assert len(digests) == 1
    (data_dir / "zip.record").write_bytes(b"\x1f\x8b")
    digests.add(ObjectDetectionRecords(str(data_dir)).digest())
    assert len(digests) == 2
