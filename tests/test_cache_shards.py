"""Laws of the folder of a feature cache."""

import errno
import json

import ml_dtypes
import numpy as np
import pytest

from scn_tf.cache_shards import CACHE_DTYPES
from scn_tf.cache_shards import CacheShards
from tfrecords.errors import InputError

ROWS = np.random.default_rng(0).normal(size=(10, 2, 3))
VECTORS = np.random.default_rng(1).normal(size=(10, 4))


def shards_in(folder, dtype="float16") -> CacheShards:
    shapes = {"features": (2, 3), "targets": (4,)}
    shards = CacheShards(folder / "cache", 10, 4, shapes, dtype)
    shards.begin({"a": 1})
    return shards


def write(shards: CacheShards, number: int) -> None:
    arrays = shards.empty(number)
    rows = shards.ranges()[number]
    arrays["features"][:] = ROWS[rows.start : rows.stop]
    arrays["targets"][:] = VECTORS[rows.start : rows.stop]
    shards.write(number, arrays)


@pytest.fixture
def shards(tmp_path):
    """A cache whose three shards are all there."""
    shards = shards_in(tmp_path)
    for number in range(3):
        write(shards, number)
    return shards


def test_every_row_lies_in_one_shard(shards):
    assert shards.ranges() == [range(0, 4), range(4, 8), range(8, 10)]
    assert shards.nbytes() == 10 * (6 + 4) * 2


@pytest.mark.parametrize("dtype", CACHE_DTYPES)
def test_what_was_written_is_read(tmp_path, dtype):
    shards = shards_in(tmp_path, dtype)
    for number in (2, 0, 1):
        write(shards, number)
    arrays = shards.open()
    for name, values in (("features", ROWS), ("targets", VECTORS)):
        assert arrays[name].dtype == np.dtype(dtype)
        expected = values.astype(dtype)
        np.testing.assert_array_equal(np.asarray(arrays[name]), expected)
        np.testing.assert_array_equal(arrays[name][[9, 0]], expected[[9, 0]])


def test_bfloat16_is_stored_as_its_bits(tmp_path):
    shards = shards_in(tmp_path, "bfloat16")
    write(shards, 0)
    stored = np.load(shards.folder / "targets-00000.npy")
    expected = VECTORS[:4].astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(stored, expected.view(np.uint16))


def test_other_files_are_plain_numpy(shards):
    stored = np.load(shards.folder / "features-00001.npy")
    np.testing.assert_array_equal(stored, ROWS[4:8].astype(np.float16))


def test_unwritten_shards_are_missing(tmp_path):
    shards = shards_in(tmp_path)
    assert shards.missing() == [0, 1, 2]
    write(shards, 1)
    assert shards.missing() == [0, 2]


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "a changed byte": flip,
    "a file cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "an empty file": lambda path: path.write_bytes(b""),
    "a lost file": lambda path: path.unlink(),
}


@pytest.mark.parametrize("name", ["features-00001.npy", "targets-00001.npy"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_missing(shards, name, damage):
    DAMAGES[damage](shards.folder / name)
    assert shards.missing() == [1]
    write(shards, 1)
    assert shards.missing() == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"features": 1}', "[1"])
def test_a_damaged_note_is_a_damaged_shard(shards, text):
    (shards.folder / "shard-00002.json").write_text(text)
    assert shards.missing() == [2]


def test_a_shard_that_lies_in_anothers_place_is_damaged(shards):
    for name in ("features", "targets"):
        path = shards.folder / f"{name}-00000.npy"
        path.write_bytes((shards.folder / f"{name}-00001.npy").read_bytes())
    assert shards.missing() == [0]


def test_the_key_is_written_first_and_kept(tmp_path):
    shards = shards_in(tmp_path)
    key = shards.folder / "key.json"
    assert json.loads(key.read_text()) == {"a": 1}
    write(shards, 0)
    shards.begin({"a": 1})
    assert shards.missing() == [1, 2]


@pytest.mark.parametrize("text", ['{"a": 2}', "", None, b"\xff"])
def test_a_folder_of_another_key_is_emptied(shards, text):
    key = shards.folder / "key.json"
    if text is None:
        key.unlink()
    elif isinstance(text, bytes):
        key.write_bytes(text)
    else:
        key.write_text(text)
    shards.begin({"a": 1})
    assert [path.name for path in shards.folder.iterdir()] == ["key.json"]
    assert shards.missing() == [0, 1, 2]


def test_what_another_process_is_about_to_write_is_kept(tmp_path):
    shards = CacheShards(tmp_path / "cache", 0, 4, {"targets": (4,)}, "float16")
    shards.folder.mkdir()
    begun = shards.folder / ".key.json.0123abcd.7.tmp"
    begun.touch()
    shards.begin({"a": 1})
    assert begun.exists()
    assert json.loads((shards.folder / "key.json").read_text()) == {"a": 1}


def test_a_full_disk_is_named_and_finished_shards_stay(tmp_path, monkeypatch):
    shards = shards_in(tmp_path)
    write(shards, 0)
    before = sorted(path.name for path in shards.folder.iterdir())

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("numpy.lib.format.write_array_header_1_0", full)
        with pytest.raises(InputError, match="disk is full"):
            write(shards, 1)
    assert sorted(path.name for path in shards.folder.iterdir()) == before
    assert shards.missing() == [1, 2]


def test_a_cache_of_nothing_is_whole(tmp_path):
    shards = CacheShards(tmp_path / "cache", 0, 4, {"targets": (4,)}, "float16")
    shards.begin({})
    assert shards.missing() == []
    assert shards.open()["targets"].shape == (0, 4)
