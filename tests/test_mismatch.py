"""Laws of what is said where a weights file is of another network."""

import pathlib

import keras
import pytest

from scn_tf.backbones.mismatch import difference
from scn_tf.backbones.mismatch import mismatch_error
from scn_tf.backbones.mismatch import shapes_text
from scn_tf.backbones.mismatch import width_advice


@pytest.fixture
def network():
    images = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 1, name="conv1")(images)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(6, name="fc6")(x)
    x = keras.layers.Dense(5, name="fc7")(x)
    return keras.Model(images, x, name="net")


def test_a_difference_shows_both_sides():
    assert difference("fc6", shapes_text([(3, 2), [2]]), "") == (
        "  fc6: network (3, 2), (2,); file nothing"
    )


def test_five_differences_are_listed_and_the_rest_counted(network):
    lines = [difference(f"conv{i}", "a", "b") for i in range(7)]
    text = str(mismatch_error(network, pathlib.Path("x.h5"), lines))
    assert text.startswith(
        "x.h5 does not hold the weights of net at 4 pixels; 7 layers differ:"
    )
    assert "conv4" in text and "conv5" not in text and "and 2 more" in text
    assert "--backbone" in text


def test_advice_comes_before_what_is_said_always(network):
    text = str(mismatch_error(network, pathlib.Path("x.h5"), ["a"], "Do this."))
    assert text.index("Do this.") < text.index("--backbone")


def test_widths_alone_name_their_flags(network):
    assert width_advice(network, {"fc6": 4, "fc7": 5}) == (
        "In the file fc6 has 4 units, not 6: give --fc6_width=4."
    )
    assert width_advice(network, {"fc6": 4, "conv1": 2}) == ""
    assert width_advice(network, {"fc6": 6}) == ""
    assert width_advice(network, {}) == ""
