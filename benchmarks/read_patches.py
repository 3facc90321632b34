"""The reader's patches per second against a bare OpenCV loop.

The bare side decodes the same JPEGs from memory and cuts the same patches
with `cv2.imdecode` and `cv2.resize` in as many threads as there are cores.
It is measured twice: keeping its patches in batches, as anyone must who uses
them, and throwing each away, so that all stay in the processor's cache. The
reader's sides start at the record files, checksums included. A last side does
the same in TensorFlow's own operations, one `crop_and_resize` per picture: why
the reader does not. Sides take turns in one run; prints medians and ratios to
the first side.

    python -m benchmarks.read_patches --records_dir=RECORDS
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import os
import statistics
import time
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import tensorflow as tf
from absl import app
from absl import flags

from tfrecords.manifest import read_manifest
from tfrecords.pair_graph import PairGraph
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import image_order
from tfrecords.reader import load_patches
from tfrecords.reader import read_patches
from tfrecords.record_file import read_record

_RECORDS_DIR = flags.DEFINE_string(
    "records_dir", None, "Folder of the records.", required=True
)
_SIZE = flags.DEFINE_integer("size", 224, "Side of a patch in pixels.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements of each side.")
_IMAGES = flags.DEFINE_integer("images", 1000, "Images to read, at most.")
_PATCHES_PER_BATCH = 256
_IMAGES_PER_BATCH = 32


def main(arguments: Sequence[str]) -> None:
    """Measures the sides in turns and prints the table."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    manifest = read_manifest(_RECORDS_DIR.value)
    graph = read_pair_graph(_RECORDS_DIR.value, list(manifest.splits))
    images = image_order(graph, seed=0, epoch=0)[: _IMAGES.value]
    rows = [np.flatnonzero(graph.patch_image == image) for image in images]
    encoded = [_encoded(graph, image) for image in images]
    boxes = [graph.boxes[of_image].round().astype(int) for of_image in rows]
    sides = {
        "bare OpenCV, patches kept": lambda: _bare(encoded, boxes, True),
        "bare OpenCV, thrown away": lambda: _bare(encoded, boxes, False),
        "reader, images in random order": lambda: _read(graph, images),
        "reader, batches of patches": lambda: _load(graph, rows),
        "TensorFlow, crop_and_resize": lambda: _tensorflow(encoded, boxes),
    }
    seconds = {name: [] for name in sides}
    cv2.setNumThreads(1)
    for _ in range(_ROUNDS.value):
        for name, side in sides.items():
            seconds[name].append(_seconds(side))
    number = sum(map(len, rows))
    print(
        f"{number} patches of {_SIZE.value} pixels from {len(images)} "
        f"pictures, {_ROUNDS.value} rounds, {os.cpu_count()} cores"
    )
    bare = next(iter(seconds.values()))
    for name, values in seconds.items():
        ratios = [b / v for b, v in zip(bare, values, strict=True)]
        print(
            f"  {name:<32} {number / statistics.median(values):8.0f} "
            f"patches/s   ratio {statistics.median(ratios):.2f}"
        )


def _seconds(side: Callable[[], None]) -> float:
    begin = time.perf_counter()
    side()
    return time.perf_counter() - begin


def _encoded(graph: PairGraph, image: int) -> bytes:
    path = graph.shard_paths[graph.record_shard[image]]
    content = read_record(path, int(graph.record_offset[image]))
    feature = tf.train.Example.FromString(content).features.feature
    return feature["image/encoded"].bytes_list.value[0]


def _bare(encoded: list[bytes], boxes: list[np.ndarray], keep: bool) -> None:
    size = _SIZE.value
    starts = range(0, len(encoded), _IMAGES_PER_BATCH)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in starts:
            chosen = range(len(encoded))[start : start + _IMAGES_PER_BATCH]
            ends = np.cumsum([len(boxes[image]) for image in chosen])
            shape = (ends[-1] if keep else 0, size, size, 3)
            batch = np.empty(shape, np.uint8)

            def cut(image: int, end: int, batch: np.ndarray = batch) -> None:
                pixels = cv2.imdecode(
                    np.frombuffer(encoded[image], np.uint8),
                    cv2.IMREAD_COLOR_RGB,
                )
                row = end - len(boxes[image])
                for y0, x0, y1, x1 in boxes[image].tolist():
                    patch = pixels[y0:y1, x0:x1]
                    dst = batch[row] if keep else None
                    cv2.resize(patch, (size, size), dst=dst)
                    row += 1

            list(pool.map(cut, chosen, ends))


def _read(graph: PairGraph, images: np.ndarray) -> None:
    for _ in read_patches(graph, "proposals", _SIZE.value, images).prefetch(2):
        pass


def _load(graph: PairGraph, rows: list[np.ndarray]) -> None:
    """The batches of live training: patches by index."""
    every = np.concatenate(rows)
    for start in range(0, len(every), _PATCHES_PER_BATCH):
        chosen = np.sort(every[start : start + _PATCHES_PER_BATCH])
        load_patches(graph, chosen, _SIZE.value)


def _tensorflow(encoded: list[bytes], boxes: list[np.ndarray]) -> None:
    size = [_SIZE.value, _SIZE.value]

    def cut(data: tf.Tensor, corners: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_jpeg(data, channels=3)
        sides = tf.cast(tf.tile(tf.shape(image)[:2], [2]) - 1, tf.float32)
        places = tf.cast(corners, tf.float32) / sides
        owner = tf.zeros(tf.shape(corners)[:1], tf.int32)
        return tf.image.crop_and_resize(image[None], places, owner, size)

    ragged = tf.RaggedTensor.from_row_lengths(
        np.concatenate(boxes), [len(of_image) for of_image in boxes]
    )
    dataset = tf.data.Dataset.from_tensor_slices((encoded, ragged))
    dataset = dataset.map(cut, num_parallel_calls=os.cpu_count())
    for _ in dataset.prefetch(2):
        pass


if __name__ == "__main__":
    app.run(main)
