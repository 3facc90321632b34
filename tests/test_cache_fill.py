"""Laws of filling shards on several devices."""

import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from tiny import SIZE
from tiny import tiny_backbone

from scn_tf.cache_fill import fill_shards
from scn_tf.cache_shards import CacheShards
from scn_tf.frozen_pass import frozen_pass
from tfrecords.errors import InputError

BATCH, ROWS_PER_SHARD, NUM = 16, 32, 300
PATCHES = np.random.default_rng(0).integers(0, 256, (NUM, SIZE, SIZE, 3))
PATCHES = PATCHES.astype(np.uint8)
DEVICES = ("CPU:0", "CPU:1")


def read(rows: range) -> tf.data.Dataset:
    # Elements of 7: neither a batch nor a shard is a multiple.
    part = PATCHES[rows.start : rows.stop]
    return tf.data.Dataset.from_tensor_slices(part).batch(7)


def shards_in(folder) -> CacheShards:
    shapes = {"features": (3, 3, 4), "targets": (5,)}
    shards = CacheShards(folder, NUM, ROWS_PER_SHARD, shapes, "float16")
    shards.begin({"of": "a test"})
    return shards


def networks(devices=DEVICES) -> list:
    backbone = tiny_backbone()
    parts = (backbone.trunk, backbone.neck)
    return [
        frozen_pass(*parts, "float32", "float16", device) for device in devices
    ]


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("devices", [DEVICES, ("CPU:1",), DEVICES * 2])
def test_any_number_of_devices_writes_the_same_bytes(tmp_path, devices):
    for folder, names in (("one", ("",)), ("several", devices)):
        shards = shards_in(tmp_path / folder)
        fill_shards(shards, range(10), networks(names), read, BATCH)
        assert shards.missing() == []
    assert content(tmp_path / "one") == content(tmp_path / "several")


def test_all_devices_take_part_and_each_does_one_batch_at_a_time(tmp_path):
    calls = {number: [] for number in range(3)}
    # Nobody goes on before all have begun.
    together = threading.Barrier(3, timeout=30)

    def watched(number, network):
        lock = threading.Lock()

        def run(patches):
            assert lock.acquire(blocking=False), "two at a time"
            if not calls[number]:
                together.wait()
            calls[number].append(len(patches))
            outputs = network(patches)
            lock.release()
            return outputs

        return run

    runs = [watched(*pair) for pair in enumerate(networks([""] * 3))]
    fill_shards(shards_in(tmp_path), range(10), runs, read, BATCH)
    assert all(calls.values())
    assert sum(map(sum, calls.values())) == NUM


def test_only_the_shards_that_are_asked_for_are_read(tmp_path):
    asked = []

    def watched(rows):
        asked.append(rows)
        return read(rows)

    shards = shards_in(tmp_path)
    fill_shards(shards, [1, 2, 5, 9], networks(), watched, BATCH)
    assert asked == [range(32, 96), range(160, 192), range(288, NUM)]
    assert shards.missing() == [0, 3, 4, 6, 7, 8]
    fill_shards(shards, shards.missing(), networks(), read, BATCH)
    fill_shards(shards_in(tmp_path / "a"), range(10), networks(), read, BATCH)
    whole = content(tmp_path / "a")
    assert {name: content_ for name, content_ in whole.items()} == {
        path.name: path.read_bytes() for path in tmp_path.glob("*.*")
    }


def test_a_device_that_fails_leaves_no_shard_half_filled(tmp_path):
    good, _ = networks()
    calls = []

    def bad(patches):
        calls.append(patches)
        if len(calls) == 2:
            raise RuntimeError("fell off the bus")
        return good(patches)

    shards = shards_in(tmp_path)
    with pytest.raises(RuntimeError, match="fell off the bus"):
        fill_shards(shards, range(10), [good, bad], read, BATCH)
    done = sorted(set(range(10)) - set(shards.missing()))
    # Work stopped soon after.
    assert len(done) < 5
    fill_shards(shards_in(tmp_path / "a"), range(10), [good], read, BATCH)
    for number in done:
        name = f"targets-{number:05}.npy"
        whole = (tmp_path / "a" / name).read_bytes()
        assert (tmp_path / name).read_bytes() == whole


def test_few_batches_are_held_at_a_time(tmp_path):
    gate, begun = threading.Event(), []
    (network,) = networks([""])

    def slow(patches):
        begun.append(patches)
        gate.wait(30)
        return network(patches)

    asked = []

    def counted(rows):
        def generate():
            for row in rows:
                asked.append(row)
                yield PATCHES[row : row + 1]

        signature = tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8)
        return tf.data.Dataset.from_generator(
            generate, output_signature=signature
        )

    shards = shards_in(tmp_path)
    filling = threading.Thread(
        target=fill_shards, args=(shards, range(10), [slow] * 2, counted, BATCH)
    )
    filling.start()
    while len(begun) < 2:
        assert filling.is_alive()
    filling.join(1)
    # 2 devices with 2 batches each, one waiting, 2 read ahead, 1 in the make.
    assert len(asked) <= 8 * BATCH
    gate.set()
    filling.join()
    assert shards.missing() == []


def test_the_bar_counts_patches_of_all_devices(tmp_path, capfd):
    shards = shards_in(tmp_path)
    fill_shards(shards, range(5, 10), networks(), read, BATCH, num_there=160)
    last = capfd.readouterr().err.split("\r")[-1]
    assert "100%" in last and "300/300" in last and "patch/s" in last
    assert sys.stderr is not None


def test_patches_that_are_not_there_are_named(tmp_path):
    def short(rows):
        return read(range(rows.start, min(rows.stop, 290)))

    with pytest.raises(InputError, match="ended at patch 290, 300 were"):
        fill_shards(shards_in(tmp_path), range(10), networks(), short, BATCH)
    assert not (tmp_path / "shard-00009.json").exists()
