"""Laws of the feed: wherever training starts, a pair sees the same."""

import numpy as np
import pytest
import tensorflow as tf
from test_run import open_run

from scn_tf import feed as module
from scn_tf.chunks import take
from scn_tf.device_cache import DeviceCache
from scn_tf.feature_cache import FeatureCache
from scn_tf.feed import distributed_batches
from scn_tf.feed import make_feed
from scn_tf.feed import make_sampler
from scn_tf.feed import node_multiple

EXACT = ("--precision=float32", "--cache_dtype=float32", "--batch_pairs=10")


def outputs_of(run) -> dict[str, np.ndarray]:
    """What the network says of the pairs of step 2."""
    feed, sampler = make_feed(run), make_sampler(run)
    batches = distributed_batches(run, sampler, feed.fill, [range(2, 3)])
    (chunk,) = iter(batches)
    outputs = tf.function(feed.forward)(take(chunk, 0))
    return {name: value.numpy() for name, value in outputs.items()}


def assert_close(one, other, **tolerance):
    assert one.keys() == other.keys() == {"prediction", "target"}
    for name, values in one.items():
        assert values.shape[0] == 10
        np.testing.assert_allclose(values, other[name], **tolerance)


@pytest.fixture
def opened(demo_run, tmp_path):
    def open_(*flags):
        return open_run(demo_run, tmp_path / "run", *EXACT, *flags)

    return open_


def test_all_starts_of_a_frozen_trunk_agree(opened, monkeypatch):
    monkeypatch.setattr(module, "device_cache", DeviceCache)
    on_device = outputs_of(opened())
    monkeypatch.setattr(module, "device_cache", lambda *_: None)
    in_memory = outputs_of(opened())
    on_disk = outputs_of(opened("--cache_memory=0.0001"))
    live = outputs_of(opened("--nofeature_cache"))
    assert_close(on_device, in_memory, rtol=0, atol=0)
    assert_close(on_device, on_disk, rtol=0, atol=0)
    assert_close(on_device, live, rtol=1e-4, atol=1e-5)


def test_where_all_is_trained_targets_are_cached(opened):
    run = opened("--train_from=input")
    patches = outputs_of(run)
    live = outputs_of(opened("--train_from=input", "--nofeature_cache"))
    assert_close(patches, live, rtol=1e-4, atol=1e-5)
    # The targets were not computed from pixels in the step.
    (cache,) = (c for c in run._caches.values() if c.features is None)
    run._caches = {
        key: FeatureCache(None, np.zeros_like(value.targets))
        for key, value in run._caches.items()
    }
    assert cache.targets.any()
    assert not outputs_of(run)["target"].any()


def test_the_trained_network_moves_the_predictions(opened):
    run = opened("--train_from=input")
    before = outputs_of(run)
    for variable in run.backbone.neck.trainable_variables:
        variable.assign(variable * 1.5)
    after = outputs_of(run)
    assert not np.allclose(before["prediction"], after["prediction"])
    np.testing.assert_array_equal(before["target"], after["target"])


@pytest.mark.parametrize(
    ("held", "names"),
    [
        (DeviceCache, ("source_nodes", "target_nodes")),
        (lambda *_: None, ("features", "target_features")),
    ],
)
def test_compiled_steps_meet_few_shapes(opened, monkeypatch, held, names):
    monkeypatch.setattr(module, "device_cache", held)
    run = opened("--jit_compile=false")
    assert node_multiple(run) == 1
    with monkeypatch.context() as patch:
        # A GPU tunes its convolutions for every new number.
        patch.setattr(module, "on_accelerators", lambda strategy: True)
        assert node_multiple(run) == 32
    run = opened("--jit_compile=true")
    assert run.config.training.jit_compile
    assert node_multiple(run) == 32
    feed, sampler = make_feed(run), make_sampler(run)
    batch = feed.fill(sampler.batch(0))
    assert [len(batch[name]) for name in names] == [32, 32]
