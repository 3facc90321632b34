"""Trunk features and top-stream targets, computed once per patch.

In: patches in the order of the pair graph. Out: arrays, mapped from files or
held in memory, under a key made of everything they depend on; a cache of
another key is not used. An interrupted fill goes on at the first shard that
is missing.
"""

import dataclasses
import functools
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from scn_tf.backbones.backbone import Backbone
from scn_tf.cache_fill import fill_shards
from scn_tf.cache_shards import CacheShards
from scn_tf.crew import Crew
from scn_tf.frozen_pass import frozen_passes
from scn_tf.frozen_pass import FrozenPass
from scn_tf.host_memory import available_memory
from scn_tf.precision import chosen_precision
from scn_tf.precision import PRECISIONS
from scn_tf.sharded_array import ShardedArray
from tfrecords.errors import InputError

_FORMAT = 3  # raise when the layout of a cache folder changes
_SHARD_BYTES = 128 * 2**20  # lost at most when a fill is interrupted
_KEY_DIGITS = 12  # of a key; so many have room in a float64
_BATCH_BYTES = 64 * 2**20
_BATCH = 256  # patches read and written at a time, where they are not large
_SMALLEST_BATCH = 32


@dataclasses.dataclass(frozen=True)
class CacheOptions:
    """How a cache is computed and stored.

    Attributes:
        dtype: of what is stored, one of `cache_shards.CACHE_DTYPES`.
        precision: of the frozen networks, one of `precision.PRECISIONS`.
        crew: the devices and workers that compute it.
    """

    dtype: str = "float16"
    precision: str = "auto"
    crew: Crew = Crew()


@dataclasses.dataclass(frozen=True)
class FeatureCache:
    """What the frozen parts say about N patches.

    Both arrays take slices and arrays of indices, in any order and with
    repeats, and give ordinary arrays.

    Attributes:
        features: [N, ...] trunk features of the cache's dtype, or None where
            the trunk is only preprocessing (`--train_from=input`) and nothing
            is gained.
        targets: [N, D] of the same dtype, the frozen network's feature
            vectors.
    """

    features: np.ndarray | ShardedArray | None
    targets: np.ndarray | ShardedArray

    @property
    def memory(self) -> int:
        """Bytes that are held in memory; mapped files are not."""
        return sum(
            array.nbytes
            for array in (self.features, self.targets)
            if isinstance(array, np.ndarray)
        )


def weights_digest(models: Sequence[keras.Model]) -> str:
    """SHA-256 over the values of all weights, in order."""
    digest = hashlib.sha256()
    for model in models:
        for weight in model.weights:
            digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def cached_features(
    cache_dir: str | os.PathLike,
    description: dict,
    backbone: Backbone,
    frozen_neck: keras.Model,
    read: Callable[[range], tf.data.Dataset],
    num_patches: int,
    options: CacheOptions | None = None,
) -> FeatureCache:
    """Opens the cache that fits `description`, filling what it lacks.

    Args:
        cache_dir: folder of all caches of a run.
        description: what the patches and the network are: digests of the
            records and of the weights, split, kind. With the backbone's
            name, cut and size, dtype and precision it makes the key.
        backbone: its trunk gives the features.
        frozen_neck: the top stream's neck, gives the targets.
        read: consecutive indices of patches -> these patches in order, as
            elements [n, S, S, 3] uint8.
        num_patches: N.
        options: by default `CacheOptions()`.

    Raises:
        InputError: if the disk is full, a feature does not fit the dtype, or
            workers do not fill the same cache.
    """
    options = options or CacheOptions()
    networks = (backbone.trunk, frozen_neck)
    weights = description.get("weights")
    crew = options.crew
    precision = _precision(options.precision, crew, *networks, weights)
    row_shapes = _row_shapes(backbone)
    batch = _batch(row_shapes, options.dtype)
    description = {
        **description,
        "format": _FORMAT,
        "backbone": backbone.name,
        "cut": backbone.cut,
        "image_size": backbone.image_size,
        "dtype": options.dtype,
        "precision": precision,
        "num_patches": num_patches,
        "rows_per_shard": _rows_per_shard(row_shapes, options.dtype, batch),
    }
    shards = CacheShards(
        _folder(cache_dir, description),
        num_patches,
        description["rows_per_shard"],
        row_shapes,
        options.dtype,
    )
    _begin(shards, description, crew)
    passes = functools.partial(
        frozen_passes, *networks, precision, options.dtype, weights
    )
    _fill_missing(shards, crew, passes, read, batch)
    arrays = shards.open()
    return FeatureCache(arrays.get("features"), arrays["targets"])


def _precision(precision: str, crew: Crew, *networks: Any) -> str:
    """Returns the precision meant by `precision`: the chief's, for all."""
    number = 0
    if crew.leads:
        number = PRECISIONS.index(chosen_precision(precision, *networks))
    return PRECISIONS[int(crew.gather([number])[0, 0])]


def _begin(shards: CacheShards, description: dict, crew: Crew) -> None:
    """Has the chief make the folder, and the others see it.

    Raises:
        InputError: if workers mean different caches or do not see the
            chief's folder.
    """
    if crew.leads:
        shards.begin(description)
    keys = crew.gather([int(_key(description)[:_KEY_DIGITS], 16)])
    if (keys != keys[0]).any():
        raise InputError(
            "The workers would not compute the same feature cache: their "
            "records, weights or flags differ. Give all of them the same "
            "command and the same files."
        )
    if not shards.folder.is_dir():
        raise InputError(
            f"{shards.folder} was made by another worker and is not seen "
            "here. Give all workers a --run_dir that all see."
        )


def _fill_missing(
    shards: CacheShards,
    crew: Crew,
    passes: Callable[..., Sequence[FrozenPass]],
    read: Callable[[range], tf.data.Dataset],
    batch: int,
) -> None:
    """Returns when all shards are there, each computed by one worker."""
    missing = _missing(shards, crew)
    own = crew.share(missing)
    lacking = sum(len(shards.ranges()[number]) for number in missing)
    if own:
        # The progress bar of a share begins at nothing.
        num_there = shards.num_rows - lacking if own == missing else 0
        networks = passes(devices=crew.devices)
        fill_shards(shards, own, networks, read, batch, num_there)
    if missing:
        crew.wait()


def _missing(shards: CacheShards, crew: Crew) -> list[int]:
    """Numbers of the shards to be computed; each worker verifies its share."""
    is_missing = np.zeros(len(shards.ranges()))
    if not len(is_missing):
        return []
    is_missing[shards.missing(crew.share(range(len(is_missing))))] = 1
    return np.flatnonzero(crew.gather(is_missing).any(axis=0)).tolist()


def _folder(cache_dir: str | os.PathLike, description: dict) -> pathlib.Path:
    kind = description.get("kind", "patches")
    return pathlib.Path(cache_dir) / f"{kind}-{_key(description)[:16]}"


def _key(description: dict) -> str:
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _row_shapes(backbone: Backbone) -> dict[str, tuple[int, ...]]:
    shapes = {"targets": (backbone.num_features,)}
    if backbone.trunk.count_params():
        shapes["features"] = backbone.trunk.output_shape[1:]
    return shapes


def _row_bytes(row_shapes: dict, dtype: str) -> int:
    values = sum(math.prod(shape) for shape in row_shapes.values())
    return values * np.dtype(dtype).itemsize


def _batch(row_shapes: dict, dtype: str) -> int:
    """Patches per batch, a power of two that divides a shard's rows."""
    batch = _BATCH
    while batch > _SMALLEST_BATCH and (
        batch * _row_bytes(row_shapes, dtype) > _BATCH_BYTES
    ):
        batch //= 2
    return batch


def _rows_per_shard(row_shapes: dict, dtype: str, batch: int) -> int:
    rows = _SHARD_BYTES // _row_bytes(row_shapes, dtype)
    return max(rows // batch, 1) * batch


def in_memory(cache: FeatureCache, memory: int | None) -> FeatureCache:
    """Loads a cache of mapped files, if there is room for it.

    Args:
        cache: as it was opened.
        memory: bytes that it may take; None is half of what the machine has
            left.
    """
    if memory is None:
        memory = available_memory() // 2
    arrays = (cache.features, cache.targets)
    nbytes = sum(array.nbytes for array in arrays if array is not None)
    if nbytes > memory:
        logging.info(
            "A cache of %.1f GiB is read from disk while it is used; %.1f GiB "
            "of memory would be free for it.",
            *(nbytes / 2**30, memory / 2**30),
        )
        return cache
    return FeatureCache(
        *(None if array is None else np.asarray(array) for array in arrays)
    )
