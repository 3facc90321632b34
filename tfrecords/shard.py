"""One shard of records, a pure function of its task.

In: a source, the names of some of its photographs and the options. Out: one
TFRecord file, and what is to be said about it. Processes share nothing, so
any number of them writes the same bytes.
"""

import collections
import dataclasses
import hashlib
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfrecords import boxes as box_rules
from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.images import decode
from tfrecords.images import load_image
from tfrecords.images import StoredImage
from tfrecords.options import BuildOptions
from tfrecords.pairs import all_pairs
from tfrecords.proposals import PROPOSERS
from tfrecords.proposals.proposals import Proposals
from tfrecords.schema import StoredRecord
from tfrecords.schema import to_example
from tfrecords.sources.source import Source

_BLOCK_BYTES = 1 << 20
_UNUSED_PAIRS = "pairs of the source not used: the proposals are not its boxes"


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """One file to write.

    Attributes:
        source: where the photographs are read.
        options: of the build.
        split: the split of all `keys`.
        path: of the finished file.
        keys: the photographs in order.
    """

    source: Source
    options: BuildOptions
    split: str
    path: pathlib.Path
    keys: tuple[ImageKey, ...]


@dataclasses.dataclass(frozen=True)
class ShardResult:
    """What one shard holds.

    Attributes:
        sha256: of the file.
        bytes: size of the file.
        counts: numbers of images, proposals, pairs and objects.
        skipped: one dict `image_id`, `split`, `reason` per image left out.
        notes: how often something was changed, dropped or missing.
        noted: of every note the ids of its images, in the shard's order.
    """

    sha256: str
    bytes: int
    counts: dict[str, int]
    skipped: list[dict]
    notes: dict[str, int]
    noted: dict[str, list[str]]


def build_shard(
    task: ShardTask, on_image: Callable[[], None] = lambda: None
) -> ShardResult:
    """Writes the file of `task`; a photograph that is no good is skipped.

    Args:
        task: what to write.
        on_image: called after every photograph, written or skipped.

    Raises:
        InputError: if the disk is full; nothing is left at `task.path`.
    """
    counts = collections.Counter(images=0, proposals=0, pairs=0, objects=0)
    notes = collections.Counter()
    noted = collections.defaultdict(list)
    skipped = []
    with replacing(task.path) as temporary:
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for key in task.keys:
                try:
                    image_record = task.source.read(key)
                    picture = load_image(image_record.image)
                    _check_size(image_record, picture)
                except InputError as error:
                    skipped.append({**vars(key), "reason": str(error)})
                else:
                    of_image = collections.Counter()
                    record = _stored(task, image_record, picture, of_image)
                    writer.write(to_example(record))
                    notes.update(of_image)
                    for note in of_image:
                        noted[note].append(key.image_id)
                    counts["images"] += 1
                    counts["proposals"] += len(record.proposal_boxes)
                    counts["pairs"] += len(record.pairs)
                    counts["objects"] += len(record.object_boxes)
                on_image()
        sha256 = file_digest(temporary)
        num_bytes = temporary.stat().st_size
    return ShardResult(
        sha256=sha256,
        bytes=num_bytes,
        counts=dict(counts),
        skipped=skipped,
        notes=dict(notes),
        noted=dict(noted),
    )


def file_digest(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file of any size, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _check_size(image_record: ImageRecord, picture: StoredImage) -> None:
    """Refuses boxes of a picture that was turned or resized since.

    Raises:
        InputError: if the boxes refer to a picture of another size.
    """
    if image_record.size in (None, (picture.height, picture.width)):
        return
    height, width = image_record.size
    raise InputError(
        f"its boxes refer to {width} x {height}, the upright picture is "
        f"{picture.width} x {picture.height} (width x height in pixels). "
        "Restore the picture that was annotated, or correct the boxes and "
        "the size stated with them."
    )


def _stored(
    task: ShardTask,
    image_record: ImageRecord,
    picture: StoredImage,
    notes: collections.Counter,
) -> StoredRecord:
    """Returns the record of one picture and counts what was changed."""
    if picture.changed:
        notes[f"picture changed: {picture.changed}"] += 1
    image_record = _inside(image_record, (picture.height, picture.width), notes)
    options = task.options
    image_id = image_record.key.image_id
    [proposals] = PROPOSERS[options.proposals].propose(
        [decode(picture.encoded)],
        [image_record],
        options.proposal_options,
        [_random(options.seed, image_id, "proposals")],
    )
    pairs = _pairs(image_record, proposals, options, notes)
    index = {name: number for number, name in enumerate(task.source.classes)}
    return StoredRecord(
        image_id=image_id,
        split=task.split,
        encoded=picture.encoded,
        height=picture.height,
        width=picture.width,
        object_boxes=image_record.boxes,
        object_labels=_indices(image_record.labels, index),
        object_names=tuple(image_record.labels),
        object_difficult=image_record.difficult,
        proposal_boxes=proposals.boxes,
        proposal_scores=proposals.scores,
        proposal_labels=_indices(proposals.labels, index),
        pairs=pairs,
    )


def _inside(
    image_record: ImageRecord,
    size: tuple[int, int],
    notes: collections.Counter,
) -> ImageRecord:
    """Returns the record with its boxes clipped and the wrong ones dropped."""
    faults = box_rules.faults(image_record.boxes, size)
    for fault in filter(None, faults):
        notes[f"box dropped: {fault}"] += 1
    kept = np.array([not fault for fault in faults], bool)
    boxes = np.asarray(image_record.boxes, np.float32).reshape(-1, 4)[kept]
    clipped = box_rules.clip(boxes, size)
    num_clipped = int(np.any(boxes != clipped, axis=1).sum())
    if num_clipped:
        notes["box clipped"] += num_clipped
    labels = zip(image_record.labels, kept, strict=True)
    # Pairs that a source fixes are indices into its own boxes, all of them.
    pairs = image_record.pairs
    if pairs is not None and not kept.all():
        notes[_UNUSED_PAIRS] += 1
        pairs = None
    return dataclasses.replace(
        image_record,
        boxes=clipped,
        labels=tuple(label for label, keep in labels if keep),
        difficult=np.asarray(image_record.difficult, bool)[kept],
        pairs=pairs,
    )


def _pairs(
    image_record: ImageRecord,
    proposals: Proposals,
    options: BuildOptions,
    notes: collections.Counter,
) -> np.ndarray:
    """Returns the source's own pairs of its boxes, or all pairs [P, 2]."""
    if len(proposals.boxes) < 2:
        notes["fewer than two proposals"] += 1
        return np.zeros([0, 2], np.int64)
    fixed = image_record.pairs
    if fixed is not None:
        if np.array_equal(proposals.boxes, image_record.boxes):
            return np.asarray(fixed, np.int64).reshape(-1, 2)
        notes[_UNUSED_PAIRS] += 1
    image_id = image_record.key.image_id
    return all_pairs(
        len(proposals.boxes), _random(options.seed, image_id, "pairs")
    )


def _random(seed: int, image_id: str, purpose: str) -> np.random.Generator:
    """Returns a generator that depends on neither shard nor process."""
    words = f"{seed}/{purpose}/{image_id}".encode()
    digest = hashlib.sha256(words).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def _indices(names: tuple[str, ...], index: dict[str, int]) -> np.ndarray:
    return np.array([index.get(name, -1) for name in names], np.int64)
