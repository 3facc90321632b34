"""Laws of the feature cache: right, used again, never half-written."""

import dataclasses
import errno
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from tiny import SIZE
from tiny import tiny_backbone

from scn_tf import feature_cache
from scn_tf.backbones import build_backbone
from scn_tf.backbones import frozen_copy
from scn_tf.cache_shards import CACHE_DTYPES
from scn_tf.cache_shards import CacheShards
from scn_tf.crew import Crew
from scn_tf.feature_cache import cached_features
from scn_tf.feature_cache import CacheOptions
from scn_tf.feature_cache import in_memory
from scn_tf.feature_cache import weights_digest
from scn_tf.precision import PRECISIONS
from tfrecords.errors import InputError

NUM = 70  # three shards of at most 32
PATCHES = np.random.default_rng(0).integers(0, 256, (NUM, SIZE, SIZE, 3))
PATCHES = PATCHES.astype(np.uint8)
IMAGES = np.float32(PATCHES / 255)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(feature_cache, "_BATCH", 32)
    monkeypatch.setattr(feature_cache, "_SHARD_BYTES", 1)


class Source:
    """PATCHES, a few at a time; remembers what was read.

    Attributes:
        read: numbers of all patches read.
        broken_at: patch at which reading raises, if any.
    """

    def __init__(self, broken_at: int = -1) -> None:
        self.read = []
        self.broken_at = broken_at

    def dataset(self, rows: range) -> tf.data.Dataset:
        def generate():
            yield PATCHES[:0]  # an image without patches
            for start in range(rows.start, rows.stop, 3):
                part = range(start, min(start + 3, rows.stop))
                if self.broken_at in part:
                    raise RuntimeError("power cut")
                self.read.extend(part)
                yield PATCHES[part.start : part.stop]

        signature = tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8)
        return tf.data.Dataset.from_generator(
            generate, output_signature=signature
        )


def fill(folder, source, backbone=None, options=None, num=NUM, **description):
    backbone = backbone or tiny_backbone()
    return cached_features(
        folder,
        {
            "kind": "proposals",
            "weights": weights_digest([backbone.trunk, backbone.neck]),
            **description,
        },
        backbone,
        frozen_copy(backbone.neck),
        source.dataset,
        num,
        options or CacheOptions("float32", "float32"),
    )


def content(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file of a folder of caches."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_cached_rows_are_what_trunk_and_neck_say(tmp_path):
    backbone = tiny_backbone()
    cache = fill(tmp_path, Source(), backbone)
    maps = backbone.trunk(IMAGES)
    np.testing.assert_allclose(cache.features, maps, rtol=1e-5, atol=1e-6)
    expected = backbone.neck(maps, training=False)
    np.testing.assert_allclose(cache.targets, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", CACHE_DTYPES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_dtype_is_close(tmp_path, dtype, precision):
    cache = fill(tmp_path, Source(), options=CacheOptions(dtype, precision))
    exact = fill(tmp_path, Source())
    for values, expected in (
        (cache.features, exact.features),
        (cache.targets, exact.targets),
    ):
        assert values.dtype == np.dtype(dtype)
        error = np.linalg.norm(np.float32(values) - expected)
        assert error < 2e-2 * np.linalg.norm(expected)


def test_streamed_rows_are_those_held_in_memory(tmp_path):
    streamed = fill(tmp_path, Source())
    assert in_memory(streamed, 100) is streamed
    assert streamed.memory == 0
    held = in_memory(streamed, None)
    assert held.memory == held.features.nbytes + held.targets.nbytes
    rows = np.array([69, 3, 3, 33])
    for one, other in (
        (held.features, streamed.features),
        (held.targets, streamed.targets),
    ):
        assert isinstance(one, np.ndarray)
        assert not isinstance(other, np.ndarray)
        np.testing.assert_array_equal(one, np.asarray(other))
        np.testing.assert_array_equal(one[rows], other[rows])


def test_a_trunk_without_weights_gives_targets_only(tmp_path):
    backbone = build_backbone("small_cnn", "input", image_size=16)
    patches = np.zeros((2, 16, 16, 3), np.uint8)
    cache = cached_features(
        tmp_path,
        {"kind": "images"},
        backbone,
        frozen_copy(backbone.neck),
        lambda rows: tf.data.Dataset.from_tensors(patches),
        2,
    )
    assert cache.features is None
    assert cache.targets.shape == (2, 512)


def test_a_filled_cache_is_not_filled_again(tmp_path):
    source = Source()
    first = fill(tmp_path, source)
    second = fill(tmp_path, source)
    assert source.read == list(range(NUM))
    np.testing.assert_array_equal(first.features, second.features)


@pytest.mark.parametrize("change", ["weights", "records", "dtype", "precision"])
def test_a_cache_of_another_key_is_not_used(tmp_path, change):
    fill(tmp_path, Source())
    source = Source()
    if change == "weights":
        fill(tmp_path, source, tiny_backbone(seed=1))
    elif change == "records":
        fill(tmp_path, source, records="another digest")
    elif change == "dtype":
        fill(tmp_path, source, options=CacheOptions("float16", "float32"))
    else:
        fill(tmp_path, source, options=CacheOptions("float32", "bfloat16"))
    assert len(source.read) == NUM


def test_auto_is_the_precision_that_it_stands_for(tmp_path, monkeypatch):
    fill(tmp_path, Source(), options=CacheOptions("float32", "bfloat16"))
    monkeypatch.setattr(
        feature_cache, "chosen_precision", lambda *_: "bfloat16"
    )
    source = Source()
    fill(tmp_path, source, options=CacheOptions("float32", "auto"))
    assert not source.read


def test_digest_follows_the_weights():
    trunk = tiny_backbone().trunk
    assert weights_digest([trunk]) == weights_digest([tiny_backbone().trunk])
    assert weights_digest([trunk]) != weights_digest([tiny_backbone(1).trunk])


@pytest.mark.parametrize("broken_at", [0, 5, 31, 32, 50, 63, 64, 69])
def test_an_interrupted_fill_goes_on_where_it_stood(tmp_path, broken_at):
    fill(tmp_path / "unbroken", Source())
    with pytest.raises(tf.errors.OpError, match="power cut"):
        fill(tmp_path / "broken", Source(broken_at))
    source = Source()
    fill(tmp_path / "broken", source)
    # Computing runs behind reading, so a read shard may still be missing.
    first = source.read[0]
    assert first % 32 == 0 and first <= broken_at
    assert source.read == list(range(first, NUM))
    assert content(tmp_path / "broken") == content(tmp_path / "unbroken")


@pytest.mark.parametrize("lost", [[0], [1], [2], [0, 2], [0, 1]])
def test_only_damaged_shards_are_computed_again(tmp_path, lost):
    fill(tmp_path, Source())
    before = content(tmp_path)
    for number in lost:
        (path,) = tmp_path.rglob(f"targets-0000{number}.npy")
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    source = Source()
    fill(tmp_path, source)
    expected = [row for row in range(NUM) if row // 32 in lost]
    assert source.read == expected
    assert content(tmp_path) == before


@pytest.mark.slow
def test_a_killed_fill_ends_with_the_bytes_of_an_unbroken_one(tmp_path):
    script = pathlib.Path(__file__).with_name("fill_cache.py")
    root = pathlib.Path(__file__).parents[1]
    paths = os.pathsep.join([str(root), str(root / "tests")])

    def start(folder: str, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, script, tmp_path / folder, *arguments],
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    assert start("unbroken").wait() == 0
    rng = random.Random(0)
    for _ in range(4):
        process = start("killed", "0.01")
        before = len(list(tmp_path.glob("killed/*/shard-*")))
        wanted = before + rng.randint(1, 6)
        while len(list(tmp_path.glob("killed/*/shard-*"))) < wanted:
            assert process.poll() is None
            time.sleep(0.002)
        time.sleep(rng.random() / 10)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert start("killed").wait() == 0
    assert content(tmp_path / "killed") == content(tmp_path / "unbroken")


def test_a_full_disk_is_named_and_finished_shards_stay(tmp_path, monkeypatch):
    write = CacheShards.write

    def full_at_the_second(shards, number, arrays):
        if number == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(shards, number, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(CacheShards, "write", full_at_the_second)
        with pytest.raises(OSError, match="No space left"):
            fill(tmp_path, Source())
    source = Source()
    fill(tmp_path, source)
    assert source.read == list(range(32, NUM))


@pytest.mark.parametrize("num", [71, 96, 97])
def test_missing_patches_are_noticed(tmp_path, num):
    with pytest.raises(InputError, match=f"ended at patch 70, {num} were"):
        fill(tmp_path, Source(), num=num)
    assert not list(tmp_path.rglob("shard-00002.json"))


def test_a_feature_too_large_for_half_precision_is_refused(tmp_path):
    backbone = tiny_backbone()
    kernel = backbone.trunk.weights[0]
    kernel.assign(1e6 * tf.ones_like(kernel))
    with pytest.raises(InputError, match="cache_dtype=float32"):
        fill(tmp_path, Source(), backbone, CacheOptions("float16", "float32"))
    assert not list(tmp_path.rglob("*.npy"))


@pytest.mark.parametrize(
    "row_values, dtype, batch, rows",
    [
        (25088 + 4096, "float16", 256, 2048),  # VGG19 cut at fc6
        (100352 + 4096, "float16", 256, 512),  # VGG19 cut at block5_conv1
        (3211264 + 4096, "float32", 32, 32),  # VGG19 cut at block1_conv2
    ],
)
def test_a_shard_has_about_128_megabytes(
    monkeypatch, row_values, dtype, batch, rows
):
    monkeypatch.setattr(feature_cache, "_BATCH", 256)
    monkeypatch.setattr(feature_cache, "_SHARD_BYTES", 128 * 2**20)
    shapes = {"all": (row_values,)}
    assert feature_cache._batch(shapes, dtype) == batch
    assert feature_cache._rows_per_shard(shapes, dtype, batch) == rows


@dataclasses.dataclass(frozen=True)
class Second(Crew):
    """The second of two workers; what the chief says is made up."""

    chief: tuple[np.ndarray, ...] = ()

    leads = False

    def share(self, items):
        return items[len(items) // 2 :]

    def gather(self, values):
        said = self.chief[len(GATHERED)]
        GATHERED.append(list(values))
        return np.array([values if said is None else said, values])

    def wait(self):
        GATHERED.append("wait")


GATHERED = []
FLOAT32 = [PRECISIONS.index("float32")]
SAME = None  # the chief says what this one says


def fill_as_second(folder, source, *chief, precision="float32"):
    GATHERED.clear()
    crew = Second(chief=chief)
    options = CacheOptions("float32", precision, crew=crew)
    return fill(folder, source, options=options)


def test_a_worker_verifies_and_computes_its_share_alone(tmp_path, monkeypatch):
    fill(tmp_path, Source())
    before = content(tmp_path)
    for path in tmp_path.rglob("shard-*"):
        if "00001" not in path.name:
            path.unlink()
    verified = []
    fault = CacheShards._fault

    def watched(shards, number):
        verified.append(number)
        return fault(shards, number)

    monkeypatch.setattr(CacheShards, "_fault", watched)
    source = Source()
    fill_as_second(tmp_path, source, FLOAT32, SAME, [1.0, 0.0, 0.0])
    assert verified == [1, 2]
    assert source.read == list(range(64, NUM))
    assert GATHERED[2:] == [[0, 0, 1], "wait"]
    whole = content(tmp_path)
    assert {name: before[name] for name in whole} == whole


def test_the_chief_decides_on_the_precision(tmp_path, monkeypatch):
    fill(tmp_path, Source(), options=CacheOptions("float32", "bfloat16"))
    monkeypatch.setattr(feature_cache, "chosen_precision", pytest.fail)
    source = Source()
    chief = [PRECISIONS.index("bfloat16")], SAME, [0, 0, 0]
    fill_as_second(tmp_path, source, *chief, precision="auto")
    assert not source.read


def test_workers_of_different_caches_are_refused(tmp_path):
    fill(tmp_path, Source())
    with pytest.raises(InputError, match="records, weights or flags differ"):
        fill_as_second(tmp_path, Source(), FLOAT32, [12345])


def test_a_folder_that_a_worker_does_not_see_is_named(tmp_path):
    with pytest.raises(InputError, match="--run_dir that all see"):
        fill_as_second(tmp_path, Source(), FLOAT32, SAME)
