"""Laws of the norms of gradients."""

import numpy as np
import pytest
from test_step import Network

from scn_tf.gradient_norms import make_gradient_norms


@pytest.mark.parametrize("accumulate", [1, 3])
def test_norms_are_those_of_the_gradients_and_nothing_moves(accumulate):
    network = Network(accumulate=accumulate)
    before = network.weights()
    parts = {"head": network.head.trainable_variables, "none": []}
    measure = make_gradient_norms(
        network.forward, parts, network.strategy, network.options
    )
    norms = measure(network.batches(range(2, 3)))
    for a, b in zip(before, network.weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # One step without decay and momentum moves by rate * gradient.
    plain = Network(momentum=0.0, weight_decay=0.0)
    plain.steps()(plain.batches(range(2, 3)), 0.0, 1e9)
    number = len(plain.head.trainable_variables)
    moved = [a - b for a, b in zip(before, plain.weights(), strict=True)]
    length = np.sqrt(sum(np.sum(m**2) for m in moved[:number])) / 0.01
    assert set(norms) == {"head"}
    np.testing.assert_allclose(norms["head"], length, rtol=1e-4)
