"""The whole training against a naive one: VGG19, random weights.

The naive side is what a good Keras user would write: a model of two image
inputs, both passed through VGG19, trained with `train_on_batch` on batches of
pairs in float32. The engine is this project's: the feature cache is filled
from records by the real pass, steps are taken by the real loop's function.
Both are measured for some steps in one run and extrapolated to the paper's
numbers (section 3 and 4.3: 43 thousand patches, 160 thousand pairs, 200
epochs):

    naive   epochs * pairs / naive pairs per second
    engine  patches / patches per second + epochs * pairs / pairs per second

    python -m benchmarks.engine --records_dir=RECORDS
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import dataclasses
import gc
import pathlib
import shutil
import statistics
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

from scn_tf import inputs
from scn_tf.backbones import build_backbone
from scn_tf.backbones import frozen_copy
from scn_tf.backbones.backbone import Backbone
from scn_tf.batches import batch_dataset
from scn_tf.batches import PairSampler
from scn_tf.device_cache import DeviceCache
from scn_tf.feature_cache import cached_features
from scn_tf.feature_cache import FeatureCache
from scn_tf.geometry import NUM_OFFSETS
from scn_tf.head import SpatialContextHead
from scn_tf.losses import pair_losses
from scn_tf.optimizer import make_optimizer
from scn_tf.pair_model import cached_pair_model
from scn_tf.pair_model import forward_of
from scn_tf.pair_model import patch_network
from scn_tf.recipe import TrainOptions
from scn_tf.step import make_steps
from scn_tf.working_copy import working_copy
from scn_tf.working_copy import WorkingCopies
from tfrecords.manifest import read_manifest
from tfrecords.pair_graph import PairGraph
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import read_patches

_RECORDS_DIR = flags.DEFINE_string(
    "records_dir", None, "Folder of the records.", required=True
)
_STEPS = flags.DEFINE_integer("steps", 4, "Measured steps of the engine.")
_NAIVE_STEPS = flags.DEFINE_integer("naive_steps", 2, "The same, naive side.")
_FILLED = flags.DEFINE_integer("patches", 256, "Patches of the filled cache.")
_PRECISIONS = flags.DEFINE_list(
    "training_precisions", ["float32", "bfloat16"], "Of the engine's steps."
)
_CASES = flags.DEFINE_list(
    "cases",
    ["fc6", "block5_conv1", "input"],
    "Where training starts: the frozen trunk ends before it.",
)
_PATCHES, _PAIRS, _EPOCHS = 43_000, 160_000, 200
_BATCH = 64  # the paper's
# Where all layers are trained a naive batch of 64 does not fit into 24 GiB;
# its pairs per second hardly depend on the number.
_NAIVE_BATCH_OF_ALL = 16
_HELD = 1024  # patches of made-up features that steps are taken on
_RATE = 1e-9  # random weights explode at a useful one


@dataclasses.dataclass(frozen=True)
class Side:
    """One way of training, measured.

    Attributes:
        name: for the table.
        patches: per second of the cache's filling; infinite without one.
        pairs: per second of training.
    """

    name: str
    patches: float
    pairs: float

    @property
    def hours(self) -> float:
        """Of the paper's whole training."""
        seconds = _PATCHES / self.patches + _EPOCHS * _PAIRS / self.pairs
        return seconds / 3600


def main(arguments: Sequence[str]) -> None:
    """Measures every case and prints a table for each."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    logging.set_verbosity(logging.WARNING)
    manifest = read_manifest(_RECORDS_DIR.value)
    graph = read_pair_graph(_RECORDS_DIR.value, list(manifest.splits))
    print(
        f"{_PATCHES} patches, {_PAIRS} pairs, {_EPOCHS} epochs; hours are "
        "extrapolated, see the head of this script."
    )
    for train_from in _CASES.value:
        backbone = build_backbone("vgg19", train_from)
        naive = Side("naive", float("inf"), _naive_rate(backbone))
        _print(f"train from {train_from}", [naive], naive)
        gc.collect()
        for side in _engine_sides(backbone, graph):
            _print("", [side], naive)


def _print(title: str, sides: list[Side], naive: Side) -> None:
    if title:
        print(
            f"{title:<34}{'patches/s':>10}{'pairs/s':>9}{'hours':>9}"
            f"{'pairs/s /':>11}{'training /':>12}"
        )
    for side in sides:
        print(
            f"  {side.name:<32}{side.patches:>10.1f}{side.pairs:>9.1f}"
            f"{side.hours:>9.2f}{side.pairs / naive.pairs:>11.1f}"
            f"{naive.hours / side.hours:>12.1f}",
            flush=True,
        )


def _naive_rate(backbone: Backbone) -> float:
    """Pairs per second of a two-stream Keras model."""
    size = backbone.image_size
    source = keras.Input((size, size, 3))
    target = keras.Input((size, size, 3))
    offset = keras.Input((NUM_OFFSETS,))
    head = SpatialContextHead(backbone.num_features)
    neck = keras.models.clone_model(backbone.neck)
    prediction = head(neck(backbone.trunk(source)), offset)
    top = frozen_copy(backbone.neck)(backbone.trunk(target))
    model = keras.Model(
        [source, target, offset], keras.ops.stack([prediction, top], axis=1)
    )
    model.compile(
        keras.optimizers.SGD(_RATE, 0.9),
        loss=lambda _, both: pair_losses(both[:, 0], both[:, 1]),
    )
    has_trunk = backbone.trunk.count_params() > 0
    pairs = _BATCH if has_trunk else _NAIVE_BATCH_OF_ALL
    rng = np.random.default_rng(0)
    shape = (pairs, size, size, 3)
    batch = [
        rng.random(shape, np.float32),
        rng.random(shape, np.float32),
        rng.random((pairs, NUM_OFFSETS), np.float32),
    ]
    unused = np.zeros((pairs, 2, backbone.num_features), np.float32)
    seconds = _median(
        lambda: model.train_on_batch(batch, unused), _NAIVE_STEPS.value
    )
    return pairs / seconds


def _engine_sides(backbone: Backbone, graph: PairGraph):
    """Measures the engine as it is given pairs, and images, of any number."""
    filled = _patches_per_second(backbone, graph)
    for precision in _PRECISIONS.value:
        if backbone.trunk.count_params():
            yield from _cached_sides(backbone, graph, precision, filled)
        else:
            rate = _live_rate(backbone, graph, precision)
            yield Side(f"{precision}, images, 64 pairs", filled, rate)


def _cached_sides(
    backbone: Backbone, graph: PairGraph, precision: str, filled: float
):
    """The sides of a frozen trunk."""
    rng = np.random.default_rng(0)
    number = min(len(graph.boxes), _HELD)
    graph = _first(graph, number)
    shape = (number, *backbone.neck.input_shape[1:])
    targets = rng.random((number, backbone.num_features), np.float32)
    features = rng.random(shape, np.float32).astype(np.float16)
    cache = FeatureCache(features, targets.astype(np.float16))
    held = DeviceCache(cache, tf.distribute.get_strategy())
    for batching, pairs in (("pairs", 64), ("images", 64), ("images", 256)):
        sampler = PairSampler(graph, pairs, batching)
        fill = inputs.node_inputs()
        rate = _rate(backbone, precision, sampler, fill, held)
        yield Side(f"{precision}, {batching}, {pairs} pairs", filled, rate)


def _first(graph: PairGraph, number: int) -> PairGraph:
    """The pairs among the first patches."""
    inside = (graph.pairs < number).all(axis=1)
    return dataclasses.replace(graph, pairs=graph.pairs[inside])


def _live_rate(backbone: Backbone, graph: PairGraph, precision: str) -> float:
    """Pairs per second where nothing is frozen; pictures are read."""
    shape = (len(graph.boxes), backbone.num_features)
    cache = FeatureCache(None, np.zeros(shape, np.float16))
    fill = inputs.patch_inputs(graph, cache, backbone.image_size)
    sampler = PairSampler(graph, _BATCH, "images")
    return _rate(backbone, precision, sampler, fill)


def _rate(
    backbone: Backbone,
    precision: str,
    sampler: PairSampler,
    fill: inputs.Fill,
    held: DeviceCache | None = None,
) -> float:
    """Pairs per second of the loop's own function, after a first step."""
    head = SpatialContextHead(backbone.num_features)
    head.build((None, backbone.num_features), (None, NUM_OFFSETS))
    originals = (backbone.neck, head)
    neck, fast_head = (working_copy(part, precision) for part in originals)
    if not held:
        network = patch_network(dataclasses.replace(backbone, neck=neck))
        model = cached_pair_model(network, fast_head)
    else:
        model = cached_pair_model(neck, fast_head)
    options = TrainOptions(learning_rate=_RATE)
    strategy = tf.distribute.get_strategy()
    optimizer = make_optimizer(options)
    trained = [v for part in originals for v in part.trainable_variables]
    optimizer.build(trained)
    optimizer.working = WorkingCopies(originals, (neck, fast_head))
    optimizer.working.refresh()
    forward = forward_of(model, held)
    steps = make_steps(forward, trained, optimizer, strategy, options)
    chunks = [range(step, step + 1) for step in range(_STEPS.value + 1)]
    batches = iter(batch_dataset(sampler, fill, chunks))
    seconds = _median(
        lambda: float(steps(batches, 0.0, float("inf")).loss), _STEPS.value
    )
    return sampler.batch_pairs / seconds


def _patches_per_second(backbone: Backbone, graph: PairGraph) -> float:
    """Of records -> cache on disk, in the precision that is the default."""
    number = min(_FILLED.value, len(graph.boxes))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="engine"))
    frozen_neck = frozen_copy(backbone.neck)

    def read(rows: range) -> tf.data.Dataset:
        size = backbone.image_size
        return read_patches(graph, "proposals", size, rows=rows)

    def fill() -> None:
        description = {"kind": "proposals", "weights": "random"}
        cached_features(
            *(folder, description, backbone, frozen_neck, read, number)
        )
        shutil.rmtree(folder)

    return number / _median(fill, 1)


def _median(call: Callable[[], object], number: int) -> float:
    """Seconds of a call, after a first one."""
    call()
    seconds = []
    for _ in range(number):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    app.run(main)
