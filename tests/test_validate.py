"""Laws of validation: what is whole passes, every fault is named."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import pytest
import tensorflow as tf
from small_records import make_record
from small_records import with_pair
from small_records import write_records

from tfrecords import validate as validate_module
from tfrecords.manifest import read_manifest
from tfrecords.manifest import write_manifest
from tfrecords.record_file import frame
from tfrecords.schema import to_example
from tfrecords.validate import validate

TRAIN = [make_record("train", index, 3) for index in range(3)]
VAL = [make_record("val", 0, 2)]


def write(folder, train=TRAIN):
    """Writes train and val with a manifest that fits."""
    write_records(folder, {"train-0.tfrecord": train, "val-0.tfrecord": VAL})
    manifest = read_manifest(folder)
    counts = {
        "train": dict(
            proposals=sum(len(r.proposal_boxes) for r in train),
            pairs=sum(len(r.pairs) for r in train),
            objects=sum(len(r.object_boxes) for r in train),
        ),
        "val": dict(proposals=2, pairs=1, objects=1),
    }
    splits = {
        name: dataclasses.replace(split, **counts[name])
        for name, split in manifest.splits.items()
    }
    shards = [shard for split in splits.values() for shard in split.shards]
    digests = "".join(shard.sha256 for shard in shards)
    digest = hashlib.sha256(digests.encode()).hexdigest()
    write_manifest(
        dataclasses.replace(manifest, splits=splits, digest=digest), folder
    )


def texts(folder):
    return [str(fault) for fault in validate(folder)]


@pytest.fixture
def folder(tmp_path):
    write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("at_once", [1, 2, 256])
def test_whole_records_have_no_faults(folder, monkeypatch, at_once):
    monkeypatch.setattr(validate_module, "_RECORDS_AT_ONCE", at_once)
    assert texts(folder) == []


def test_a_flipped_bit_is_named_with_its_record(folder):
    path = folder / "train-0.tfrecord"
    content = bytearray(path.read_bytes())
    offset = len(frame(to_example(TRAIN[0])))
    content[offset + 100] ^= 4
    path.write_bytes(content)
    faults = texts(folder)
    assert faults[0] == (
        f"train-0.tfrecord, record 1 at byte {offset}: its checksum is wrong"
    )
    assert "manifest.json: train has 2 images, 3 are stated" in faults
    assert not any("val" in fault for fault in faults)


def test_every_flipped_byte_of_a_record_is_noticed(folder):
    path = folder / "val-0.tfrecord"
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        content = bytearray(whole)
        content[place] ^= 0x10
        path.write_bytes(content)
        assert texts(folder), place


@pytest.mark.parametrize("kept", [0, 5, 40, -1])
def test_a_cut_file_is_named(folder, kept):
    path = folder / "train-0.tfrecord"
    path.write_bytes(path.read_bytes()[:kept])
    faults = texts(folder)
    assert any("train-0.tfrecord: it has" in fault for fault in faults)
    assert any("images, 3 are stated" in fault for fault in faults)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (dict(height=999), "pixels (height x width), 999 x 59 are stated"),
        (dict(height=20), "is empty or not inside of its picture"),
        (dict(encoded=b"nothing"), "OpenCV cannot decode the picture"),
        (dict(image_id="train-0"), "the image 'train-0' is there 2 times"),
    ],
    ids=["size", "box", "picture", "id"],
)
def test_what_checksums_do_not_show_is_found(tmp_path, change, named):
    bad = dataclasses.replace(TRAIN[1], **change)
    write(tmp_path, [TRAIN[0], bad, TRAIN[2]])
    found = [fault for fault in texts(tmp_path) if named in fault]
    assert len(found) == 1
    if "image_id" not in change:
        assert found[0].startswith("train-0.tfrecord, record 1 at byte ")


def test_a_pair_that_points_at_nothing_is_named(folder):
    path = folder / "val-0.tfrecord"
    path.write_bytes(frame(with_pair(VAL[0], 7)))
    (fault,) = [f for f in texts(folder) if "record 0 at byte 0" in f]
    assert "one of its pairs points at no proposal" in fault


def test_foreign_records_are_named(folder):
    path = folder / "val-0.tfrecord"
    path.write_bytes(frame(b"no example") + frame(b""))
    faults = texts(folder)
    assert "record 0 at byte 0: it is not one of our records" in faults[0]
    assert "schema version 2 was wanted" in faults[1]


def test_files_are_held_against_the_manifest(folder):
    (folder / "train-9.tfrecord").write_bytes(b"")
    (folder / "val-0.tfrecord").unlink()
    faults = texts(folder)
    assert "train-9.tfrecord: it is not named by the manifest" in faults
    assert "val-0.tfrecord: it is missing" in faults


def test_another_whole_file_is_noticed(folder):
    path = folder / "val-0.tfrecord"
    other = dataclasses.replace(VAL[0], image_id="val-8")
    path.write_bytes(frame(to_example(other)))
    (fault,) = texts(folder)
    assert "whole, but not the file the manifest describes" in fault


def test_a_manifest_that_names_a_path_reads_nothing_outside(folder):
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    values["splits"]["val"]["shards"][0]["file"] = "../../etc/passwd"
    path.write_text(json.dumps(values))
    assert "../../etc/passwd: it is missing" in texts(folder)


def run(*arguments):
    command = [sys.executable, "-m", "tfrecords.validate", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command_line_says_how_it_went(folder):
    done = run(str(folder), "--stats")
    assert done.returncode == 0, done.stderr
    assert "All is well" in done.stdout
    assert "pairs under 0.2 IoU" in done.stdout
    assert (folder / "statistics.png").read_bytes()[:4] == b"\x89PNG"
    with open(folder / "val-0.tfrecord", "ab") as file:
        file.write(b"more")
    done = run(str(folder))
    assert done.returncode == 1
    assert "val-0.tfrecord, record 1 at byte" in done.stdout
    assert "faults in" in done.stderr and "Traceback" not in done.stderr
    done = run(str(folder / "nowhere"))
    assert done.returncode == 1 and "no finished" in done.stderr


def test_tensorflow_reads_what_validation_passes(folder):
    for path in folder.glob("*.tfrecord"):
        assert list(tf.data.TFRecordDataset(str(path)))
