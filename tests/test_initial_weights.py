"""Laws of initial weights: a seed decides them, and nothing before it."""

import random

import keras
import numpy as np
import pytest

from scn_tf.initial_weights import initializers_seeded


def drawn(seed) -> np.ndarray:
    with initializers_seeded(seed):
        layer = keras.layers.Dense(3)
    layer.build((None, 4))
    return layer.kernel.numpy()


@pytest.mark.parametrize("seed", [0, "head 0"])
def test_what_was_drawn_before_does_not_matter(seed):
    random.seed(1)
    first = drawn(seed)
    random.seed(2)
    np.testing.assert_array_equal(first, drawn(seed))


def test_other_seeds_give_other_weights():
    values = [drawn(seed).ravel() for seed in (0, 1, "head 0", "head 1")]
    assert len(np.unique(np.concatenate(values))) == 4 * 12


def test_what_is_drawn_after_does_not_change():
    random.seed(3)
    expected = random.random()
    random.seed(3)
    drawn(0)
    assert random.random() == expected


def test_after_an_error_the_state_is_put_back():
    random.seed(3)
    expected = random.random()
    random.seed(3)
    with pytest.raises(ValueError), initializers_seeded(0):
        raise ValueError
    assert random.random() == expected
