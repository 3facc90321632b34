"""Laws of the model over the pair graph."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import SIZE
from tiny import tiny_backbone
from tiny import tiny_head

from scn_tf.backbones import frozen_copy
from scn_tf.backbones.preprocessing import as_images
from scn_tf.losses import pair_losses
from scn_tf.pair_model import cached_pair_model
from scn_tf.pair_model import live_pair_model

RNG = np.random.default_rng(0)
PATCHES = RNG.integers(0, 256, (6, SIZE, SIZE, 3)).astype(np.uint8)
PAIRS = np.array([[0, 1], [0, 2], [3, 1], [5, 4], [2, 5]])
OFFSET = RNG.normal(size=(5, 8)).astype(np.float32)


class Network:
    """The parts, and the loss and gradients of both models on PAIRS."""

    def __init__(self) -> None:
        self.backbone = tiny_backbone()
        self.top = frozen_copy(self.backbone.neck)
        self.head = tiny_head()
        # The bottom stream has moved away from the top stream.
        dense = self.backbone.neck.trainable_variables[0]
        dense.assign(dense + 0.1 * RNG.normal(size=dense.shape))

    def variables(self) -> list:
        parts = (self.backbone.neck, self.head)
        return [v.value for part in parts for v in part.trainable_variables]

    def measure(self, forward) -> tuple[float, list[np.ndarray]]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(pair_losses(*forward()))
        gradients = tape.gradient(loss, self.variables())
        return float(loss), [gradient.numpy() for gradient in gradients]

    def cached(self, pairs=PAIRS, offset=OFFSET):
        maps = self.backbone.trunk(as_images(PATCHES)).numpy()
        inputs = {
            "features": maps,
            "target_features": self.top(maps).numpy(),
            "source": pairs[:, 0].astype(np.int32),
            "target": pairs[:, 1].astype(np.int32),
            "offset": offset,
        }
        outputs = cached_pair_model(self.backbone.neck, self.head)(inputs)
        return outputs["prediction"], outputs["target"]

    def live(self, order=None):
        order = np.arange(len(PATCHES)) if order is None else order
        row = np.argsort(order)
        source_patch, source = np.unique(PAIRS[:, 0], return_inverse=True)
        target_patch, target = np.unique(PAIRS[:, 1], return_inverse=True)
        model = live_pair_model(self.backbone, self.top, self.head)
        outputs = model(
            {
                "patches": PATCHES[order],
                "source_patch": row[source_patch].astype(np.int32),
                "target_patch": row[target_patch].astype(np.int32),
                "source": source.astype(np.int32),
                "target": target.astype(np.int32),
                "offset": OFFSET,
            }
        )
        return outputs["prediction"], outputs["target"]

    def naive(self):
        """Two passes per pair, as Figure 2 draws it."""
        predictions, targets = [], []
        for (source, target), offset in zip(PAIRS, OFFSET, strict=True):
            bottom = self.backbone.trunk(as_images(PATCHES[[source]]))
            h1 = self.backbone.neck(bottom, training=False)
            predictions.append(self.head(h1, offset[None]))
            top = self.backbone.trunk(as_images(PATCHES[[target]]))
            targets.append(self.top(top, training=False))
        return tf.concat(predictions, 0), tf.concat(targets, 0)


@pytest.fixture(scope="module")
def network() -> Network:
    return Network()


def assert_same(first, second) -> None:
    assert first[0] == pytest.approx(second[0], rel=1e-5)
    for one, other in zip(first[1], second[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_pair_graph_learns_what_two_passes_per_pair_learn(network):
    assert_same(network.measure(network.live), network.measure(network.naive))


def test_cached_features_learn_what_live_patches_learn(network):
    assert_same(network.measure(network.cached), network.measure(network.live))


def test_order_of_patches_changes_nothing(network):
    order = np.array([4, 2, 0, 5, 1, 3])
    shuffled = network.measure(lambda: network.live(order))
    assert_same(network.measure(network.live), shuffled)


def test_order_of_pairs_changes_nothing(network):
    order = np.array([3, 0, 4, 2, 1])
    shuffled = network.measure(
        lambda: network.cached(PAIRS[order], OFFSET[order])
    )
    assert_same(network.measure(network.cached), shuffled)


def test_every_trained_variable_has_a_gradient(network):
    _, gradients = network.measure(network.live)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_only_neck_and_head_are_trained(network):
    model = live_pair_model(network.backbone, network.top, network.head)
    trained = {id(variable) for variable in model.trainable_variables}
    parts = (network.backbone.neck, network.head)
    expected = {id(v) for part in parts for v in part.trainable_variables}
    assert trained == expected


def test_a_patch_does_not_depend_on_the_patches_beside_it(network):
    alone, _ = network.cached(PAIRS[:1], OFFSET[:1])
    together, _ = network.cached()
    np.testing.assert_allclose(alone[0], together[0], rtol=1e-5)
