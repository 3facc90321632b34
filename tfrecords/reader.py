"""Patches of a pair graph, cut from pictures that are decoded once.

In: a `PairGraph` (boxes, and where each record lies on disk). Out: float32
patches in [0, 1], either all in the order of the graph as tf.data, or some
by their indices. Both ways give the same bits.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from tfrecords.errors import InputError
from tfrecords.pair_graph import PairGraph

_KINDS = ("proposals", "objects", "images")
# A record's frame: 8 bytes of length, 4 of checksum, then the record.
_LENGTH_BYTES = 8
_HEADER_BYTES = 12
# Where tf.data works too, so that both ways of reading give the same bits.
_DEVICE = "/cpu:0"


def crop_patches(image: tf.Tensor, boxes: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the boxes of an image as patches of equal size (section 3).

    A box is divided into `size` x `size` cells and the picture is sampled
    bilinearly at the middle of each, with its border pixels repeated
    outward; the aspect ratio is not kept.

    Args:
        image: [H, W, 3] uint8, or float32 in [0, 1].
        boxes: [n, 4] float32 (y0, x0, y1, x1) in pixels, inside the image.
        size: height and width of a patch in pixels.

    Returns:
        [n, size, size, 3] float32 in [0, 1].
    """
    image = tf.convert_to_tensor(image)
    image_size = tf.cast(tf.shape(image)[:2], tf.float32)
    return _cut(image, _places(boxes, image_size[tf.newaxis], size), size)


def read_patches(
    graph: PairGraph,
    kind: str,
    size: int,
    parallel_calls: int = tf.data.AUTOTUNE,
) -> tf.data.Dataset:
    """Returns the patches of every image, in the order of the graph.

    Args:
        graph: of the records to read.
        kind: "proposals", "objects", or "images" for the whole pictures.
        size: height and width of a patch in pixels.
        parallel_calls: pictures decoded at the same time.

    Returns:
        Dataset of I elements [n_i, size, size, 3] float32 in [0, 1], where
        n_i is the number of proposals or objects of image i, or 1.
    """
    boxes, image = _boxes(graph, kind)
    num_boxes = np.bincount(image, minlength=len(graph.image_ids))
    places = _places(boxes, graph.sizes[image], size)
    per_image = tf.RaggedTensor.from_row_lengths(places, num_boxes)
    dataset = tf.data.Dataset.zip(
        tf.data.TFRecordDataset(graph.shard_paths),
        tf.data.Dataset.from_tensor_slices(per_image),
    )
    return dataset.map(
        lambda serialized, places: _cut_record(serialized, places, size),
        num_parallel_calls=parallel_calls,
        deterministic=True,
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
        [U, size, size, 3] float32 in [0, 1]; the rows of `read_patches`.

    Raises:
        InputError: if a record file has been cut off since it was opened.
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
    if not len(patches):
        return np.zeros([0, size, size, 3], np.float32)
    of_patch = graph.patch_image[patches]
    images, first = np.unique(of_patch, return_index=True)
    loaded = np.empty([len(patches), size, size, 3], np.float32)
    cut_record = _compiled(size)
    with tf.device(_DEVICE):
        places = _places(graph.boxes[patches], graph.sizes[of_patch], size)
        places = places.numpy()
    groups = np.split(np.arange(len(patches)), first[1:])

    def load(image: int, group: np.ndarray) -> None:
        with tf.device(_DEVICE):
            serialized = _read_record(graph, image)
            loaded[group] = cut_record(serialized, places[group]).numpy()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(load, images, groups))
    return loaded


def load_pictures(graph: PairGraph, images: np.ndarray) -> list[np.ndarray]:
    """Returns whole photographs, for pictures of the run.

    Args:
        graph: of the records to read.
        images: [K] int64 indices of images.

    Returns:
        K arrays [H, W, 3] uint8, RGB.

    Raises:
        InputError: if a record file has been cut off since it was opened.
    """
    with tf.device(_DEVICE):
        return [_decode(_read_record(graph, i)).numpy() for i in images]


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


def _places(boxes: tf.Tensor, image_sizes: tf.Tensor, size: int) -> tf.Tensor:
    """Returns boxes as `crop_and_resize` wants them for a padded picture.

    It puts its first and last sample on the edges of the box and counts from
    the middle of the first pixel, as fractions of the way to the middle of
    the last. Ours lie half a cell inside the box; pixel i has its middle at
    i + 0.5, and with the padding it is pixel i + 1.

    Both readers call this outside of compiled graphs, whose optimizer would
    reorder the sums and change the last bit.

    Args:
        boxes: [n, 4] float32 in pixels.
        image_sizes: [n, 2] or [1, 2] float32 (height, width).
        size: height and width of a patch in pixels.
    """
    boxes = tf.cast(boxes, tf.float32)
    half_cell = (boxes[:, 2:] - boxes[:, :2]) * (0.5 / size)  # [n, 2]
    first = boxes[:, :2] + half_cell + 0.5
    last = boxes[:, 2:] - half_cell + 0.5
    extent = image_sizes + 1.0
    return tf.concat([first / extent, last / extent], axis=-1)


def _cut(image: tf.Tensor, places: tf.Tensor, size: int) -> tf.Tensor:
    # Samples reach half a pixel beyond the outermost pixel middles.
    padded = tf.pad(image, [[1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    patches = tf.image.crop_and_resize(
        padded[tf.newaxis],
        places,
        tf.zeros(tf.shape(places)[:1], tf.int32),
        [size, size],
    )
    if image.dtype == tf.uint8:
        # A division would be turned into this product in compiled graphs
        # only, and the two ways of reading would differ in the last bit.
        patches = patches * (1 / 255)
    return tf.ensure_shape(patches, [None, size, size, 3])


def _cut_record(
    serialized: tf.Tensor, places: tf.Tensor, size: int
) -> tf.Tensor:
    return _cut(_decode(serialized), places, size)


def _decode(serialized: tf.Tensor) -> tf.Tensor:
    """Returns the picture of a record, uint8 [H, W, 3]."""
    encoded = tf.io.parse_single_example(
        serialized, {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
    )["image/encoded"]
    # Named, since TensorFlow's default may change between versions.
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


@functools.cache
def _compiled(size: int) -> Callable:
    """Returns `_cut_record` for one size and any number of boxes."""
    return tf.function(
        lambda serialized, places: _cut_record(serialized, places, size),
        input_signature=[
            tf.TensorSpec([], tf.string),
            tf.TensorSpec([None, 4], tf.float32),
        ],
    )


def _read_record(graph: PairGraph, image: int) -> bytes:
    """Returns the bytes of one record; checksums were verified before."""
    path = graph.shard_paths[graph.record_shard[image]]
    with open(path, "rb") as file:
        file.seek(graph.record_offset[image])
        header = file.read(_HEADER_BYTES)
        length = int.from_bytes(header[:_LENGTH_BYTES], "little")
        serialized = file.read(length)
    if len(header) < _HEADER_BYTES or len(serialized) < length:
        raise InputError(
            f"{path} ends within the record of {graph.image_ids[image]}. "
            "Delete its folder and build the records again "
            "(python -m tfrecords.build)."
        )
    return serialized
