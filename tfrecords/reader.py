"""Patches of a pair graph, cut from pictures that are decoded once.

In: a `PairGraph` (boxes, and where each record lies on disk). Out: uint8
patches, either those of one image after the other as tf.data, or some by
their indices. Both ways give the same bits.

OpenCV decodes and cuts: its resize takes a ninth of the time of TensorFlow's
`crop_and_resize` on a CPU, and bytes are a quarter of the floats to move. It
holds no lock of Python's meanwhile, so threads work side by side.
"""

import functools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import tensorflow as tf

from tfrecords.errors import InputError
from tfrecords.images import decode
from tfrecords.pair_graph import PairGraph
from tfrecords.record_file import read_record

_KINDS = ("proposals", "objects", "images")
_THREADS = os.cpu_count()
# A call from tf.data into Python costs about what a picture's decoding does.
_IMAGES_PER_CALL = 4
# TensorFlow takes an array over without a copy if it begins at such a place.
_ALIGNMENT = 64  # bytes


def crop_patches(image: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Returns the boxes of an image as patches of equal size (section 3).

    A box is rounded to whole pixels, at least one, and what it covers is
    resized, aspect ratio not kept: bilinearly, or by the mean over areas
    where it is shrunk to half or less, so that nothing flickers through.

    Args:
        image: [H, W, 3] uint8.
        boxes: [n, 4] float32 (y0, x0, y1, x1) in pixels, inside the image.
        size: height and width of a patch in pixels.

    Returns:
        [n, size, size, 3] uint8.
    """
    patches = np.empty([len(boxes), size, size, 3], np.uint8)
    _cut(patches, image, _corners(boxes, np.array([image.shape[:2]])))
    return patches


def _corners(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns boxes [n, 4] in whole pixels, at least one each way.

    Args:
        boxes: [n, 4] float32.
        sizes: [n, 2] or [1, 2] (height, width) of their pictures.
    """
    corners = np.round(np.reshape(boxes, (-1, 2, 2))).astype(np.int64)
    limits = sizes.astype(np.int64)
    start = np.clip(corners[:, 0], 0, limits - 1)
    end = np.maximum(np.minimum(corners[:, 1], limits), start + 1)
    return np.concatenate([start, end], axis=1)


def _cut(patches: np.ndarray, image: np.ndarray, corners: np.ndarray) -> None:
    """Fills patches [n, size, size, 3] with what `corners` [n, 4] cover."""
    size = patches.shape[1]
    for patch, (y0, x0, y1, x1) in zip(patches, corners.tolist(), strict=True):
        sides = (y1 - y0, x1 - x0)
        shrinks = min(sides) >= size and max(sides) >= 2 * size
        cv2.resize(
            image[y0:y1, x0:x1],
            (size, size),
            dst=patch,
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )


def image_order(
    graph: PairGraph,
    seed: int,
    epoch: int,
    worker: int = 0,
    num_workers: int = 1,
) -> np.ndarray:
    """Returns the images that one worker reads in one epoch, shuffled.

    A pure function: of all images every one goes to one worker, and shares
    differ by one image at most.

    Args:
        graph: its images.
        seed: with `epoch` it decides the order.
        epoch: from 0.
        worker: from 0, less than `num_workers`.
        num_workers: among how many the images are shared.
    """
    rng = np.random.default_rng((seed, epoch))
    return rng.permutation(len(graph.image_ids))[worker::num_workers]


def read_patches(
    graph: PairGraph,
    kind: str,
    size: int,
    images: np.ndarray | None = None,
    rows: range | None = None,
) -> tf.data.Dataset:
    """Returns the patches of images, a few images per element.

    Pictures of several files are read and decoded side by side, each once;
    the order is kept.

    Args:
        graph: of the records to read.
        kind: "proposals", "objects", or "images" for the whole pictures.
        size: height and width of a patch in pixels.
        images: [K] int64 indices of images in the order wanted, such as
            `image_order` gives; None takes all in the order of the graph.
            To go on at image k, pass `images[k:]`.
        rows: only these patches, counted in the order of the graph.

    Returns:
        Dataset of elements [n, size, size, 3] uint8, one after the other
        the patches of the images; `rebatch` gives any other number.

        A record damaged since the graph was read ends the iteration with a
        `tf.errors.OpError` that has the words of the InputError in it.
    """
    boxes, image = _boxes(graph, kind)
    num_boxes = np.bincount(image, minlength=len(graph.image_ids))
    ends = np.cumsum(num_boxes)
    bounds = np.stack([ends - num_boxes, ends])
    corners = _corners(boxes, graph.sizes[image])
    if images is None:
        images = np.arange(len(graph.image_ids))
    if rows is not None:
        bounds = np.clip(bounds, rows.start, rows.stop)
        images = images[bounds[0, images] < bounds[1, images]]

    def load(indices: np.ndarray) -> np.ndarray:
        firsts, ends = bounds[:, indices]
        patches = _aligned((ends - firsts).sum(), size)
        start = 0
        for index, first, end in zip(indices, firsts, ends, strict=True):
            stop = start + end - first
            if stop > start:
                picture = load_picture(graph, index)
                _cut(patches[start:stop], picture, corners[first:end])
            start = stop
        return patches

    return _dataset(load, images, size)


def _dataset(
    load: Callable[[np.ndarray], np.ndarray], images: np.ndarray, size: int
) -> tf.data.Dataset:
    """Returns what `load` gives for some images at a time, in order."""

    # Caches are filled by several threads, and AutoGraph's parser of Python
    # 3.11 breaks when two of them convert functions at the same time.
    @tf.autograph.experimental.do_not_convert
    def to_tensor(indices: tf.Tensor) -> tf.Tensor:
        patches = tf.numpy_function(load, [indices], tf.uint8, stateful=False)
        return tf.ensure_shape(patches, [None, size, size, 3])

    return (
        tf.data.Dataset.from_tensor_slices(np.asarray(images, np.int64))
        .batch(_IMAGES_PER_CALL)
        .map(to_tensor, num_parallel_calls=_THREADS, deterministic=True)
    )


def load_patches(
    graph: PairGraph, patches: np.ndarray, size: int
) -> np.ndarray:
    """Returns some proposals, reading and decoding each picture once.

    Args:
        graph: of the records to read.
        patches: [U] int64 indices of proposals, strictly rising.
        size: height and width of a patch in pixels.

    Returns:
        [U, size, size, 3] uint8; the rows of `read_patches`.

    Raises:
        InputError: if a record was damaged since the graph was read.
        ValueError: if `patches` does not rise strictly.
    """
    patches = np.asarray(patches, np.int64)
    falls = np.flatnonzero(np.diff(patches) <= 0)
    if len(falls):
        raise ValueError(
            "`patches` must rise strictly: each once, sorted. Received: "
            f"{patches[falls[0]]} before {patches[falls[0] + 1]}. Pass "
            "np.unique(patches) and take the rows you need."
        )
    loaded = _aligned(len(patches), size)
    if not len(patches):
        return loaded
    of_patch = graph.patch_image[patches]
    corners = _corners(graph.boxes[patches], graph.sizes[of_patch])
    images, first = np.unique(of_patch, return_index=True)
    groups = np.split(np.arange(len(patches)), first[1:])

    def load(image: int, rows: np.ndarray) -> None:
        rows = slice(rows[0], rows[-1] + 1)
        _cut(loaded[rows], load_picture(graph, image), corners[rows])

    list(_threads().map(load, images, groups))
    return loaded


def load_picture(graph: PairGraph, image: int) -> np.ndarray:
    """Returns a whole photograph, uint8 [H, W, 3] RGB.

    Args:
        graph: of the records to read.
        image: index of the image.

    Raises:
        InputError: if its record was damaged since the graph was read.
    """
    path = graph.shard_paths[graph.record_shard[image]]
    offset = int(graph.record_offset[image])
    example = tf.train.Example.FromString(read_record(path, offset))
    encoded = example.features.feature["image/encoded"].bytes_list.value
    try:
        pixels = decode(encoded[0] if encoded else b"")
        if pixels.shape[:2] != tuple(graph.sizes[image]):
            raise InputError(
                f"The picture has {pixels.shape[:2]} pixels (height, width), "
                f"{tuple(graph.sizes[image].astype(int).tolist())} are stated."
            )
        return pixels
    except InputError as error:
        raise InputError(
            f"{path}, at byte {offset}, {graph.image_ids[image]}: {error}"
        ) from error


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Started once: batches come by the hundred per second."""
    return ThreadPoolExecutor(_THREADS)


def _aligned(num_patches: int, size: int) -> np.ndarray:
    """Returns [num_patches, size, size, 3] uint8 of any content."""
    shape = (num_patches, size, size, 3)
    buffer = np.empty(math.prod(shape) + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + math.prod(shape)].reshape(shape)


def _boxes(graph: PairGraph, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns boxes [n, 4] and their images [n]."""
    if kind == "proposals":
        return graph.boxes, graph.patch_image
    if kind == "objects":
        return graph.object_boxes, graph.object_image
    if kind == "images":
        corner = np.zeros_like(graph.sizes)
        boxes = np.concatenate([corner, graph.sizes], axis=1)
        return boxes, np.arange(len(boxes))
    raise ValueError(f"`kind` must be one of {_KINDS}. Received: {kind!r}.")
