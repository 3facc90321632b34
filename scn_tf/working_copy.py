"""Copies of the trained networks in half precision, for the steps alone.

In: networks with float32 weights. Out: copies with rounded ones, which steps
compute with. Their gradients move the originals, and every update rounds
these anew: nothing is lost between steps ("mixed precision"). Checkpoints,
checks and exports see the originals only.
"""

from collections.abc import Sequence

import keras

from scn_tf.backbones.inference import config_in_precision

TRAINING_PRECISIONS = ("bfloat16", "float32")


class WorkingCopies:
    """What belongs to what.

    Args:
        originals: networks.
        copies: of them, with equally many weights in the same order. An
            original that steps compute with stands for itself.
    """

    def __init__(
        self,
        originals: Sequence[keras.Layer] = (),
        copies: Sequence[keras.Layer] = (),
    ) -> None:
        self._pairs = [
            (weight, copied)
            for original, copy in zip(originals, copies, strict=True)
            for weight, copied in zip(
                original.weights, copy.weights, strict=True
            )
            if weight is not copied
        ]
        self._copies = {id(weight): copied for weight, copied in self._pairs}

    def of(self, variable: keras.Variable) -> keras.Variable:
        """What steps compute with in place of a variable."""
        return self._copies.get(id(variable), variable)

    def refresh(self) -> None:
        """Rounds all weights anew, after something else has set them."""
        for weight, copied in self._pairs:
            copied.assign(keras.ops.cast(weight, copied.dtype))


def working_copy(network: keras.Layer, precision: str) -> keras.Layer:
    """Returns what steps compute with: the network itself in float32.

    Args:
        network: a functional model, each of its layers called once, or a
            layer that gives its dtype to its parts.
        precision: one of TRAINING_PRECISIONS, of weights and activations;
            preprocessing, normalizations and means stay float32.
    """
    if precision == "float32":
        return network
    if not isinstance(network, keras.Model):
        config = network.get_config() | {"dtype": precision}
        copy = type(network).from_config(config)
        copy.build(*network.build_shapes)
        return copy

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config(config_in_precision(layer, precision))

    return keras.models.clone_model(network, clone_function=copy_layer)
