"""What a run would do, cost and take, from a few measured steps.

In: a `Run` whose records are built. Out: text. Nothing else is written and
nothing is trained; the measured steps are taken on made-up features.
"""

import dataclasses
import math
import time

import numpy as np

from scn_tf.batches import PairSampler
from scn_tf.crew import local_devices
from scn_tf.distribution import num_workers
from scn_tf.feature_cache import FeatureCache
from scn_tf.feed import distributed_batches
from scn_tf.feed import make_feed
from scn_tf.feed import make_sampler
from scn_tf.frozen_pass import frozen_pass
from scn_tf.optimizer import make_optimizer
from scn_tf.precision import chosen_precision
from scn_tf.run import Run
from scn_tf.step import make_steps

_STEPS = 3
_PATCHES = 32  # of the measured trunk pass
_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}


@dataclasses.dataclass(frozen=True)
class _MadeUp:
    """An array of nothing but a shape and small numbers."""

    shape: tuple[int, ...]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.full((len(rows), *self.shape[1:]), 0.1, np.float32)


def dry_run_text(run: Run) -> str:
    """Returns what `run` would do, for a person.

    Raises:
        InputError: if the records are not there or have no pairs.
    """
    config = run.config
    graph = run.graph(run.train_splits)
    sampler = make_sampler(run)
    run.make_networks()
    held_out = run.graph(run.held_out_splits)
    # As `Run.fill_caches`: where nothing is held out, both are one cache.
    filled = {run.held_out_splits}
    if config.feature_cache:
        filled.add(run.train_splits)
    cached = sum(len(run.graph(splits).boxes) for splits in filled)
    per_patch = _bytes_per_patch(run)
    step_seconds = _step_seconds(run, sampler)
    epoch_seconds = step_seconds * sampler.steps_per_epoch
    weights = sum(
        math.prod(variable.shape)
        for part in (run.backbone.neck, run.head)
        for variable in part.trainable_variables
    )
    fill_seconds = cached / _patches_per_second(run) / _num_filling(run)
    rows = {
        "photographs": f"{len(graph.image_ids):,} to train on, "
        f"{len(held_out.image_ids):,} held out",
        "patches": f"{len(graph.boxes):,} and {len(held_out.boxes):,}",
        "pairs": f"{len(graph.pairs):,}, {sampler.batch_pairs} a step",
        "steps": f"{sampler.steps_per_epoch:,} an epoch, "
        f"{sampler.steps_per_epoch * config.training.epochs:,} in "
        f"{config.training.epochs} epochs",
        "done already": f"{run.log.epochs_done()} epochs",
        "replicas": f"{run.strategy.num_replicas_in_sync}",
        "trained weights": f"{weights:,}; weights, gradients and momentum "
        f"take {_size(12 * weights)}",
        "feature cache": f"{_size(cached * per_patch)} for {cached:,} "
        f"patches, about {_time(fill_seconds)} to fill (what is there "
        "already is not filled again)",
        "a checkpoint": _size(8 * weights),
        "a step": f"{1000 * step_seconds:.0f} ms, "
        f"{sampler.batch_pairs / step_seconds:.0f} pairs/s (measured)",
        "an epoch": f"about {_time(epoch_seconds)}",
        "all epochs": f"about {_time(epoch_seconds * config.training.epochs)}",
    }
    width = max(map(len, rows))
    lines = [f"  {name:<{width}}  {text}" for name, text in rows.items()]
    return "\n".join(["Dry run: nothing is trained.", *lines])


def _bytes_per_patch(run: Run) -> int:
    numbers = run.backbone.num_features
    if run.backbone.trunk.count_params():
        numbers += math.prod(run.backbone.trunk.output_shape[1:])
    return numbers * _BYTES[run.config.cache_dtype]


def _step_seconds(run: Run, sampler: PairSampler) -> float:
    """Seconds of a step after the first, which is traced."""
    neck = run.backbone.neck
    # Features from nowhere, so that no cache must be filled.
    number = len(sampler.graph.boxes)
    made_up = FeatureCache(
        _MadeUp((number, *neck.input_shape[1:])),
        _MadeUp((number, run.head.num_targets)),
    )
    feed = make_feed(run, made_up)
    with run.strategy.scope():
        # A rate of zero: the weights stay what they are.
        still = dataclasses.replace(
            run.config.training, learning_rate=0.0, weight_decay=0.0
        )
        optimizer = make_optimizer(still, run.strategy.num_replicas_in_sync)
        trained = [*run.head.trainable_variables, *neck.trainable_variables]
        optimizer.build(trained)
    optimizer.working = feed.working
    feed.working.refresh()
    steps = make_steps(feed.forward, trained, optimizer, run.strategy, still)
    chunks = [range(1), range(1, 2), range(2, 2 + _STEPS)]
    batches = iter(distributed_batches(run, sampler, feed.fill, chunks))
    for _ in range(2):
        float(steps(batches, 0.0, float("inf")).loss)
    start = time.perf_counter()
    float(steps(batches, 0.0, float("inf")).loss)
    return (time.perf_counter() - start) / _STEPS


def _patches_per_second(run: Run) -> float:
    """Of the frozen networks on this device, reading left out."""
    networks = (run.backbone.trunk, run.frozen_neck)
    precision = chosen_precision(run.config.precision, *networks)
    forward = frozen_pass(*networks, precision, run.config.cache_dtype)
    size = run.backbone.image_size
    patches = np.zeros((_PATCHES, size, size, 3), np.uint8)
    forward(patches)
    start = time.perf_counter()
    forward(patches)["targets"].numpy()
    return _PATCHES / (time.perf_counter() - start)


def _num_filling(run: Run) -> int:
    """How many fill the cache side by side; processors share their cores."""
    devices = local_devices(run.strategy)
    gpus = [name for name in devices if "GPU" in name]
    return num_workers() * max(len(gpus), 1)


def _size(number: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
