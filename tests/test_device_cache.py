"""Laws of the cache that lies on the devices."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import mirrored
from tiny import tiny_graph

from scn_tf import device_cache as module
from scn_tf.batches import batch_dataset
from scn_tf.batches import PairSampler
from scn_tf.batches import Shares
from scn_tf.cache_shards import CACHE_DTYPES
from scn_tf.chunks import take
from scn_tf.device_cache import device_cache
from scn_tf.device_cache import DeviceCache
from scn_tf.feature_cache import FeatureCache
from scn_tf.inputs import cached_inputs
from scn_tf.inputs import node_inputs
from scn_tf.sharded_array import ShardedArray

RNG = np.random.default_rng(0)
GRAPH = tiny_graph()  # 24 boxes


def make_cache(dtype="float16", shards=1):
    features = RNG.normal(size=(24, 2, 2, 3)).astype(dtype)
    targets = RNG.normal(size=(24, 5)).astype(dtype)
    return FeatureCache(
        ShardedArray(np.split(features, shards)),
        ShardedArray(np.split(targets, shards)),
    )


def rows_of(gather, strategy, shares=Shares(), multiple=1):  # noqa: B008
    """What each replica gets in the first step."""
    sampler = PairSampler(GRAPH, 9)
    dataset = strategy.distribute_datasets_from_function(
        lambda _: batch_dataset(
            sampler, node_inputs(multiple), [range(1)], shares
        )
    )

    @tf.function
    def rows(batch):
        return strategy.run(lambda joined: gather(take(joined, 0)), (batch,))

    results = rows(next(iter(dataset)))
    split = strategy.experimental_local_results
    names = results.keys()
    parts = zip(*(split(results[name]) for name in names), strict=True)
    return [dict(zip(names, part, strict=True)) for part in parts]


@pytest.mark.parametrize("dtype", CACHE_DTYPES)
@pytest.mark.parametrize("chunk", [1, 100, 10**6])
def test_rows_are_those_of_the_host(dtype, chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_BYTES", chunk)
    cache = make_cache(dtype, shards=3)
    strategy = tf.distribute.get_strategy()
    (rows,) = rows_of(DeviceCache(cache, strategy), strategy)
    expected = cached_inputs(cache)(PairSampler(GRAPH, 9).batch(0))
    assert rows.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(rows[name], values)
        assert rows[name].dtype == values.dtype


def test_every_replica_asks_its_own_device():
    strategy = mirrored("CPU:0", "CPU:1")
    cache = make_cache()
    held = DeviceCache(cache, strategy)
    devices = [features.device[-5:] for features, _ in held._copies]
    assert devices == ["CPU:0", "CPU:1"]
    parts = rows_of(held, strategy, Shares(2))
    sampler = PairSampler(GRAPH, 9)
    for replica, rows in enumerate(parts):
        expected = cached_inputs(cache)(sampler.batch(0, replica, 2))
        for name, values in expected.items():
            np.testing.assert_array_equal(rows[name], values)


def test_padded_nodes_have_rows_that_no_pair_refers_to():
    strategy = tf.distribute.get_strategy()
    held = DeviceCache(make_cache(), strategy)
    (rows,) = rows_of(held, strategy, multiple=16)
    assert len(rows["features"]) == len(rows["target_features"]) == 16


def test_a_processor_leaves_the_cache_to_the_host():
    cache = make_cache()
    for strategy in (tf.distribute.get_strategy(), mirrored("CPU:0", "CPU:1")):
        assert device_cache(cache, strategy) is None


def test_an_accelerator_gives_half_of_its_memory(monkeypatch):
    cache = make_cache()
    nbytes = cache.features.nbytes + cache.targets.nbytes
    asked = []
    monkeypatch.setattr(module, "_is_accelerator", lambda device: True)
    strategy = tf.distribute.get_strategy()
    for answer in (True, False):
        monkeypatch.setattr(
            module,
            "_has_room",
            lambda device, number, answer=answer: (
                asked.append(number) or answer
            ),
        )
        assert bool(device_cache(cache, strategy)) is answer
    assert asked == [2 * nbytes, 2 * nbytes]


def test_a_cache_that_fits_in_no_one_piece_is_held_on_the_host(monkeypatch):
    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "full")

    monkeypatch.setattr(module, "_is_accelerator", lambda device: True)
    monkeypatch.setattr(module, "_placed", full)
    assert device_cache(make_cache(), tf.distribute.get_strategy()) is None


def test_room_is_what_can_be_taken(monkeypatch):
    assert module._has_room("", 10**6)

    def full(shape, dtype):
        raise tf.errors.ResourceExhaustedError(None, None, "full")

    monkeypatch.setattr(module.tf, "zeros", full)
    assert not module._has_room("", 10**6)
