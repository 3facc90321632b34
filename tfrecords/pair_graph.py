"""The pair graph of one or several splits as plain arrays.

In: finished records. Out: `PairGraph`: the proposals of all images are
nodes, the pairs are edges, and every record is known by its place on disk.
Pictures are not decoded.
"""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from absl import logging

from tfrecords.errors import InputError
from tfrecords.manifest import Manifest
from tfrecords.manifest import read_manifest
from tfrecords.record_file import FramedRecord
from tfrecords.record_file import read_records
from tfrecords.schema import parse_structure

ON_BAD_RECORD = ("skip", "stop")

_RECORDS_AT_ONCE = 256
_NAMED = 10  # bad records in warnings


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
        bad_records: what was left out, one sentence each.
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
    bad_records: tuple[str, ...] = ()


def read_pair_graph(
    records_dir: str | os.PathLike,
    splits: Sequence[str],
    on_bad_record: str = "stop",
) -> PairGraph:
    """Returns the pair graph of `splits`, one after the other.

    Every record is read once and its checksums are verified; files are read
    side by side.

    Args:
        records_dir: folder of finished records.
        splits: names of splits.
        on_bad_record: "stop", or "skip": a damaged record is left out, named
            in a warning and in `PairGraph.bad_records`.

    Raises:
        InputError: if a split or a shard is missing, or a record is damaged
            and none shall be skipped.
    """
    if on_bad_record not in ON_BAD_RECORD:
        raise ValueError(
            f"`on_bad_record` must be one of {ON_BAD_RECORD}. Received: "
            f"{on_bad_record!r}."
        )
    shards = _shards(read_manifest(records_dir), records_dir, splits)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        contents = list(pool.map(lambda shard: _read(*shard), shards))
    bad = tuple(text for content in contents for text in content.bad)
    if bad and on_bad_record == "stop":
        raise InputError(
            f"{bad[0]}{f' ({len(bad)} are bad)' if len(bad) > 1 else ''}. "
            f"Delete {records_dir} and build the records again (python -m "
            "tfrecords.build), or leave them out with --on_bad_record=skip."
        )
    for text in bad[:_NAMED]:
        logging.warning("Left out: %s.", text)
    if bad:
        logging.warning("%d bad records are left out.", len(bad))
    offsets = [content.offsets for content in contents]
    return PairGraph(
        **_joined([part for content in contents for part in content.parts]),
        shard_paths=[str(path) for path, _ in shards],
        record_shard=np.repeat(
            np.arange(len(shards)), [len(part) for part in offsets]
        ).astype(np.int64),
        record_offset=np.concatenate([np.zeros(0, np.int64), *offsets]).astype(
            np.int64
        ),
        bad_records=bad,
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


@dataclasses.dataclass
class _Content:
    """What is read of one shard: arrays of its records, and its faults."""

    parts: list[dict] = dataclasses.field(default_factory=list)
    offsets: list[int] = dataclasses.field(default_factory=list)
    bad: list[str] = dataclasses.field(default_factory=list)


def _read(path: pathlib.Path, images: int) -> _Content:
    if not path.is_file():
        raise InputError(
            f"{path} is named by the manifest but gone. Delete {path.parent} "
            "and build the records again (python -m tfrecords.build)."
        )
    content = _Content()
    pending = []
    num_records = 0
    for record in read_records(path):
        num_records += 1
        if record.fault:
            content.bad.append(_named(path, record, record.fault))
            continue
        pending.append(record)
        if len(pending) == _RECORDS_AT_ONCE:
            _parse(path, pending, content)
            pending = []
    if pending:
        _parse(path, pending, content)
    if num_records != images:
        content.bad.append(
            f"{path} holds {num_records} records; {images} were wanted"
        )
    return content


def _parse(
    path: pathlib.Path, records: list[FramedRecord], content: _Content
) -> None:
    """Adds records to `content`, one by one where not all can be parsed."""
    try:
        parsed = parse_structure([record.content for record in records])
        fault = structure_fault(parsed)
    except tf.errors.InvalidArgumentError as error:
        fault = f"it is not one of our records ({error.message})"
    if not fault:
        content.offsets += [record.offset for record in records]
        content.parts.append(
            {name: _arrays(value) for name, value in parsed.items()}
        )
    elif len(records) == 1:
        content.bad.append(_named(path, records[0], fault))
    else:
        for record in records:
            _parse(path, [record], content)


def structure_fault(parsed: dict) -> str:
    """Says what would mislead who reads the numbers of some records.

    Args:
        parsed: what `parse_structure` returns.

    Returns:
        The first fault; "" if all is well.
    """
    size = parsed["size"].numpy()
    if (size <= 0).any():
        return "its picture has no size"
    num_boxes = parsed["proposal_boxes"].row_lengths().numpy()
    if (parsed["proposal_scores"].row_lengths().numpy() != num_boxes).any():
        return "it has another number of scores than of proposals"
    pairs = parsed["pairs"].flat_values.numpy()
    limit = num_boxes[parsed["pairs"].value_rowids().numpy()]
    if (pairs < 0).any() or (pairs >= limit[:, np.newaxis]).any():
        return "one of its pairs points at no proposal"
    for name in ("proposal_boxes", "object_boxes"):
        rows = parsed[name].value_rowids().numpy()
        boxes = parsed[name].flat_values.numpy()
        inside = (boxes[:, :2] >= 0) & (boxes[:, 2:] <= size[rows])
        if not (inside & (boxes[:, :2] < boxes[:, 2:])).all():
            return "one of its boxes is empty or not inside of its picture"
    return ""


def _named(path: pathlib.Path, record: FramedRecord, fault: str) -> str:
    return f"Record {record.index} of {path}, at byte {record.offset}: {fault}"


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
