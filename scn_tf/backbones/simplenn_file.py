"""Reads a network that MatConvNet saved, into plain layers and arrays.

In: a `.mat` file of a SimpleNN, old (`filters`, `biases`, `normalization`)
or newer (`weights`, `meta.normalization`). Out: its layers in order and the
mean that is taken off its images. Nothing in the file is run or unpickled.
"""

import dataclasses
import pathlib

import numpy as np

from scn_tf.backbones.mat_file import read_variables
from tfrecords.errors import InputError

_WANTED = ("layers", "meta", "normalization")


@dataclasses.dataclass(frozen=True)
class SimpleLayer:
    """One layer as MatConvNet counts them; a ReLU is one of its own.

    Attributes:
        name: for messages.
        kind: "conv", "relu", "pool", "lrn", or another of its types.
        stride: down and across.
        pad: above, below, left, right.
        window: height and width of a pooling.
        method: of a pooling, "max" or "avg".
        numbers: of lrn N, kappa, alpha, beta; of a leaky relu the leak; of a
            dilated conv the factors.
        shapes: of a conv, filters [H, W, C, D] and biases [D].
        arrays: these two, if it comes from a file.
    """

    name: str
    kind: str
    stride: tuple[int, ...] = (1, 1)
    pad: tuple[int, ...] = (0, 0, 0, 0)
    window: tuple[int, ...] = (1, 1)
    method: str = "max"
    numbers: tuple[float, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    arrays: tuple[np.ndarray, ...] = ()


@dataclasses.dataclass(frozen=True)
class SimpleNN:
    """A network and the images it was made for.

    Attributes:
        layers: in order.
        average: [H, W, 3] float64, what is taken off an RGB image in
            0..255; one color has H = W = 1. None: the file does not say.
        image_size: side in pixels; 0: the file does not say.
    """

    layers: tuple[SimpleLayer, ...]
    average: np.ndarray | None
    image_size: int


def read_simplenn(path: pathlib.Path) -> SimpleNN:
    """Reads the file.

    Raises:
        InputError: no MATLAB file of version 5 to 7, cut short, no SimpleNN,
            or a layer without what it needs.
    """
    variables = read_variables(path, _WANTED)
    if {"vars", "params"} <= set(variables):
        raise InputError(
            f"{path} is a DagNN of MatConvNet; only a SimpleNN can be read, "
            "such as imagenet-vgg-verydeep-19.mat."
        )
    if "layers" not in variables:
        raise InputError(
            f"{path} holds no variable 'layers', but "
            f"{', '.join(filter(None, variables)) or 'none with a name'}. If "
            "one of these is the network, save its parts in MATLAB: "
            "save('new.mat', '-struct', 'net', '-v7')."
        )
    try:
        layers = variables["layers"]
        if not isinstance(layers, list) or not layers:
            raise ValueError("'layers' is no cell array of layers")
        # MATLAB writes a field without a value as an empty array.
        meta = _struct(variables.get("meta"))
        normalization = _struct(meta.get("normalization"))
        normalization = normalization or _struct(variables.get("normalization"))
        return SimpleNN(
            tuple(_layer(index, x) for index, x in enumerate(layers, start=1)),
            _average(normalization),
            _image_size(normalization),
        )
    except ValueError as error:
        raise InputError(
            f"{path} is no network that MatConvNet saved: {error}."
        ) from error


def _struct(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _layer(index: int, fields: object) -> SimpleLayer:
    """Returns one layer of the file."""
    if not isinstance(fields, dict):
        raise ValueError(f"layer {index} is no struct")
    kind, name = fields.get("type"), fields.get("name", f"layer {index}")
    if not isinstance(kind, str) or not isinstance(name, str):
        raise ValueError(f"layer {index} has no type or name that is a text")
    if kind in ("normalize", "lrn"):
        # Where it has no numbers, vl_simplenn_tidy takes these.
        numbers = _numbers(fields, name, "param", (5, 1, 1e-4 / 5, 0.75))
        return SimpleLayer(name, "lrn", numbers=numbers)
    if kind == "relu":
        leak = _numbers(fields, name, "leak", (0,))
        return SimpleLayer(name, kind, numbers=leak if any(leak) else ())
    if kind not in ("conv", "pool"):
        return SimpleLayer(name, kind)
    steps = {
        "stride": _whole(fields, name, "stride", (1, 1), least=1),
        "pad": _whole(fields, name, "pad", (0, 0, 0, 0), least=0),
    }
    if kind == "pool":
        window = _whole(fields, name, "pool", (1, 1), least=1)
        method = str(fields.get("method", "max"))
        return SimpleLayer(name, kind, **steps, window=window, method=method)
    arrays = _filters_and_biases(fields, name)
    dilate = _numbers(fields, name, "dilate", (1, 1))
    return SimpleLayer(
        name,
        kind,
        **steps,
        numbers=dilate if dilate != (1, 1) else (),
        shapes=tuple(array.shape for array in arrays),
        arrays=arrays,
    )


def _filters_and_biases(
    fields: dict[str, object], name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns filters [H, W, C, D] and biases [D] of a convolution."""
    weights = fields.get("weights")
    if weights is None:
        weights = [fields.get("filters"), fields.get("biases")]
    if not isinstance(weights, list) or len(weights) != 2:
        raise ValueError(f"{name} has no filters and biases")
    filters, biases = weights
    if not all(isinstance(array, np.ndarray) for array in weights):
        raise ValueError(f"{name} has filters or biases that are no numbers")
    if not 2 <= filters.ndim <= 4:
        raise ValueError(f"{name} has filters of the shape {filters.shape}")
    # MATLAB drops trailing sizes of one, and writes a convolution without
    # biases with an empty array.
    filters = filters.reshape(filters.shape + (1,) * (4 - filters.ndim))
    biases = biases.ravel() if biases.size else np.zeros(filters.shape[-1])
    return filters, biases


def _numbers(
    fields: dict[str, object],
    name: str,
    field: str,
    default: tuple[float, ...],
) -> tuple[float, ...]:
    """Returns as many numbers as `default` has; one stands for all."""
    value = fields.get(field)
    if value is None or isinstance(value, np.ndarray) and not value.size:
        return default
    length = len(default)
    if isinstance(value, np.ndarray) and value.size in (1, length):
        numbers = tuple(map(float, value.ravel()))
        if np.isfinite(numbers).all():
            return numbers * (length // len(numbers))
    raise ValueError(f"{name} should have {length} numbers as {field}")


def _whole(
    fields: dict[str, object],
    name: str,
    field: str,
    default: tuple[int, ...],
    least: int,
) -> tuple[int, ...]:
    """Returns whole numbers that are not below `least`."""
    numbers = _numbers(fields, name, field, default)
    if any(number != int(number) or number < least for number in numbers):
        raise ValueError(f"{name} has {numbers} as {field}")
    return tuple(map(int, numbers))


def _average(normalization: dict[str, object]) -> np.ndarray | None:
    """Returns `averageImage` as [H, W, 3]; an empty one is zero."""
    average = normalization.get("averageImage")
    if average is None:
        return None
    if isinstance(average, np.ndarray):
        average = average.astype(np.float64)
        if not average.size:
            return np.zeros((1, 1, 3))
        if average.size == 3:
            average = average.reshape(1, 1, 3)
        if average.ndim == 3 and average.shape[-1] == 3:
            if np.isfinite(average).all():
                return average
    raise ValueError("its averageImage is neither an RGB image nor a color")


def _image_size(normalization: dict[str, object]) -> int:
    size = normalization.get("imageSize")
    if isinstance(size, np.ndarray) and size.size and np.isfinite(size).all():
        return int(size.ravel()[0])
    return 0
