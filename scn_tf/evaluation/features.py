"""Feature vectors (h1) of patches, each patch once.

In: a backbone and cached trunk features, or patches. Out: [N, D] arrays.
"""

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import tqdm

from scn_tf.backbones.backbone import Backbone
from scn_tf.backbones.preprocessing import as_images
from scn_tf.feature_cache import FeatureCache
from scn_tf.run_log import progress_interval
from scn_tf.sharded_array import ShardedArray

_BATCH = 64


def feature_vectors(
    backbone: Backbone, cache: FeatureCache, patches: tf.data.Dataset
) -> np.ndarray:
    """h1 of all patches of a cache.

    Args:
        backbone: the network as it is now.
        cache: of these patches; its trunk features are used where it has
            them.
        patches: the same patches as [n, S, S, 3] uint8 elements, read only
            where the cache holds no trunk features.

    Returns:
        [N, D] float32.
    """
    if cache.features is not None:
        return neck_vectors(backbone.neck, cache.features)

    @tf.function(reduce_retracing=True)
    def forward(patches: tf.Tensor) -> tf.Tensor:
        maps = backbone.trunk(as_images(patches), training=False)
        return backbone.neck(maps, training=False)

    batches = tqdm.tqdm(
        patches.rebatch(_BATCH).prefetch(2),
        desc="features",
        total=-(-len(cache.targets) // _BATCH),
        unit="batch",
        mininterval=progress_interval(),
    )
    return np.concatenate([forward(images).numpy() for images in batches])


def neck_vectors(
    neck: keras.Model,
    maps: np.ndarray | ShardedArray,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """h1 of trunk features.

    Args:
        neck: [B, ...] float32 -> [B, D].
        maps: [N, ...] of any float type, mapped or in memory.
        rows: [R] int64 indices of the rows wanted; None takes all.

    Returns:
        [N, D] or [R, D] float32.
    """
    forward = _neck_function(neck)
    number = len(maps) if rows is None else len(rows)
    vectors = np.zeros((number, neck.output_shape[-1]), np.float32)
    for start in range(0, number, _BATCH):
        chosen = slice(start, start + _BATCH)
        batch = maps[chosen if rows is None else rows[chosen]]
        vectors[chosen] = forward(np.asarray(batch, np.float32))
    return vectors


@functools.lru_cache(maxsize=2)  # asked for after every epoch, traced once
def _neck_function(neck: keras.Model) -> Callable[[np.ndarray], tf.Tensor]:
    @tf.function(input_signature=[tf.TensorSpec([None, *neck.input_shape[1:]])])
    def forward(batch: tf.Tensor) -> tf.Tensor:
        return neck(batch, training=False)

    return forward
