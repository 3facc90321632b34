"""Files as MatConvNet saves them, and what it computes with them."""

import pathlib

import numpy as np
import scipy.io

LRN = (5, 2, 1e-4, 0.75)  # N, kappa, alpha, beta of CNN-M
COLOR = np.array((123.68, 116.779, 103.939))  # RGB
_COLOR_IMAGE = COLOR.reshape(1, 1, 3)
Layer = dict[str, object]


def convolution(
    name: str,
    shape: tuple[int, ...],
    rng: np.random.Generator,
    stride: int = 1,
    pad: int = 0,
    old: bool = False,
) -> list[Layer]:
    """A convolution [H, W, C, D] and its ReLU; activations keep their size."""
    spread = np.sqrt(2 / np.prod(shape[:3]))
    filters = rng.normal(0, spread, shape).astype(np.float32)
    biases = rng.normal(0, 0.5, (1, shape[-1])).astype(np.float32)
    layer = {"name": name, "type": "conv"}
    if old:
        layer |= {"filters": filters, "biases": biases}
    else:
        weights = np.empty((1, 2), object)
        weights[0] = [filters, biases.T]
        layer |= {"weights": weights}
    layer |= {"stride": float(stride), "pad": np.full((1, 4), float(pad))}
    return [layer, {"name": f"relu_{name}", "type": "relu"}]


def pooling(name: str, window: int, pad: tuple[int, ...]) -> Layer:
    """A maximum with stride 2; `pad` is top, bottom, left, right."""
    return {
        "name": name,
        "type": "pool",
        "method": "max",
        "pool": np.full((1, 2), float(window)),
        "stride": 2.0,
        "pad": np.array([pad], float),
    }


def normalization(name: str, old: bool = False) -> Layer:
    """Local response normalization, under its old or newer type."""
    kind = "normalize" if old else "lrn"
    return {"name": name, "type": kind, "param": np.array([LRN], np.float32)}


def classifier(num_features: int, rng: np.random.Generator) -> list[Layer]:
    """fc8 with three classes, and the softmax."""
    layers = convolution("fc8", (1, 1, num_features, 3), rng)[:1]
    return [*layers, {"name": "prob", "type": "softmax"}]


def cnn_m(
    widths: tuple[int, int] = (9, 7),
    map_side: int = 2,
    old: bool = False,
    seed: int = 0,
) -> list[Layer]:
    """imagenet-vgg-m-2048 with random weights and other fc layers.

    Where no padding is needed at 75 pixels, none is written (pool1), as in
    the released files at 224.
    """
    rng = np.random.default_rng(seed)
    up = (0, 1, 0, 1)  # Caffe rounds sizes up.
    fc6, fc7 = widths
    convolutions = [
        convolution("conv1", (7, 7, 3, 96), rng, stride=2, old=old),
        convolution("conv2", (5, 5, 96, 256), rng, stride=2, pad=1, old=old),
        convolution("conv3", (3, 3, 256, 512), rng, pad=1, old=old),
        convolution("conv4", (3, 3, 512, 512), rng, pad=1, old=old),
        convolution("conv5", (3, 3, 512, 512), rng, pad=1, old=old),
        convolution("fc6", (map_side, map_side, 512, fc6), rng, old=old),
        convolution("fc7", (1, 1, fc6, fc7), rng, old=old),
    ]
    convolutions[0] += [normalization("norm1", old)]
    convolutions[0] += [pooling("pool1", 3, (0, 0, 0, 0))]
    convolutions[1] += [normalization("norm2", old), pooling("pool2", 3, up)]
    convolutions[4] += [pooling("pool5", 3, up)]
    return sum([*convolutions, classifier(fc7, rng)], [])


def vgg19(fc_width: int = 4096, seed: int = 0) -> list[Layer]:
    """imagenet-vgg-verydeep-19 with random weights, for 32 pixels."""
    rng = np.random.default_rng(seed)
    layers, channels = [], 3
    blocks = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
    for block, (filters, repeats) in enumerate(blocks, start=1):
        for repeat in range(1, repeats + 1):
            shape = (3, 3, channels, filters)
            name = f"conv{block}_{repeat}"
            layers += convolution(name, shape, rng, pad=1)
            channels = filters
        layers.append(pooling(f"pool{block}", 2, (0, 0, 0, 0)))
    layers += convolution("fc6", (1, 1, 512, fc_width), rng)
    layers += convolution("fc7", (1, 1, fc_width, fc_width), rng)
    return layers + classifier(fc_width, rng)


def write(
    path: pathlib.Path,
    layers: list[Layer],
    average: np.ndarray | None = _COLOR_IMAGE,
    old: bool = False,
    image_size: int = 0,
    **options: object,
) -> pathlib.Path:
    """Writes a SimpleNN; `old` as before `meta` came up."""
    cell = np.empty((1, len(layers)), object)
    cell[0] = layers
    values = {}
    if average is not None:
        values["averageImage"] = np.asarray(average, np.float32)
    if image_size:
        values["imageSize"] = np.array([[image_size, image_size, 3.0]])
    variables = {"layers": cell, "classes": {"name": "a cat"}}
    variables |= (
        {"normalization": values}
        if old
        else {"meta": {"normalization": values}}
    )
    scipy.io.savemat(path, variables, **options)
    return path


def features(
    layers: list[Layer], images: np.ndarray, average: np.ndarray
) -> np.ndarray:
    """What vl_simplenn gives for RGB images in 0..255, up to fc7's ReLU."""
    x = images.astype(np.float64) - average
    for layer in layers:
        if layer["name"] == "fc8":
            break
        if layer["type"] == "conv":
            x = _convolved(x, layer)
        elif layer["type"] == "relu":
            x = np.maximum(x, 0)
        elif layer["type"] == "pool":
            x = _pooled(x, layer)
        else:
            x = _normalized(x, *map(float, layer["param"][0]))
    return x.reshape(len(x), -1)


def _windows(
    x: np.ndarray, side: tuple[int, int], layer: Layer, fill: float
) -> np.ndarray:
    """All windows of a padded map, [B, H', W', C, h, w]."""
    top, bottom, left, right = (int(n) for n in layer["pad"][0])
    margins = ((0, 0), (top, bottom), (left, right), (0, 0))
    x = np.pad(x, margins, constant_values=fill)
    stride = int(layer["stride"])
    windows = np.lib.stride_tricks.sliding_window_view(x, side, (1, 2))
    return windows[:, ::stride, ::stride]


def _convolved(x: np.ndarray, layer: Layer) -> np.ndarray:
    if "weights" in layer:
        filters, biases = layer["weights"][0]
    else:
        filters, biases = layer["filters"], layer["biases"]
    windows = _windows(x, filters.shape[:2], layer, 0.0)
    return np.tensordot(windows, filters, ((4, 5, 3), (0, 1, 2))) + (
        biases.ravel()
    )


def _pooled(x: np.ndarray, layer: Layer) -> np.ndarray:
    side = tuple(int(n) for n in layer["pool"][0])
    return _windows(x, side, layer, -np.inf).max((4, 5))


def _normalized(
    x: np.ndarray, size: float, kappa: float, alpha: float, beta: float
) -> np.ndarray:
    """x_c / (kappa + alpha * sum of the window's squares) ** beta."""
    y = np.empty_like(x)
    half = int(size) // 2
    for c in range(x.shape[-1]):
        window = x[..., max(c - half, 0) : c + half + 1]
        energy = np.sum(window**2, axis=-1)
        y[..., c] = x[..., c] / (kappa + alpha * energy) ** beta
    return y
