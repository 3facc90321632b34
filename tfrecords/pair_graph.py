"""The pair graph of one or several splits as plain arrays.

In: finished records. Out: `PairGraph`: the proposals of all images are
nodes, the pairs are edges, and every record is known by its place on disk.
Pictures are not decoded.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfrecords.errors import InputError
from tfrecords.manifest import Manifest
from tfrecords.manifest import read_manifest
from tfrecords.schema import parse_structure

# TFRecord framing: 8 bytes of length and 4 of checksum before a record,
# 4 of checksum after it.
_FRAME_BYTES = 16
_RECORDS_AT_ONCE = 256


@dataclasses.dataclass(frozen=True, eq=False)
class PairGraph:
    """All proposals and pairs of I images, in the order of the records.

    Attributes:
        image_ids: I names.
        sizes: [I, 2] float32 (height, width) in pixels.
        boxes: [N, 4] float32 (y0, x0, y1, x1) in pixels, all proposals.
        scores: [N] float32.
        labels: [N] int64 index of the class, -1 where unknown.
        patch_image: [N] int64 index of the image, never falling.
        pairs: [P, 2] int64 (source, target) indices into the N proposals.
        object_boxes: [G, 4] float32 (y0, x0, y1, x1) in pixels.
        object_labels: [G] int64, -1 where unknown.
        object_difficult: [G] bool.
        object_image: [G] int64 index of the image, never falling.
        shard_paths: the record files in order.
        record_shard: [I] int64 index into `shard_paths`.
        record_offset: [I] int64 byte at which the record's frame begins.
    """

    image_ids: list[str]
    sizes: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    patch_image: np.ndarray
    pairs: np.ndarray
    object_boxes: np.ndarray
    object_labels: np.ndarray
    object_difficult: np.ndarray
    object_image: np.ndarray
    shard_paths: list[str]
    record_shard: np.ndarray
    record_offset: np.ndarray


def read_pair_graph(
    records_dir: str | os.PathLike, splits: Sequence[str]
) -> PairGraph:
    """Returns the pair graph of `splits`, one after the other.

    Every record is read once and its checksums are verified.

    Raises:
        InputError: if a split or a shard is missing, or a record is damaged.
    """
    shards = _shards(read_manifest(records_dir), records_dir, splits)
    record_shard, record_offset, parts = [], [], []
    pending = []
    for index, (path, images) in enumerate(shards):
        for offset, serialized in _records(path, images):
            record_shard.append(index)
            record_offset.append(offset)
            pending.append(serialized)
            if len(pending) == _RECORDS_AT_ONCE:
                parts.append(_structure(pending, path))
                pending = []
    if pending:
        parts.append(_structure(pending, shards[-1][0]))
    return PairGraph(
        **_joined(parts),
        shard_paths=[str(path) for path, _ in shards],
        record_shard=np.array(record_shard, np.int64),
        record_offset=np.array(record_offset, np.int64),
    )


def _shards(
    manifest: Manifest, records_dir: str | os.PathLike, splits: Sequence[str]
) -> list[tuple[pathlib.Path, int]]:
    """Returns (path, number of images) of the shards of `splits`."""
    unknown = [name for name in splits if name not in manifest.splits]
    if unknown or not splits:
        raise InputError(
            f"{records_dir} holds the splits {sorted(manifest.splits)}. "
            f"Received: {list(splits)}. Name one or more of those."
        )
    return [
        (pathlib.Path(records_dir).resolve() / shard.file, shard.images)
        for name in splits
        for shard in manifest.splits[name].shards
    ]


def _records(path: pathlib.Path, images: int) -> Iterator[tuple[int, bytes]]:
    """Yields the byte offset and the bytes of every record of a shard."""
    again = (
        f"Delete {path.parent} and build the records again "
        "(python -m tfrecords.build)."
    )
    if not path.is_file():
        raise InputError(f"{path} is named by the manifest but gone. {again}")
    offset = 0
    index = 0
    try:
        for serialized in tf.data.TFRecordDataset(str(path)):
            serialized = serialized.numpy()
            yield offset, serialized
            offset += len(serialized) + _FRAME_BYTES
            index += 1
    except tf.errors.DataLossError as error:
        raise InputError(
            f"Record {index} of {path}, at byte {offset}, is damaged "
            f"({error.message}). {again}"
        ) from error
    if index != images:
        raise InputError(
            f"{path} holds {index} records; {images} were wanted. {again}"
        )


def _structure(serialized: list[bytes], path: pathlib.Path) -> dict:
    try:
        parsed = parse_structure(serialized)
    except tf.errors.InvalidArgumentError as error:
        raise InputError(
            f"{path}, or a shard before it, holds something else than our "
            f"records ({error.message}). Build the records again in another "
            "--records_dir."
        ) from error
    return {name: _arrays(value) for name, value in parsed.items()}


def _arrays(value: tf.Tensor | tf.RaggedTensor) -> np.ndarray | tuple:
    """Returns a dense value, or (flat values, lengths) of a ragged one."""
    if isinstance(value, tf.RaggedTensor):
        return value.flat_values.numpy(), value.row_lengths().numpy()
    return value.numpy()


def _joined(parts: list[dict]) -> dict:
    """Joins the arrays of batches; pairs become indices into all patches."""

    def flat(name: str, width: int | None = None) -> tuple:
        values = [part[name][0] for part in parts]
        lengths = [part[name][1] for part in parts]
        empty = np.zeros([0] if width is None else [0, width], np.float32)
        return np.concatenate(values or [empty]), np.concatenate(
            lengths or [np.zeros(0, np.int64)]
        )

    boxes, num_boxes = flat("proposal_boxes", 4)
    object_boxes, num_objects = flat("object_boxes", 4)
    pairs, num_pairs = flat("pairs", 2)
    images = np.arange(len(num_boxes))
    first_patch = np.cumsum(num_boxes) - num_boxes
    first_patch = np.repeat(first_patch, num_pairs)[:, np.newaxis]
    names = [name for part in parts for name in part["image_id"]]
    sizes = [part["size"] for part in parts]
    return {
        "image_ids": [name.decode() for name in names],
        "sizes": np.concatenate([np.zeros([0, 2], np.float32), *sizes]),
        "boxes": boxes,
        "scores": flat("proposal_scores")[0],
        "labels": flat("proposal_labels")[0].astype(np.int64),
        "patch_image": np.repeat(images, num_boxes).astype(np.int64),
        "pairs": (pairs + first_patch).astype(np.int64),
        "object_boxes": object_boxes,
        "object_labels": flat("object_labels")[0].astype(np.int64),
        "object_difficult": flat("object_difficult")[0].astype(bool),
        "object_image": np.repeat(images, num_objects).astype(np.int64),
    }
