"""Training on the cached pair graph against two passes per pair.

Both sides train fc6, fc7 and the spatial context module of the same VGG19
(random weights) on batches of 64 pairs, SGD with momentum, float32, on the
same machine in one run. The naive side is an ordinary Keras model with two
image inputs, trained with `train_on_batch`. Prints pairs per second and the
ratio.

    python -m benchmarks.cached_pair_graph --steps=4 --naive_steps=2
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from absl import app
from absl import flags
from absl import logging

from scn_tf.backbones import build_backbone
from scn_tf.backbones import frozen_copy
from scn_tf.batches import batch_dataset
from scn_tf.batches import BATCHING
from scn_tf.batches import PairSampler
from scn_tf.feature_cache import FeatureCache
from scn_tf.geometry import NUM_OFFSETS
from scn_tf.head import SpatialContextHead
from scn_tf.inputs import cached_inputs
from scn_tf.losses import pair_losses
from scn_tf.optimizer import make_optimizer
from scn_tf.pair_model import cached_pair_model
from scn_tf.recipe import TrainOptions
from scn_tf.step import make_steps
from tfrecords.pair_graph import PairGraph

_STEPS = flags.DEFINE_integer("steps", 6, "Measured steps, cached side.")
_NAIVE_STEPS = flags.DEFINE_integer("naive_steps", 2, "The same, naive side.")
_BATCH = flags.DEFINE_integer("batch_pairs", 64, "Pairs per step.")
_IMAGES = flags.DEFINE_integer("images", 60, "Images of the pair graph.")
_BOXES_PER_IMAGE = 8


def main(_: list[str]) -> None:
    """Measures both sides and prints the table."""
    logging.set_verbosity(logging.WARNING)
    tf.get_logger().setLevel("ERROR")
    backbone = build_backbone("vgg19")
    naive = _naive_rate(backbone)
    print(f"{'side':<34}{'pairs/s':>9}{'ratio':>8}")
    print(f"{'naive, two passes per pair':<34}{naive:>9.2f}{1:>8.1f}")
    for batching in BATCHING[::-1]:
        for compiled in (False, True):
            rate = _cached_rate(backbone, batching, compiled)
            name = f"cached, {batching}" + (", jit_compile" * compiled)
            print(f"{name:<34}{rate:>9.2f}{rate / naive:>8.1f}", flush=True)


def _naive_rate(backbone) -> float:
    """Pairs per second of a two-stream Keras model."""
    size = backbone.image_size
    source = keras.Input((size, size, 3))
    target = keras.Input((size, size, 3))
    offset = keras.Input((NUM_OFFSETS,))
    head = SpatialContextHead(backbone.num_features)
    prediction = head(backbone.neck(backbone.trunk(source)), offset)
    top = frozen_copy(backbone.neck)(backbone.trunk(target))
    model = keras.Model(
        [source, target, offset], keras.ops.stack([prediction, top], axis=1)
    )
    model.compile(
        keras.optimizers.SGD(1e-6, 0.9),
        loss=lambda _, both: pair_losses(both[:, 0], both[:, 1]),
    )
    rng = np.random.default_rng(0)
    shape = (_BATCH.value, size, size, 3)
    batch = [
        rng.random(shape, np.float32),
        rng.random(shape, np.float32),
        rng.random((_BATCH.value, NUM_OFFSETS), np.float32),
    ]
    unused = np.zeros((_BATCH.value, 2, backbone.num_features), np.float32)
    return _rate(lambda: model.train_on_batch(batch, unused), _NAIVE_STEPS)


def _cached_rate(backbone, batching: str, compiled: bool) -> float:
    """Pairs per second of this project's loop on a full feature cache."""
    graph = _random_graph()
    rng = np.random.default_rng(0)
    num_boxes = len(graph.boxes)
    shape = (num_boxes, *backbone.trunk.output_shape[1:])
    features = rng.random(shape, np.float32).astype(np.float16)
    targets = rng.random((num_boxes, backbone.num_features), np.float32)
    sampler = PairSampler(graph, _BATCH.value, batching)
    options = TrainOptions(learning_rate=1e-6, jit_compile=compiled)
    # As a run on one device: without a strategy.
    strategy = tf.distribute.get_strategy()
    with strategy.scope():
        neck = keras.models.clone_model(backbone.neck)
        head = SpatialContextHead(backbone.num_features)
        model = cached_pair_model(neck, head)
        trained = model.trainable_variables
        optimizer = make_optimizer(options)
        optimizer.build(trained)
    multiple = 32 if compiled else 1
    fill = cached_inputs(FeatureCache(features, targets), multiple)
    iterator = iter(
        strategy.distribute_datasets_from_function(
            lambda _: batch_dataset(sampler, fill, range(10**6))
        )
    )
    steps = make_steps(model, trained, optimizer, strategy, options)
    return _rate(lambda: float(steps(iterator, 1, 0.0, 1e30).loss), _STEPS)


def _rate(step, num_steps: flags.FlagHolder) -> float:
    """Pairs per second after one warm-up step."""
    step()
    start = time.perf_counter()
    for _ in range(num_steps.value):
        step()
    seconds = time.perf_counter() - start
    return num_steps.value * _BATCH.value / seconds


def _random_graph() -> PairGraph:
    """All pairs of 8 random boxes per image; nothing lies on disk."""
    rng = np.random.default_rng(0)
    num_images, per_image = _IMAGES.value, _BOXES_PER_IMAGE
    corner = rng.uniform(0, 150, (num_images * per_image, 2))
    side = rng.uniform(32, 150, corner.shape)
    pairs = np.stack(np.triu_indices(per_image, 1), 1)
    offsets = np.arange(num_images)[:, None, None] * per_image
    empty = np.zeros(0, np.int64)
    return PairGraph(
        image_ids=[str(index) for index in range(num_images)],
        sizes=np.full((num_images, 2), 300, np.float32),
        boxes=np.concatenate([corner, corner + side], 1).astype(np.float32),
        scores=np.ones(len(corner), np.float32),
        labels=np.full(len(corner), -1),
        patch_image=np.repeat(np.arange(num_images), per_image),
        pairs=(pairs + offsets).reshape(-1, 2),
        object_boxes=np.zeros((0, 4), np.float32),
        object_labels=empty,
        object_difficult=empty.astype(bool),
        object_image=empty,
        shard_paths=[],
        record_shard=np.zeros(num_images, np.int64),
        record_offset=np.zeros(num_images, np.int64),
    )


if __name__ == "__main__":
    app.run(main)
