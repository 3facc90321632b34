"""A step of the paper's own setting against its floor and against PyTorch.

VGG19 with random weights: fc6, fc7 and the spatial context module are
trained on cached features, every patch of a batch different (the most work
that a batch can be), in float32 or by flag in bfloat16. The floor is the
larger of the arithmetic over the speed of a product of two 4096 x 4096
matrices, and of the bytes that have to move over the speed of an addition of
two vectors of 400 MB. Both, the step and PyTorch's take turns in one run;
prints medians and the ratios.

    python -m benchmarks.fc_step --torch_python=PYTHON_WITH_TORCH
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import json
import pathlib
import statistics
import subprocess
import time
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import app
from absl import flags
from absl import logging

from scn_tf.backbones import build_backbone
from scn_tf.backbones.backbone import Backbone
from scn_tf.chunks import join
from scn_tf.device_cache import DeviceCache
from scn_tf.feature_cache import FeatureCache
from scn_tf.geometry import NUM_OFFSETS
from scn_tf.head import SpatialContextHead
from scn_tf.inputs import node_inputs
from scn_tf.optimizer import make_optimizer
from scn_tf.pair_model import cached_pair_model
from scn_tf.pair_model import forward_of
from scn_tf.recipe import TrainOptions
from scn_tf.step import make_steps
from scn_tf.working_copy import TRAINING_PRECISIONS
from scn_tf.working_copy import working_copy
from scn_tf.working_copy import WorkingCopies

_PAIRS = flags.DEFINE_list("pairs", ["64", "256"], "Pairs per step.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements of each side.")
_PRECISION = flags.DEFINE_enum(
    "training_precision", "float32", TRAINING_PRECISIONS, "Of the step."
)
_JIT_COMPILE = flags.DEFINE_bool("jit_compile", False, "Compile the step.")
_TORCH_PYTHON = flags.DEFINE_string(
    "torch_python", "", "Python that has PyTorch; empty leaves it out."
)
_MATRIX = 4096
_VECTOR = 100_000_000
_PATCHES = 480
_STEPS = 3  # per measurement
_TORCH_SCRIPT = pathlib.Path(__file__).with_name("torch_fc_step.py")
_KINDS = ("foreach", "fused")


def main(arguments: Sequence[str]) -> None:
    """Measures all sides in turns, a number of pairs at a time."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    logging.set_verbosity(logging.WARNING)
    backbone = build_backbone("vgg19")
    for pairs in map(int, _PAIRS.value):
        sides = {
            "product": _product(),
            "addition": _addition(),
            "step": _step(backbone, pairs),
        }
        if _TORCH_PYTHON.value:
            sides["PyTorch"] = lambda pairs=pairs: _pytorch(pairs)
        for side in sides.values():
            side()
        seconds = {name: [] for name in sides}
        for _ in range(_ROUNDS.value):
            for name, side in sides.items():
                seconds[name].append(side())
        _print(backbone, pairs, seconds)


def _print(backbone: Backbone, pairs: int, seconds: dict) -> None:
    arithmetic, nbytes = _work(backbone, pairs)
    floors, shares = [], []
    for product, addition, step in zip(
        seconds["product"], seconds["addition"], seconds["step"], strict=True
    ):
        flops = 2 * _MATRIX**3 / product
        bandwidth = 12 * _VECTOR / addition
        floors.append((arithmetic / flops, nbytes / bandwidth))
        shares.append(max(floors[-1]) / step)
    by_flops, by_bytes = (statistics.median(f) for f in zip(*floors))  # noqa: B905
    step = statistics.median(seconds["step"])
    print(f"{pairs} pairs, {arithmetic / 1e9:.1f} GFLOP, {nbytes / 1e9:.1f} GB")
    print(f"  floor by arithmetic   {1000 * by_flops:7.0f} ms")
    print(f"  floor by memory       {1000 * by_bytes:7.0f} ms")
    print(
        f"  step                  {1000 * step:7.0f} ms, {pairs / step:.0f} "
        f"pairs/s; floor / step {statistics.median(shares):.2f}"
    )
    if "PyTorch" in seconds:
        ratios = [
            other / own
            for own, other in zip(
                seconds["step"], seconds["PyTorch"], strict=True
            )
        ]
        torch = statistics.median(seconds["PyTorch"])
        print(
            f"  PyTorch               {1000 * torch:7.0f} ms, "
            f"{pairs / torch:.0f} pairs/s; PyTorch / step "
            f"{statistics.median(ratios):.2f}",
            flush=True,
        )


def _work(backbone: Backbone, rows: int) -> tuple[int, int]:
    """Operations and bytes of a step.

    In float32 every weight is multiplied with every row forward, backward to
    its gradient and, but for the first layer's, backward to its inputs. It is
    read for each but the gradient, which is written; the update reads
    gradient, momentum and weight and writes the latter two. In bfloat16
    copies and gradients have half as many bytes, and copies are written too.
    """
    weights = [int(np.prod(v.shape)) for v in backbone.neck.trainable_variables]
    first = max(weights)
    # V1 and V2, and Vloc.
    total = sum(weights) + 2 * backbone.num_features**2
    total += NUM_OFFSETS * backbone.num_features
    arithmetic = 2 * rows * (3 * total - first)
    if _PRECISION.value != "float32":
        return arithmetic, 2 * (3 * total - first) + (2 + 16 + 2) * total
    return arithmetic, 4 * (8 * total - first)


def _product() -> Callable[[], float]:
    shape = (_MATRIX, _MATRIX)
    left, right = (
        tf.cast(tf.random.normal(shape, seed=seed), _PRECISION.value)
        for seed in (0, 1)
    )
    multiply = tf.function(tf.matmul)
    return lambda: _seconds(lambda: multiply(left, right)[0, 0].numpy())


def _addition() -> Callable[[], float]:
    total, part = tf.Variable(tf.zeros(_VECTOR)), tf.ones(_VECTOR)

    @tf.function
    def add() -> None:
        total.assign_add(part)

    return lambda: _seconds(add)


def _step(backbone: Backbone, pairs: int) -> Callable[[], float]:
    """Seconds of one of the loop's steps; all patches differ."""
    head = SpatialContextHead(backbone.num_features)
    width = (None, backbone.num_features)
    head.build(width, (None, NUM_OFFSETS))
    originals = (backbone.neck, head)
    copies = [working_copy(part, _PRECISION.value) for part in originals]
    model = cached_pair_model(*copies)
    rng = np.random.default_rng(0)
    number = max(_PATCHES, 2 * pairs)
    shape = (number, *backbone.neck.input_shape[1:])
    cache = FeatureCache(
        rng.random(shape, np.float32).astype(np.float16),
        rng.random((number, backbone.num_features), np.float32).astype(
            np.float16
        ),
    )
    options = TrainOptions(learning_rate=1e-9, jit_compile=_JIT_COMPILE.value)
    strategy = tf.distribute.get_strategy()
    held = DeviceCache(cache, strategy)
    optimizer = make_optimizer(options)
    trained = [v for part in originals for v in part.trainable_variables]
    optimizer.build(trained)
    optimizer.working = WorkingCopies(originals, copies)
    optimizer.working.refresh()
    forward = forward_of(model, held)
    steps = make_steps(forward, trained, optimizer, strategy, options)
    batches = iter(_chunks(rng, number, pairs))
    endless = float("inf")
    return lambda: (
        _seconds(lambda: float(steps(batches, 0.0, endless).loss)) / _STEPS
    )


def _chunks(rng: np.random.Generator, number: int, pairs: int):
    """Chunks of steps on random pairs of different patches."""
    fill = node_inputs()

    def batch() -> dict[str, np.ndarray]:
        nodes = np.sort(rng.permutation(number)[: 2 * pairs].reshape(2, -1))
        rows = np.arange(pairs, dtype=np.int32)
        return fill(
            {
                "source_nodes": nodes[0],
                "target_nodes": nodes[1],
                "source": rows,
                "target": rows,
                "offset": rng.random((pairs, NUM_OFFSETS), np.float32),
                "num_pairs": np.float32(pairs),
            }
        )

    joined = join([batch() for _ in range(_STEPS)])
    return tf.data.Dataset.from_tensors(joined).repeat()


def _pytorch(pairs: int) -> float:
    """Seconds of a step of PyTorch with the SGD that is faster."""
    command = [_TORCH_PYTHON.value, str(_TORCH_SCRIPT), str(pairs)]
    command += [_PRECISION.value, *_KINDS]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise app.UsageError(f"PyTorch failed: {done.stderr[-500:]}")
    return min(json.loads(done.stdout).values())


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    app.run(main)
