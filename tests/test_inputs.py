"""Laws of what fills a batch."""

import numpy as np
import pytest
import tensorflow as tf
from small_records import make_record
from small_records import write_records
from tiny import SIZE
from tiny import tiny_backbone
from tiny import tiny_graph
from tiny import tiny_head

from scn_tf.batches import PairSampler
from scn_tf.feature_cache import FeatureCache
from scn_tf.inputs import cached_inputs
from scn_tf.inputs import live_inputs
from scn_tf.pair_model import cached_pair_model
from scn_tf.pair_model import forward_of
from scn_tf.recipe import TrainOptions
from scn_tf.step import make_gradients
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import load_patches


def test_cached_inputs_are_the_rows_of_the_nodes():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(24, 2, 2, 3)).astype(np.float16)
    targets = rng.normal(size=(24, 5)).astype(np.float32)
    batch = PairSampler(tiny_graph(), 9).batch(0)
    inputs = cached_inputs(FeatureCache(features, targets))(batch)
    np.testing.assert_array_equal(
        inputs["features"], features[batch["source_nodes"]]
    )
    np.testing.assert_array_equal(
        inputs["target_features"], targets[batch["target_nodes"]]
    )
    assert inputs["features"].dtype == np.float32
    np.testing.assert_array_equal(inputs["offset"], batch["offset"])


def test_live_inputs_show_each_pair_its_two_patches(tmp_path):
    records = [make_record("train", index, 4) for index in range(3)]
    write_records(tmp_path, {"train-0.tfrecord": records})
    graph = read_pair_graph(tmp_path, ["train"])
    sampler = PairSampler(graph, 7)
    inputs = live_inputs(graph, 8)(sampler.batch(0))
    pairs = graph.pairs[sampler.pair_indices(0)]
    every = load_patches(graph, np.arange(len(graph.boxes)), 8)
    for side, column in (("source", 0), ("target", 1)):
        rows = inputs[f"{side}_patch"][inputs[side]]
        np.testing.assert_array_equal(
            inputs["patches"][rows], every[pairs[:, column]]
        )


def test_a_live_patch_is_cut_once(tmp_path):
    records = [make_record("train", 0, 4)]  # 6 pairs of 4 patches
    write_records(tmp_path, {"train-0.tfrecord": records})
    graph = read_pair_graph(tmp_path, ["train"])
    inputs = live_inputs(graph, 8)(PairSampler(graph, 6).batch(0))
    assert len(inputs["patches"]) == 4


@pytest.mark.parametrize("multiple", [8, 16])
def test_repeated_rows_change_neither_loss_nor_gradients(multiple):
    backbone, head = tiny_backbone(), tiny_head()
    rng = np.random.default_rng(0)
    maps = backbone.trunk(rng.uniform(size=(24, SIZE, SIZE, 3))).numpy()
    cache = FeatureCache(maps, backbone.neck(maps, training=False).numpy())
    batch = PairSampler(tiny_graph(), 9).batch(0)
    model = cached_pair_model(backbone.neck, head)
    gradients_of = make_gradients(forward_of(model), TrainOptions())
    variables = [v.value for v in model.trainable_variables]
    results = [
        gradients_of(
            [{k: tf.constant(v) for k, v in fill(batch).items()}], variables
        )
        for fill in (cached_inputs(cache), cached_inputs(cache, multiple))
    ]
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_padded_nodes_come_in_multiples():
    cache = FeatureCache(np.zeros((24, 3)), np.zeros((24, 5)))
    inputs = cached_inputs(cache, 16)(PairSampler(tiny_graph(), 9).batch(0))
    assert len(inputs["features"]) == 16
    assert len(inputs["target_features"]) == 16
