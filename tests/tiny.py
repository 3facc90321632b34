"""A network and a pair graph small enough to train in a test."""

import functools

import keras
import numpy as np
import tensorflow as tf

from scn_tf.backbones.backbone import Backbone
from scn_tf.distribution import make_strategy
from scn_tf.head import SpatialContextHead
from tfrecords.pair_graph import PairGraph

SIZE = 8  # side of a patch in pixels
FEATURES = 5  # length of h1


@functools.cache
def mirrored(*devices: str) -> tf.distribute.MirroredStrategy:
    """One strategy per process and devices, that of runs on them."""
    if len(devices) > 1:
        return make_strategy(devices)
    return tf.distribute.MirroredStrategy(list(devices))


def tiny_backbone(seed: int = 0) -> Backbone:
    """A convolution and a batch norm as trunk, a dense layer as neck."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((SIZE, SIZE, 3))
    maps = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(images)
    trunk = keras.Model(images, maps, name="trunk")
    trunk.trainable = False
    features = keras.Input(trunk.output_shape[1:])
    flat = keras.layers.Flatten()(features)
    vector = keras.layers.Dense(FEATURES, activation="relu")(flat)
    vector = keras.layers.BatchNormalization()(vector)
    neck = keras.Model(features, vector, name="neck")
    return Backbone("tiny", "dense", SIZE, trunk, neck)


def tiny_head(seed: int = 1, **kwargs) -> SpatialContextHead:
    """A spatial context module for `tiny_backbone`."""
    keras.utils.set_random_seed(seed)
    head = SpatialContextHead(FEATURES, name="head", **kwargs)
    head.build((None, FEATURES), (None, 8))
    return head


def tiny_graph(
    num_images: int = 6, boxes_per_image: int = 4, seed: int = 0
) -> PairGraph:
    """All pairs of random boxes; its records are not on disk."""
    rng = np.random.default_rng(seed)
    num_boxes = num_images * boxes_per_image
    corner = rng.uniform(0, 60, (num_boxes, 2))
    boxes = np.concatenate(
        [corner, corner + rng.uniform(8, 40, (num_boxes, 2))], 1
    )
    source, target = np.triu_indices(boxes_per_image, 1)
    pairs = np.stack([source, target], 1)
    pairs = np.concatenate(
        [pairs + index * boxes_per_image for index in range(num_images)]
    )
    return PairGraph(
        image_ids=[f"image{index}" for index in range(num_images)],
        sizes=np.full((num_images, 2), (100, 120), np.float32),
        boxes=boxes.astype(np.float32),
        scores=np.ones(num_boxes, np.float32),
        labels=np.full(num_boxes, -1),
        patch_image=np.repeat(np.arange(num_images), boxes_per_image),
        pairs=pairs,
        object_boxes=np.zeros((0, 4), np.float32),
        object_labels=np.zeros(0, np.int64),
        object_difficult=np.zeros(0, bool),
        object_image=np.zeros(0, np.int64),
        shard_paths=[],
        record_shard=np.zeros(num_images, np.int64),
        record_offset=np.zeros(num_images, np.int64),
    )
