"""Trunk features and top-stream targets, computed once per patch.

In: patches in the order of the pair graph. Out: arrays, mapped from files or
held in memory, under a key made of everything they depend on; a cache of
another key is not used. An interrupted fill goes on at the first shard that
is missing.
"""

import dataclasses
import hashlib
import json
import math
import os
import pathlib
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tqdm
from absl import logging

from scn_tf.backbones.backbone import Backbone
from scn_tf.background import Background
from scn_tf.cache_shards import CacheShards
from scn_tf.frozen_pass import frozen_pass
from scn_tf.frozen_pass import FrozenPass
from scn_tf.host_memory import available_memory
from scn_tf.precision import chosen_precision
from scn_tf.run_log import progress_interval
from scn_tf.sharded_array import ShardedArray
from tfrecords.errors import InputError

_FORMAT = 3  # raise when the layout of a cache folder changes
_SHARD_BYTES = 128 * 2**20  # lost at most when a fill is interrupted
_BATCH_BYTES = 64 * 2**20
_BATCH = 256  # patches read and written at a time, where they are not large
_SMALLEST_BATCH = 32
_AHEAD = 2  # batches read, and copied and written, beside the computing


@dataclasses.dataclass(frozen=True)
class CacheOptions:
    """How a cache is computed and stored.

    Attributes:
        dtype: of what is stored, one of `cache_shards.CACHE_DTYPES`.
        precision: of the frozen networks, one of `precision.PRECISIONS`.
    """

    dtype: str = "float16"
    precision: str = "auto"


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
        InputError: if the disk is full or a feature does not fit the dtype.
    """
    options = options or CacheOptions()
    networks = (backbone.trunk, frozen_neck)
    weights = description.get("weights")
    precision = chosen_precision(options.precision, *networks, weights)
    row_shapes = {"targets": (backbone.num_features,)}
    if backbone.trunk.count_params():
        row_shapes["features"] = backbone.trunk.output_shape[1:]
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
    shards.begin(description)
    missing = shards.missing()
    if missing:
        network = frozen_pass(*networks, precision, options.dtype, weights)
        _fill(shards, missing, network, read, batch)
    arrays = shards.open()
    return FeatureCache(arrays.get("features"), arrays["targets"])


def _folder(cache_dir: str | os.PathLike, description: dict) -> pathlib.Path:
    text = json.dumps(description, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    kind = description.get("kind", "patches")
    return pathlib.Path(cache_dir) / f"{kind}-{key[:16]}"


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


def _fill(
    shards: CacheShards,
    missing: list[int],
    network: FrozenPass,
    read: Callable[[range], tf.data.Dataset],
    batch: int,
) -> None:
    """Computes the missing shards; reading and writing run beside it."""
    ranges = shards.ranges()
    todo = sum(len(ranges[number]) for number in missing)
    begin = time.perf_counter()
    with (
        tqdm.tqdm(
            total=shards.num_rows,
            initial=shards.num_rows - todo,
            desc=f"feature cache, {shards.folder.name.partition('-')[0]}",
            unit="patch",
            mininterval=progress_interval(),
        ) as progress,
        Background(_AHEAD) as background,
    ):
        for run in _runs(missing):
            rows = range(ranges[run[0]].start, ranges[run[-1]].stop)
            dataset = read(rows).rebatch(batch).prefetch(_AHEAD)
            batches = iter(dataset)
            for number in run:
                arrays = shards.empty(number)
                for start in range(0, len(ranges[number]), batch):
                    patches = next(batches, ())
                    expected = ranges[number][start : start + batch]
                    _check_number(patches, expected, shards.num_rows)
                    outputs = network(patches)
                    background.submit(_store, arrays, start, outputs)
                    progress.update(len(patches))
                background.submit(shards.write, number, arrays)
    seconds = time.perf_counter() - begin
    logging.info("Cached %d patches, %.1f patches/s.", todo, todo / seconds)


def _runs(numbers: list[int]) -> Iterator[list[int]]:
    """Splits rising numbers into runs without gaps."""
    splits = np.flatnonzero(np.diff(numbers) > 1) + 1
    for run in np.split(numbers, splits):
        yield run.tolist()


def _check_number(patches: Sequence, rows: range, num_patches: int) -> None:
    """Raises InputError if the records gave fewer patches than `rows`."""
    if len(patches) < len(rows):
        raise InputError(
            f"The records ended at patch {rows.start + len(patches)}, "
            f"{num_patches} were expected. Delete the records folder and "
            "build it again."
        )


def _store(
    arrays: dict[str, np.ndarray], start: int, outputs: dict[str, tf.Tensor]
) -> None:
    """Copies what a batch gave into its shard's arrays."""
    for name, array in arrays.items():
        values = outputs[name].numpy()
        if not np.isfinite(values).all():
            raise InputError(
                f"One of the {name} does not fit {array.dtype}. Give "
                "--cache_dtype=float32 --precision=float32, or check the "
                "weights."
            )
        array[start : start + len(values)] = values
