"""A copy of a frozen network made for speed: the same function, fewer steps.

In: a functional Keras model and a precision. Out: a copy whose weights have
that precision once and for all, and whose batch normalizations are folded
into the convolutions before them: a convolution, its normalization and its
activation are then one step.
"""

import keras
import numpy as np

from scn_tf.backbones.cnn_m import LocalResponseNormalization
from scn_tf.backbones.preprocessing import Preprocessing

# Cheap, or harmed by half precision: sums, means, powers and what is not
# folded. TensorFlow's depthwise convolution adds up in the precision of its
# input, which alone moves MobileNetV2's features by 13 % in bfloat16.
FULL_PRECISION = (
    keras.layers.Add,
    keras.layers.BatchNormalization,
    keras.layers.DepthwiseConv2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.InputLayer,
    keras.layers.Rescaling,
    LocalResponseNormalization,
    Preprocessing,
)


def half_precision_layers(model: keras.Model) -> list[keras.Layer]:
    """Returns a model's own layers, at any depth, that half precision suits."""
    return [
        layer
        for layer in model._flatten_layers()
        if not isinstance(layer, (*FULL_PRECISION, keras.Model))
    ]


def config_in_precision(layer: keras.Layer, precision: str) -> dict:
    """Returns a layer's config in a precision, if that suits it.

    Weights begin at zero, for they are to be assigned: random ones would take
    time, and numbers out of the sequence that others draw from.

    Args:
        layer: of a network.
        precision: dtype of its weights and activations.
    """
    config = layer.get_config()
    config |= {
        name: "zeros" for name in config if name.endswith("_initializer")
    }
    full = isinstance(layer, FULL_PRECISION)
    config["dtype"] = "float32" if full else precision
    return config


class _Folded(keras.layers.Layer):
    """Stands where a batch normalization was; changes nothing."""

    def call(
        self,
        inputs: keras.KerasTensor,
        training: bool | None = None,
        mask: keras.KerasTensor | None = None,
    ) -> keras.KerasTensor:
        return inputs


def inference_copy(model: keras.Model, precision: str) -> keras.Model:
    """Copies a model for inference in some precision.

    Args:
        model: functional, each of its layers called once.
        precision: "float32", "bfloat16" or "float16", of weights and
            activations. Preprocessing, means and normalizations that cannot
            be folded stay float32.

    Returns:
        [B, ...] float32 -> what `model` gives with `training=False`, in
        `precision` or float32. Later changes of `model` do not reach it.
    """
    convolutions = _folding(model)
    normalizations = {
        convolution.name: normalization
        for normalization, convolution in convolutions.items()
    }

    def copy_layer(layer: keras.Layer) -> keras.Layer:
        if layer in convolutions:
            return _Folded(name=layer.name, dtype=precision)
        config = config_in_precision(layer, precision)
        if layer.name in normalizations:
            config["use_bias"] = True
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=copy_layer)
    for layer in model.layers:
        if layer in convolutions or not layer.weights:
            continue
        values = [weight.numpy() for weight in layer.weights]
        if layer.name in normalizations:
            values = _folded_weights(layer, normalizations[layer.name])
        weights = copy.get_layer(layer.name).weights
        for weight, value in zip(weights, values, strict=True):
            weight.assign(keras.ops.cast(value, weight.dtype))
    copy.trainable = False
    return copy


def _folding(model: keras.Model) -> dict[keras.Layer, keras.Layer]:
    """Returns batch normalization -> the convolution it can be folded into."""
    readers = {}
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            for tensor in keras.tree.flatten(layer.input):
                readers.setdefault(id(tensor), []).append(layer)
    folding = {}
    for layer in model.layers:
        if type(layer) not in (
            keras.layers.Conv2D,
            keras.layers.DepthwiseConv2D,
        ):
            continue
        reader = readers.get(id(layer.output), [])
        if (
            len(reader) == 1
            and isinstance(reader[0], keras.layers.BatchNormalization)
            and reader[0].axis in (-1, 3)
            and layer.activation is keras.activations.linear
            and layer.data_format == "channels_last"
        ):
            folding[reader[0]] = layer
    return folding


def _folded_weights(
    convolution: keras.Layer, normalization: keras.Layer
) -> list[np.ndarray]:
    """Returns kernel and bias of both together, float32."""
    kernel, *bias = (weight.numpy() for weight in convolution.weights)
    scale = 1 / np.sqrt(
        normalization.moving_variance.numpy() + normalization.epsilon
    )
    if normalization.scale:
        scale = scale * normalization.gamma.numpy()
    shift = -normalization.moving_mean.numpy() * scale
    if bias:
        shift = shift + bias[0] * scale
    if normalization.center:
        shift = shift + normalization.beta.numpy()
    if isinstance(convolution, keras.layers.DepthwiseConv2D):
        # [H, W, C, M] gives channel c * M + m; elsewhere the last axis counts.
        return [kernel * scale.reshape(kernel.shape[2:]), shift]
    return [kernel * scale, shift]
