"""Fills a network with what MatConvNet saved, such as imagenet-vgg-m-2048.

In: a chain of convolutions and dense layers with Caffe's preprocessing
(cnn_m, vgg16, vgg19) and a SimpleNN's `.mat` file. Out: the network's
variables hold the file's values, or an InputError says what differs.

Compared are shapes and also strides, padding, pooling and normalization:
CNN-S has filters of the very shapes of CNN-M's. A last fully connected layer
is the classifier; it is dropped.

The file's network reads RGB in 0..255 minus `averageImage`; ours reads BGR
minus a color. So the first filters' input channels are reversed. Where the
colors differ, the difference goes into the first biases: exact for a
convolution without padding (CNN-M); behind zero padding (VGG) it is off at
the pictures' edges, and a warning says so. The released VGG files have our
color. Of a mean image only the mean color is taken, with a warning.
"""

import dataclasses
import itertools
import pathlib

import keras
import numpy as np
from absl import logging

from scn_tf.backbones.cnn_m import LocalResponseNormalization
from scn_tf.backbones.mismatch import difference
from scn_tf.backbones.mismatch import mismatch_error
from scn_tf.backbones.mismatch import shapes_text
from scn_tf.backbones.mismatch import width_advice
from scn_tf.backbones.preprocessing import Preprocessing
from scn_tf.backbones.simplenn_file import read_simplenn
from scn_tf.backbones.simplenn_file import SimpleLayer
from scn_tf.backbones.simplenn_file import SimpleNN
from tfrecords.errors import InputError

# Layers that change nothing in a feature.
_PASSED = ("dropout", "loss", "softmax", "softmaxloss")
# In 0..255. Colors are written in float32; a picture's bytes are rounded.
_ROUNDED, _NOTICED = 1e-4, 0.5


def load_matconvnet(network: keras.Model, path: pathlib.Path) -> None:
    """Fills every variable of `network` from the file.

    Nothing is assigned before all layers have been compared.

    Args:
        network: functional model without classifier.
        path: a SimpleNN's `.mat` file.

    Raises:
        InputError: the file cannot be read, is of another network, or the
            network is not of the kind that such files are for.
    """
    wanted = _units(_network_layers(network), network.input_shape[1])
    file = read_simplenn(path)
    found = _units(list(file.layers), network.input_shape[1])
    if len(found) == len(wanted) + 1 and found[-1].shapes[0][:2] == (1, 1):
        found.pop()
    _compare(network, path, wanted, found, file)
    layers = [layer for layer in network.layers if layer.weights]
    arrays = [unit.arrays for unit in found[1:]]
    arrays[0] = _first_arrays(network, path, found[1], file.average)
    for layer, (filters, biases) in zip(layers, arrays, strict=True):
        kernel = filters.reshape(layer.kernel.shape)  # H, W, C as Flatten
        layer.kernel.assign(kernel.astype(np.float32))
        layer.bias.assign(biases.astype(np.float32))


@dataclasses.dataclass(frozen=True)
class _Unit:
    """A convolution and what follows it, up to the next.

    The first has no convolution: what comes before all of them.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    arrays: tuple[np.ndarray, ...]
    steps: list[str]  # what is computed, in words


def _units(layers: list[SimpleLayer], side: int) -> list[_Unit]:
    """Describes layers so that equal words mean equal functions.

    Args:
        layers: of the file or of our network.
        side: of the images in pixels.
    """
    units = [_Unit("images", (), (), [])]
    size = (side, side)
    for layer in layers:
        if layer.kind in _PASSED:
            continue
        words = [layer.kind, *(f"{number:g}" for number in layer.numbers)]
        if layer.kind == "conv":
            units.append(_Unit(layer.name, layer.shapes, layer.arrays, []))
            size, moves = _slide(layer, layer.shapes[0][:2], size)
            words += moves
        elif layer.kind == "pool":
            size, moves = _slide(layer, layer.window, size)
            words += [layer.method, "{}x{}".format(*layer.window), *moves]
        units[-1].steps.append(" ".join(words))
    return units


def _slide(
    layer: SimpleLayer, window: tuple[int, ...], size: tuple[int, ...]
) -> tuple[tuple[int, ...], list[str]]:
    """Moves a window over a map; padding that it never reaches is none.

    Returns:
        (size of what comes out, stride and padding in words).
    """
    strides, pads, sizes = [], [], []
    for axis in range(2):
        before, after = layer.pad[2 * axis : 2 * axis + 2]
        room = size[axis] + before + after - window[axis]
        count = max(room // layer.stride[axis] + 1, 1)
        stride = layer.stride[axis] if count > 1 else 1
        reached = (count - 1) * stride + window[axis] - before - size[axis]
        strides.append(stride)
        pads += [before, max(reached, 0)]
        sizes.append(count)
    words = "stride {}x{} pad {} {} {} {}".format(*strides, *pads)
    return tuple(sizes), words.split()


def _network_layers(network: keras.Model) -> list[SimpleLayer]:
    """Returns our network as MatConvNet would count its layers."""
    layers = []
    pad, flattened = (0, 0, 0, 0), ()
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, Preprocessing):
            fits = layer.reverse_channels and layer.scale == 255
            if not fits:
                raise _not_for(network)
        elif isinstance(layer, keras.layers.ZeroPadding2D):
            pad = tuple(itertools.chain(*layer.padding))
        elif isinstance(layer, keras.layers.Flatten):
            flattened = layer.input.shape[1:]
        elif type(layer) is keras.layers.Dense:
            # In the file a convolution over the whole map.
            window = flattened or (1, 1, layer.kernel.shape[0])
            filters = (*window, layer.units)
            layers += _convolution(network, layer, (1, 1), pad, filters)
            flattened = ()
        else:
            layers += _simple_layers(network, layer, pad)
            pad = (0, 0, 0, 0)
    return layers


def _simple_layers(
    network: keras.Model, layer: keras.layers.Layer, pad: tuple[int, ...]
) -> list[SimpleLayer]:
    """Returns a layer of ours that takes a map."""
    name = layer.name
    if isinstance(layer, LocalResponseNormalization):
        alpha = layer.alpha / layer.size  # Caffe divides, MatConvNet does not.
        numbers = (layer.size, layer.bias, alpha, layer.beta)
        return [SimpleLayer(name, "lrn", numbers=numbers)]
    if isinstance(layer, keras.layers.MaxPooling2D):
        if layer.padding != "valid":
            raise _not_for(network)
        return [SimpleLayer(name, "pool", layer.strides, pad, layer.pool_size)]
    if type(layer) is not keras.layers.Conv2D:
        raise _not_for(network)
    if layer.padding == "same":
        if layer.strides != (1, 1):  # Keras then pads by the map's size.
            raise _not_for(network)
        totals = [side - 1 for side in layer.kernel_size]
        pad = tuple(x for n in totals for x in (n // 2, n - n // 2))
    shape = tuple(layer.kernel.shape)
    return _convolution(network, layer, layer.strides, pad, shape)


def _convolution(
    network: keras.Model,
    layer: keras.layers.Layer,
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    filters: tuple[int, ...],
) -> list[SimpleLayer]:
    """Returns a layer with weights, and its activation as one of its own."""
    if layer.bias is None:
        raise _not_for(network)
    shapes = (filters, tuple(layer.bias.shape))
    parts = [SimpleLayer(layer.name, "conv", stride, pad, shapes=shapes)]
    if layer.activation is not keras.activations.linear:
        parts.append(SimpleLayer(layer.name, layer.activation.__name__))
    return parts


def _not_for(network: keras.Model) -> InputError:
    return InputError(
        f"MatConvNet's files cannot be put into {network.name}; they are read "
        "for cnn_m, vgg16 and vgg19. Choose one of these with --backbone, or "
        f"give --weights an HDF5 file of {network.name}."
    )


def _compare(
    network: keras.Model,
    path: pathlib.Path,
    wanted: list[_Unit],
    found: list[_Unit],
    file: SimpleNN,
) -> None:
    """Raises InputError unless both are of one network."""
    lines, widths, advice = [], {}, ""
    nothing = _Unit("", (), (), [])
    for ours, theirs in itertools.zip_longest(wanted, found, fillvalue=nothing):
        name = ours.name or theirs.name
        if ours.shapes != theirs.shapes:
            texts = shapes_text(ours.shapes), shapes_text(theirs.shapes)
        elif ours.steps != theirs.steps:
            texts = ", ".join(ours.steps), ", ".join(theirs.steps)
        else:
            continue
        lines.append(difference(name, *texts))
        if ours.shapes and theirs.shapes:
            widths[name] = theirs.shapes[0][-1]
    if not lines:
        return
    if len(widths) == len(lines):
        advice = width_advice(network, widths)
    side = network.input_shape[1]
    if not advice and file.image_size not in (0, side):
        advice = (
            f"The file is of images of {file.image_size} pixels: give "
            f"--image_size={file.image_size}."
        )
    raise mismatch_error(network, path, lines, advice)


def _first_arrays(
    network: keras.Model,
    path: pathlib.Path,
    unit: _Unit,
    average: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns filters and biases of the first convolution, for our images."""
    (preprocessing,) = (
        layer for layer in network.layers if isinstance(layer, Preprocessing)
    )
    filters, biases = unit.arrays
    color = np.array(preprocessing.mean[::-1])  # RGB
    if average is None:
        logging.warning(
            "%s does not say what is taken off its images; taken is "
            "ImageNet's mean color %s.",
            path,
            color,
        )
        return filters[:, :, ::-1], biases
    mean = average.mean((0, 1))
    spread = np.abs(average - mean).max()
    if spread > _NOTICED:
        logging.warning(
            "%s takes a mean image off its images, %s its mean color %s: a "
            "pixel differs by up to %.1f of 255.",
            path,
            network.name,
            mean.round(2),
            spread,
        )
    shift = mean - color
    if np.abs(shift).max() > _ROUNDED:
        # What the file's network sees is ours minus `shift`.
        biases = biases - np.einsum("hwcd,c->d", filters, shift)
        padded = not unit.steps[0].endswith("pad 0 0 0 0")
        if padded and np.abs(shift).max() > _NOTICED:
            logging.warning(
                "%s takes the color %s off its images, %s takes %s. The "
                "biases of %s make up for it except at the edges of a "
                "picture, where zeros stand around it.",
                path,
                mean.round(2),
                network.name,
                color,
                unit.name,
            )
    return filters[:, :, ::-1], biases
