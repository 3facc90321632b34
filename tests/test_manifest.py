import dataclasses
import json

import pytest

from tfrecords.errors import InputError
from tfrecords.manifest import Manifest
from tfrecords.manifest import read_manifest
from tfrecords.manifest import Shard
from tfrecords.manifest import Split
from tfrecords.manifest import write_manifest
from tfrecords.schema import SCHEMA_VERSION

MANIFEST = Manifest(
    schema_version=SCHEMA_VERSION,
    source="voc",
    source_digest="12ab",
    classes=("cat", "dog"),
    options={"seed": 3, "min_score": 0.1},
    splits={
        "val": Split(2, 8, 12, 3, (Shard("val-0", "ff", 99, 2),)),
        "train": Split(0, 0, 0, 0, ()),
    },
    skipped=({"image_id": "ä", "split": "val", "reason": "truncated"},),
    notes={"box clipped": 2},
    versions={"python": "3.11.0"},
    digest="cd34",
    label_leak="the boxes were drawn",
    noted={"box clipped": ("ä", "b/1.jpg")},
)


def test_what_is_written_is_read_back(tmp_path):
    write_manifest(MANIFEST, tmp_path)
    assert read_manifest(tmp_path) == MANIFEST
    assert list(read_manifest(tmp_path).splits) == ["val", "train"]
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_folder_without_manifest_is_not_finished(tmp_path):
    with pytest.raises(InputError, match="holds no finished records"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="holds no finished records"):
        read_manifest(tmp_path / "missing")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\xfd"])
def test_what_is_not_json_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as JSON"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"schema_version": 99}'])
def test_another_version_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=f"{SCHEMA_VERSION} was wanted"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["digest", "splits", "classes"])
def test_a_manifest_that_lacks_a_part_is_refused(tmp_path, name):
    values = dataclasses.asdict(MANIFEST)
    del values[name]
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match=f"lacks a part.*{name}"):
        read_manifest(tmp_path)
