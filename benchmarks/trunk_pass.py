"""Filling the feature cache against matrix products and against PyTorch.

VGG19 with random weights, 224 pixels, cut at fc6. The fill is the real one:
records are read and decoded, patches cut, passed through trunk and frozen
neck, and the shards lie on disk when the clock stops. Its arithmetic is
divided by its time and held against the product of two 4096 x 4096 matrices
in the same precision. Beside it: the trunk alone on patches in memory, and,
with --torch_python=PYTHON, the same convolutions in PyTorch on images in
memory, nothing read, preprocessed or written. All sides take turns in one
run; prints medians, and medians of the ratios of each round.

    python -m benchmarks.trunk_pass --records_dir=RECORDS \
      --torch_python=PYTHON_WITH_TORCH
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from absl import app
from absl import flags
from absl import logging

from scn_tf.backbones import build_backbone
from scn_tf.backbones import frozen_copy
from scn_tf.backbones.backbone import Backbone
from scn_tf.backbones.inference import inference_copy
from scn_tf.backbones.preprocessing import as_images
from scn_tf.feature_cache import cached_features
from scn_tf.feature_cache import CacheOptions
from tfrecords.manifest import read_manifest
from tfrecords.pair_graph import PairGraph
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import read_patches

_RECORDS_DIR = flags.DEFINE_string(
    "records_dir", None, "Folder of the records.", required=True
)
_PATCHES = flags.DEFINE_integer("patches", 512, "Patches per fill, at most.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements of each side.")
_PRECISIONS = flags.DEFINE_list(
    "precisions", ["float32", "bfloat16"], "Precisions to measure."
)
_TORCH_PYTHON = flags.DEFINE_string(
    "torch_python", "", "Python that has PyTorch; empty leaves it out."
)
_TRAIN_FROM = flags.DEFINE_string("train_from", "fc6", "Where VGG19 is cut.")
_MATRIX = 4096
_SECONDS = 8
_BATCHES = (16, 32)
_TORCH_SCRIPT = pathlib.Path(__file__).with_name("torch_trunk.py")


def main(arguments: Sequence[str]) -> None:
    """Measures the sides in turns, a precision at a time."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    logging.set_verbosity(logging.WARNING)
    manifest = read_manifest(_RECORDS_DIR.value)
    graph = read_pair_graph(_RECORDS_DIR.value, list(manifest.splits))
    backbone = build_backbone("vgg19", _TRAIN_FROM.value)
    frozen_neck = frozen_copy(backbone.neck)
    number = min(_PATCHES.value, len(graph.boxes))
    trunk, neck = (2 * _products(m) for m in (backbone.trunk, frozen_neck))
    print(
        f"VGG19 at 224 pixels, cut at {backbone.cut}. Arithmetic per patch, 2 "
        "x (values of a layer's output x weights per value), summed: trunk "
        f"{trunk / 1e9:.2f}, neck {neck / 1e9:.2f} GFLOP"
    )
    print(
        f"{number} patches per fill, {_ROUNDS.value} rounds, {os.cpu_count()} "
        f"cores, load before: {os.getloadavg()[0]:.1f}"
    )
    for precision in _PRECISIONS.value:
        sides = {
            "matrix product": _matrix_product(precision),
            "fill of the cache": _fill(
                backbone, frozen_neck, graph, number, precision, trunk + neck
            ),
            "trunk alone": _trunk_alone(backbone, precision, trunk),
        }
        if _TORCH_PYTHON.value:
            sides["PyTorch, best"] = _pytorch(precision, trunk)
        for side in sides.values():
            side()  # tracing, warming up
        rates = {name: [] for name in sides}
        for _ in range(_ROUNDS.value):
            for name, side in sides.items():
                rates[name].append(side())
        _print_table(precision, rates, trunk + neck, trunk)


def _products(model: keras.Model) -> int:
    """Multiplications of convolutions and dense layers for one patch."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            values = int(np.prod(layer.output.shape[1:]))
            total += values * int(np.prod(layer.kernel.shape[:-1]))
    return total


def _matrix_product(precision: str) -> Callable[[], float]:
    """FLOP/s of a square product."""
    shape = (_MATRIX, _MATRIX)
    left, right = (
        tf.cast(tf.random.normal(shape, seed=seed), precision)
        for seed in (0, 1)
    )
    multiply = tf.function(tf.matmul)

    def side() -> float:
        each = _sustained(lambda: multiply(left, right)[0, 0].numpy())
        return 2 * _MATRIX**3 / each

    return side


def _fill(
    backbone: Backbone,
    frozen_neck: keras.Model,
    graph: PairGraph,
    number: int,
    precision: str,
    arithmetic: int,
) -> Callable[[], float]:
    """FLOP/s of records -> shards on disk."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="trunk_pass"))
    options = CacheOptions("float16", precision)

    def read(rows: range) -> tf.data.Dataset:
        size = backbone.image_size
        return read_patches(graph, "proposals", size, rows=rows)

    def side() -> float:
        description = {"kind": "proposals", "weights": "random"}
        seconds = _seconds(
            lambda: cached_features(
                *(folder, description, backbone, frozen_neck, read, number),
                options,
            )
        )
        shutil.rmtree(folder)
        return number * arithmetic / seconds

    return side


def _trunk_alone(
    backbone: Backbone, precision: str, arithmetic: int
) -> Callable[[], float]:
    """FLOP/s of the trunk on patches in memory, at its best batch size."""
    trunk = inference_copy(backbone.trunk, precision)
    size = backbone.image_size
    rng = np.random.default_rng(0)

    @tf.function(reduce_retracing=True)
    def run(patches: tf.Tensor) -> tf.Tensor:
        return trunk(as_images(patches), training=False)

    batches = [
        tf.constant(rng.integers(0, 256, (number, size, size, 3), np.uint8))
        for number in _BATCHES
    ]

    def side() -> float:
        return max(
            len(batch) * arithmetic / _sustained(lambda b=batch: run(b).numpy())
            for batch in batches
        )

    return side


def _pytorch(precision: str, arithmetic: int) -> Callable[[], float]:
    """FLOP/s of PyTorch at what is its best memory format and batch size."""
    command = [_TORCH_PYTHON.value, str(_TORCH_SCRIPT), precision]
    command.append(_TRAIN_FROM.value)

    def rates(settings: Sequence[str]) -> dict[str, float]:
        done = subprocess.run(
            [*command, *settings], capture_output=True, text=True
        )
        if done.returncode:
            raise app.UsageError(f"PyTorch failed: {done.stderr[-500:]}")
        return json.loads(done.stdout)

    tried = rates(
        [
            f"{memory_format},{batch}"
            for memory_format in ("contiguous", "channels_last")
            for batch in _BATCHES
        ]
    )
    best = max(tried, key=tried.get)
    print(f"PyTorch, images/s in {precision}: {tried}")
    return lambda: rates([best])[best] * arithmetic


def _sustained(call: Callable[[], object]) -> float:
    """Seconds of a call among many: a processor slows down under long work.

    A fill lasts that long; held against a burst it would only show this.
    """
    begin = time.perf_counter()
    number = 0
    while time.perf_counter() - begin < _SECONDS:
        call()
        number += 1
    return (time.perf_counter() - begin) / number


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _print_table(
    precision: str,
    rates: dict[str, list[float]],
    whole: int,
    trunk: int,
) -> None:
    print(f"{precision:<20}{'patches/s':>12}{'GFLOP/s':>10}{'fill / this':>13}")
    fill = rates["fill of the cache"]
    for name, values in rates.items():
        middle = statistics.median(values)
        of_patch = whole if values is fill else trunk
        speed = "" if name == "matrix product" else f"{middle / of_patch:.2f}"
        ratio = statistics.median(
            one / other for one, other in zip(fill, values, strict=True)
        )
        print(f"  {name:<18}{speed:>12}{middle / 1e9:>10.0f}{ratio:>13.2f}")


if __name__ == "__main__":
    app.run(main)
