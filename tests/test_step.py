"""Laws of steps: many in one call are as many single ones."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import tiny_backbone
from tiny import tiny_graph
from tiny import tiny_head

from scn_tf.batches import batch_dataset
from scn_tf.batches import PairSampler
from scn_tf.batches import Shares
from scn_tf.feature_cache import FeatureCache
from scn_tf.inputs import cached_inputs
from scn_tf.optimizer import make_optimizer
from scn_tf.pair_model import cached_pair_model
from scn_tf.pair_model import forward_of
from scn_tf.recipe import TrainOptions
from scn_tf.step import make_steps

GRAPH = tiny_graph(num_images=5)
MAPS = np.random.default_rng(0).normal(size=(20, 3, 3, 4)).astype(np.float32)


class Network:
    def __init__(self, **options):
        self.options = TrainOptions(**{"learning_rate": 0.01, **options})
        backbone = tiny_backbone()
        self.head = tiny_head()
        self.neck = backbone.neck
        targets = backbone.neck(MAPS).numpy()
        self.trained = [
            *self.head.trainable_variables,
            *self.neck.trainable_variables,
        ]
        self.optimizer = make_optimizer(self.options)
        self.optimizer.build(self.trained)
        self.forward = forward_of(cached_pair_model(backbone.neck, self.head))
        self.strategy = tf.distribute.get_strategy()
        self._fill = cached_inputs(FeatureCache(MAPS, targets))

    def batches(self, *chunks):
        sampler = PairSampler(GRAPH, 7)
        shares = Shares(accumulate=self.options.accumulate)
        return iter(batch_dataset(sampler, self._fill, chunks, shares))

    def steps(self):
        return make_steps(
            self.forward,
            self.trained,
            self.optimizer,
            self.strategy,
            self.options,
        )

    def weights(self):
        return [variable.numpy() for variable in self.trained]


def test_many_steps_in_a_call_are_as_many_calls():
    one, other = Network(), Network()
    taken = one.steps()(one.batches(range(6)), 0.0, 1e9)
    singles = [range(step, step + 1) for step in range(6)]
    iterator, total, steps = other.batches(*singles), 0.0, other.steps()
    for _ in range(6):
        single = steps(iterator, total, 1e9)
        total = float(single.total)
    assert int(taken.steps) == 6
    assert float(taken.total) == total
    assert float(taken.loss) == float(single.loss)
    assert 0 <= float(taken.waited) < 60
    for a, b in zip(one.weights(), other.weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("limit", [0.0, float("nan")])
def test_a_loss_beyond_the_limit_ends_the_call(limit):
    network = Network()
    taken = network.steps()(network.batches(range(6)), 0.0, limit)
    assert int(taken.steps) == 1
