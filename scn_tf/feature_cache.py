"""Trunk features and top-stream targets, computed once per patch.

In: patches in the order of the pair graph. Out: memory-mapped arrays under
a key made of everything they depend on; a cache of another key is not used.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tqdm
from absl import logging

from scn_tf.backbones.backbone import Backbone
from scn_tf.backbones.preprocessing import as_images
from scn_tf.run_log import progress_interval
from tfrecords.errors import InputError
from tfrecords.files import replacing

_BATCH = 32  # patches per trunk pass; more gains nothing on two cores
_FORMAT = 2  # raise when the layout of a cache folder changes


@dataclasses.dataclass(frozen=True)
class FeatureCache:
    """What the frozen parts say about N patches.

    Attributes:
        features: [N, ...] trunk features, or None where the trunk is only
            preprocessing (`--train_from=input`) and nothing is gained.
        targets: [N, D] float32, the frozen network's feature vectors.
    """

    features: np.ndarray | None
    targets: np.ndarray


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
    patches: tf.data.Dataset,
    num_patches: int,
    dtype: str = "float16",
) -> FeatureCache:
    """Opens the cache that fits `description`, or fills it first.

    Args:
        cache_dir: folder of all caches of a run.
        description: what the patches and the network are: digests of the
            records and of the weights, split, kind. With the backbone's
            name, cut and size and `dtype` it makes the key.
        backbone: its trunk gives the features.
        frozen_neck: the top stream's neck, gives the targets.
        patches: [n, S, S, 3] uint8 per element, in order.
        num_patches: N.
        dtype: of the stored trunk features: float16 or float32.

    Raises:
        InputError: if the disk is full or a feature does not fit `dtype`.
    """
    description = {
        **description,
        "format": _FORMAT,
        "backbone": backbone.name,
        "cut": backbone.cut,
        "image_size": backbone.image_size,
        "dtype": dtype,
        "num_patches": num_patches,
    }
    key = hashlib.sha256(
        json.dumps(description, sort_keys=True).encode()
    ).hexdigest()
    name = f"{description.get('kind', 'patches')}-{key[:16]}"
    path = pathlib.Path(cache_dir) / name
    if not (path / "key.json").is_file():
        with replacing(path) as temporary:
            temporary.mkdir()
            _fill(temporary, backbone, frozen_neck, patches, description)
    return _open(path)


def _open(path: pathlib.Path) -> FeatureCache:
    features = path / "features.npy"
    return FeatureCache(
        np.load(features, mmap_mode="r") if features.is_file() else None,
        np.load(path / "targets.npy", mmap_mode="r"),
    )


def _fill(
    path: pathlib.Path,
    backbone: Backbone,
    frozen_neck: keras.Model,
    patches: tf.data.Dataset,
    description: dict,
) -> None:
    """Runs every patch through trunk and frozen neck, once."""
    num_patches = description["num_patches"]
    targets = _allocate(
        path / "targets.npy", (num_patches, backbone.num_features), "float32"
    )
    features = None
    if backbone.trunk.count_params():
        shape = (num_patches, *backbone.trunk.output_shape[1:])
        features = _allocate(path / "features.npy", shape, description["dtype"])

    forward = _forward(backbone.trunk, frozen_neck)
    start, begin = 0, time.perf_counter()
    with tqdm.tqdm(
        total=num_patches,
        desc=f"feature cache, {description.get('kind', 'patches')}",
        unit="patch",
        mininterval=progress_interval(),
    ) as progress:
        for images in patches.rebatch(_BATCH).prefetch(2):
            maps, vectors = forward(images)
            stop = start + len(images)
            targets[start:stop] = vectors
            if features is not None:
                features[start:stop] = _narrow(maps.numpy(), features.dtype)
            start = stop
            progress.update(len(images))
    if start != num_patches:
        raise InputError(
            f"The records gave {start} patches, {num_patches} were expected. "
            "Delete the records folder and build it again."
        )
    rate = num_patches / (time.perf_counter() - begin)
    logging.info("Cached %d patches, %.1f patches/s.", num_patches, rate)
    for array in (features, targets):
        if array is not None:
            array.flush()
    (path / "key.json").write_text(json.dumps(description, indent=1))


@functools.lru_cache(maxsize=2)  # traced once for all caches of a run
def _forward(trunk: keras.Model, frozen_neck: keras.Model) -> Callable:
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, *trunk.input_shape[1:]], tf.uint8)
        ]
    )
    def forward(patches: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        maps = trunk(as_images(patches), training=False)
        return maps, frozen_neck(maps, training=False)

    return forward


def _allocate(path: pathlib.Path, shape: tuple, dtype: str) -> np.ndarray:
    """A mapped .npy file whose blocks are all reserved.

    A mapping of a sparse file ends the process without a word when the disk
    fills up under it; reserving the blocks first raises an ordinary error.
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _narrow(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        narrowed = values.astype(dtype)
    if not np.isfinite(narrowed).all():
        raise InputError(
            f"A trunk feature of size {np.abs(values).max():g} does not fit "
            f"{dtype}. Give --cache_dtype=float32, or check the weights."
        )
    return narrowed
