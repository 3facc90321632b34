"""A module's network made anew of Keras's own layers.

In: a trunk and one or two necks, which may hold layers of ours. Out: one
functional model that any Keras 3 reads in its safe mode, for there is no
class of ours in it: what our layers do stands there as Keras operations.
"""

import dataclasses

import keras
from keras import ops

from scn_tf.backbones.cnn_m import LocalResponseNormalization
from scn_tf.backbones.preprocessing import Preprocessing

TRUNK = "trunk"
NECK = "neck"
ORIGINAL_NECK = "original_neck"
_REGULARIZERS = ("kernel_regularizer", "depthwise_regularizer")


@dataclasses.dataclass(frozen=True)
class PlainNetwork:
    """A network of Keras's own layers, with random weights.

    Attributes:
        model: [B, S, S, 3] float32 images in [0, 1] -> [B, D] float32.
        originals: the variables that the weights of `model` are copies of,
            in the order of `model.variables`.
        frozen: names of those layers of `model` that are never trained.
    """

    model: keras.Model
    originals: list[keras.Variable]
    frozen: list[str]


def plain_network(
    trunk: keras.Model,
    neck: keras.Model,
    original_neck: keras.Model | None = None,
    weight_decay: float = 0.0,
) -> PlainNetwork:
    """Makes the network of a module of Keras's own layers.

    Args:
        trunk: functional; [B, S, S, 3] -> feature map.
        neck: functional; feature map -> [B, D].
        original_neck: as `neck`; with it the features are those of both,
            each of unit length, one beside the other, and trunk and
            original neck are frozen for good.
        weight_decay: L of the penalty L / 2 * sum(w^2) on the kernels of
            `neck`, which Keras adds to the loss as long as they are trained.

    Returns:
        The network; its features are always float32.
    """
    copied = {}
    images = keras.Input(trunk.input_shape[1:], name="images")
    maps = _copy(trunk, TRUNK, copied)(images)
    vector = _copy(neck, NECK, copied, weight_decay)(maps)
    frozen = []
    if original_neck is not None:
        other = _copy(original_neck, ORIGINAL_NECK, copied)(maps)
        halves = [_unit(vector), _unit(other)]
        vector = keras.layers.Concatenate(name="joined", dtype="float32")(
            halves
        )
        frozen = [TRUNK, ORIGINAL_NECK]
    output = keras.layers.Activation(
        "linear", name="feature_vector", dtype="float32"
    )(vector)
    model = keras.Model(images, output, name="feature_vector")
    for name in frozen:
        model.get_layer(name).trainable = False
    originals = [copied[id(variable)] for variable in model.variables]
    return PlainNetwork(model, originals, frozen)


def _unit(vector: keras.KerasTensor) -> keras.KerasTensor:
    """Scales to unit length as `tf.math.l2_normalize` does."""
    vector = ops.cast(vector, "float32")
    squares = ops.sum(ops.square(vector), axis=-1, keepdims=True)
    return vector * ops.rsqrt(ops.maximum(squares, 1e-12))


def _copy(
    model: keras.Model,
    name: str,
    copied: dict[int, keras.Variable],
    weight_decay: float = 0.0,
) -> keras.Model:
    """Copies a model; `copied` gets originals by the id of their copies."""
    pairs = []

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if weight_decay:
            _add_penalty(config, weight_decay)
        copy = type(layer).from_config(config)
        pairs.append((copy, layer))
        return copy

    same = keras.models.clone_model(
        model, clone_function=clone, call_function=_call
    )
    for copy, layer in pairs:
        for one, other in zip(copy.variables, layer.variables, strict=True):
            copied[id(one)] = other
    named = keras.Model(same.input, same.output, name=name)
    # What is frozen is the user's choice. Keras on TensorFlow takes no
    # notice of a value that is there already, so it is set to both.
    named.trainable = False
    named.trainable = True
    return named


def _call(
    layer: keras.Layer, *inputs: keras.KerasTensor, **options: object
) -> keras.KerasTensor:
    """Calls a layer, or writes down the operations of one of ours."""
    if isinstance(layer, Preprocessing):
        (images,) = inputs
        if layer.reverse_channels:
            images = ops.flip(images, axis=-1)
        # Not the layer's own subtraction: ONNX's converter takes a constant
        # tensor for an input of the network.
        return keras.layers.Rescaling(
            layer.scale, [-mean for mean in layer.mean], dtype="float32"
        )(images)
    if isinstance(layer, LocalResponseNormalization):
        (maps,) = inputs
        return layer.call(ops.cast(maps, layer.compute_dtype))
    return layer(*inputs, **options)


def _add_penalty(config: dict, weight_decay: float) -> None:
    """Adds the L2 penalty to the kernels of a layer's config."""
    for name in _REGULARIZERS:
        if name in config:
            # Keras's L2 is not halved.
            penalty = keras.regularizers.L2(weight_decay / 2)
            config[name] = keras.saving.serialize_keras_object(penalty)
