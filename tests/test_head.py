"""Laws of the spatial context module (Eq. 1)."""

import keras
import numpy as np
import pytest

from scn_tf.head import SpatialContextHead

RNG = np.random.default_rng(0)
H1 = RNG.normal(size=(5, 4)).astype(np.float32)
OFFSET = RNG.normal(size=(5, 8)).astype(np.float32)


def built(**kwargs) -> SpatialContextHead:
    head = SpatialContextHead(4, **kwargs)
    head.build((None, 4), (None, 8))
    return head


def test_output_is_equation_1():
    head = built(num_hidden=6, offset_spread=2.0, offset_gain=3.0)
    head.set_weights([RNG.normal(size=weight.shape) for weight in head.weights])
    v1, bias1 = (w.numpy() for w in head.content.weights)
    vloc = head.location.weights[0].numpy()
    v2, bias2 = (w.numpy() for w in head.decode.weights)
    logit = H1 @ v1 + bias1 + (OFFSET * 3.0 / 2.0) @ vloc
    expected = 1 / (1 + np.exp(-logit)) @ v2 + bias2
    np.testing.assert_allclose(head(H1, OFFSET), expected, rtol=1e-4)


def test_hidden_layer_is_as_wide_as_the_feature_by_default():
    head = built()
    shapes = [tuple(weight.shape) for weight in head.weights]
    assert shapes == [(4, 4), (4,), (8, 4), (4, 4), (4,)]


def test_zero_gain_is_blind_to_offsets():
    head = built(offset_gain=0.0)
    np.testing.assert_array_equal(head(H1, OFFSET), head(H1, -OFFSET))


@pytest.mark.parametrize("gain", [0.1, 1.0, 30.0])
def test_gain_does_not_change_the_initial_spread(gain):
    keras.utils.set_random_seed(3)
    head = SpatialContextHead(
        4, num_hidden=4096, offset_gain=gain, offset_initial_spread=0.5
    )
    head.build((None, 4), (None, 8))
    offset = RNG.normal(size=(64, 8)).astype(np.float32)
    term = head.location(offset * gain).numpy()
    assert term.std() == pytest.approx(0.5, rel=0.15)


def test_offsets_and_their_spread_cancel():
    keras.utils.set_random_seed(0)
    pixels = built(offset_spread=80.0)
    keras.utils.set_random_seed(0)
    unit = built(offset_spread=0.25)
    np.testing.assert_allclose(
        pixels(H1, OFFSET * 80.0), unit(H1, OFFSET * 0.25), rtol=1e-5
    )


def test_config_round_trip_makes_the_same_layer():
    head = built(num_hidden=6, offset_spread=2.0, offset_gain=3.0)
    copy = SpatialContextHead.from_config(head.get_config())
    copy.build((None, 4), (None, 8))
    copy.set_weights(head.get_weights())
    np.testing.assert_array_equal(copy(H1, OFFSET), head(H1, OFFSET))


def test_a_spread_of_zero_is_refused():
    with pytest.raises(ValueError, match="must be positive"):
        SpatialContextHead(4, offset_spread=0.0)
