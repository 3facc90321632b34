"""One shard of records, a pure function of its photographs and the options.

In: a source, names of some of its photographs, the options. Out: a TFRecord
file, and what is to be said of it. Shards share nothing, so any number of
machines writes the same bytes.
"""

import collections
import dataclasses
import hashlib
import pathlib
from collections.abc import Callable
from collections.abc import Iterator

import numpy as np

from tfrecords import boxes as box_rules
from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.images import load_image
from tfrecords.images import StoredImage
from tfrecords.options import BuildOptions
from tfrecords.pairs import all_pairs
from tfrecords.proposals import PROPOSERS
from tfrecords.proposals.proposals import Proposals
from tfrecords.proposals.proposals import with_whole_image
from tfrecords.record_file import frame
from tfrecords.schema import snap
from tfrecords.schema import StoredRecord
from tfrecords.schema import to_example
from tfrecords.sources.source import Source

# Pictures that a proposal method gets at a time: a detector's batch.
_PICTURES_AT_ONCE = 8
_UNUSED_PAIRS = "pairs of the source not used: the proposals are not its boxes"


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """One file to write.

    Attributes:
        split: the split of all `keys`.
        path: of the finished file.
        keys: the photographs in order.
        classes: of the source, sorted; records hold indices into them.
    """

    split: str
    path: pathlib.Path
    keys: tuple[ImageKey, ...]
    classes: tuple[str, ...]


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


@dataclasses.dataclass
class _Picture:
    """A photograph on its way into the shard."""

    record: ImageRecord
    stored: StoredImage
    notes: collections.Counter


def build_shard(
    task: ShardTask,
    source: Source,
    options: BuildOptions,
    on_images: Callable[[int], None] = lambda number: None,
) -> ShardResult:
    """Writes the file of `task`.

    Args:
        task: what to write.
        source: where the photographs are read.
        options: of the build.
        on_images: called with the number of photographs since the last call.

    Raises:
        InputError: if the disk is full, or a photograph is no good and
            `options.on_bad_image` is "stop"; nothing is left at `task.path`.
    """
    counts = collections.Counter(images=0, proposals=0, pairs=0, objects=0)
    notes = collections.Counter()
    noted = collections.defaultdict(list)
    skipped = []
    digest = hashlib.sha256()
    num_bytes = 0
    with replacing(task.path) as temporary, open(temporary, "wb") as file:
        for start in range(0, len(task.keys), _PICTURES_AT_ONCE):
            keys = task.keys[start : start + _PICTURES_AT_ONCE]
            pictures = list(_pictures(keys, source, options, skipped))
            records = _records(pictures, task.classes, options)
            for picture, record in zip(pictures, records, strict=True):
                framed = frame(to_example(record))
                file.write(framed)
                digest.update(framed)
                num_bytes += len(framed)
                notes.update(picture.notes)
                for note in picture.notes:
                    noted[note].append(record.image_id)
                counts["images"] += 1
                counts["proposals"] += len(record.proposal_boxes)
                counts["pairs"] += len(record.pairs)
                counts["objects"] += len(record.object_boxes)
            on_images(len(keys))
    return ShardResult(
        sha256=digest.hexdigest(),
        bytes=num_bytes,
        counts=dict(counts),
        skipped=skipped,
        notes=dict(notes),
        noted=dict(noted),
    )


def _pictures(
    keys: tuple[ImageKey, ...],
    source: Source,
    options: BuildOptions,
    skipped: list[dict],
) -> Iterator[_Picture]:
    """Yields the photographs that can be used, names the others."""
    for key in keys:
        try:
            record = source.read(key)
            stored = load_image(record.image, options.max_side)
            _check_size(record, stored)
            PROPOSERS[options.proposals].check_size(stored.pixels.shape[:2])
        except InputError as error:
            if options.on_bad_image == "stop":
                raise InputError(
                    f"{key.image_id} cannot be used: {error} To leave out "
                    "what cannot be used, give --on_bad_image=skip."
                ) from error
            skipped.append({**dataclasses.asdict(key), "reason": str(error)})
            continue
        notes = collections.Counter()
        if stored.changed:
            notes[f"picture changed: {stored.changed}"] += 1
        record = _inside(_scaled(record, stored), stored, notes)
        yield _Picture(record, stored, notes)


def _check_size(image_record: ImageRecord, picture: StoredImage) -> None:
    """Refuses boxes of a picture that was turned or resized since.

    Raises:
        InputError: if the boxes refer to a picture of another size.
    """
    upright = picture.original_height, picture.original_width
    if image_record.size in (None, upright):
        return
    height, width = image_record.size
    raise InputError(
        f"its boxes refer to {width} x {height}, the upright picture is "
        f"{upright[1]} x {upright[0]} (width x height in pixels). "
        "Restore the picture that was annotated, or correct the boxes and "
        "the size stated with them."
    )


def _scaled(image_record: ImageRecord, picture: StoredImage) -> ImageRecord:
    """Returns the record with scaled boxes, and the size before that."""
    size = picture.original_height, picture.original_width
    factor = np.array([picture.height / size[0], picture.width / size[1]] * 2)
    boxes = np.asarray(image_record.boxes, np.float32).reshape(-1, 4) * factor
    return dataclasses.replace(
        image_record, boxes=boxes.astype(np.float32), size=size
    )


def _inside(
    image_record: ImageRecord,
    picture: StoredImage,
    notes: collections.Counter,
) -> ImageRecord:
    """Returns the record with its boxes clipped and the wrong ones dropped."""
    size = picture.height, picture.width
    boxes = snap(image_record.boxes).reshape(-1, 4)
    faults = box_rules.faults(boxes, size)
    for fault in filter(None, faults):
        notes[f"box dropped: {fault}"] += 1
    kept = np.array([not fault for fault in faults], bool)
    clipped = box_rules.clip(boxes[kept], size)
    num_clipped = int(np.any(boxes[kept] != clipped, axis=1).sum())
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


def _records(
    pictures: list[_Picture], classes: tuple[str, ...], options: BuildOptions
) -> Iterator[StoredRecord]:
    """Yields the records of pictures whose proposals are found together."""
    if not pictures:
        return
    proposals = PROPOSERS[options.proposals].propose(
        [picture.stored.pixels for picture in pictures],
        [picture.record for picture in pictures],
        options.proposal_options,
        [_random(options, picture, "proposals") for picture in pictures],
    )
    index = {name: number for number, name in enumerate(classes)}
    for picture, found in zip(pictures, proposals, strict=True):
        if options.proposal_options.whole_image:
            found = with_whole_image(found, picture.stored.pixels.shape[:2])
        found = _usable(found, picture)
        yield StoredRecord(
            image_id=picture.record.key.image_id,
            encoded=picture.stored.encoded,
            height=picture.stored.height,
            width=picture.stored.width,
            object_boxes=picture.record.boxes,
            object_labels=_indices(picture.record.labels, index),
            object_difficult=picture.record.difficult,
            proposal_boxes=found.boxes,
            proposal_scores=found.scores,
            proposal_labels=_indices(found.labels, index),
            pairs=_pairs(picture, found, options),
        )


def _usable(proposals: Proposals, picture: _Picture) -> Proposals:
    """Returns the proposals as they are stored, less what becomes empty."""
    size = picture.stored.height, picture.stored.width
    boxes = box_rules.clip(snap(proposals.boxes).reshape(-1, 4), size)
    faults = box_rules.faults(boxes, size)
    kept = np.flatnonzero([not fault for fault in faults])
    dropped = [*proposals.dropped, *filter(None, faults)]
    picture.notes.update(f"proposal dropped: {fault}" for fault in dropped)
    picture.notes.update(proposals.notes)
    return Proposals(
        boxes=boxes[kept],
        scores=proposals.scores[kept],
        labels=tuple(proposals.labels[index] for index in kept),
    )


def _pairs(
    picture: _Picture, proposals: Proposals, options: BuildOptions
) -> np.ndarray:
    """Returns the source's own pairs of its boxes, or all pairs [P, 2]."""
    if len(proposals.boxes) < 2:
        picture.notes["fewer than two proposals"] += 1
        return np.zeros([0, 2], np.int64)
    fixed = picture.record.pairs
    if fixed is not None:
        if np.array_equal(proposals.boxes, picture.record.boxes):
            return np.asarray(fixed, np.int64).reshape(-1, 2)
        picture.notes[_UNUSED_PAIRS] += 1
    return all_pairs(len(proposals.boxes), _random(options, picture, "pairs"))


def _random(
    options: BuildOptions, picture: _Picture, purpose: str
) -> np.random.Generator:
    """Returns a generator that depends on neither shard nor process."""
    image_id = picture.record.key.image_id
    words = f"{options.seed}/{purpose}/{image_id}".encode()
    digest = hashlib.sha256(words).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def _indices(names: tuple[str, ...], index: dict[str, int]) -> np.ndarray:
    return np.array([index.get(name, -1) for name in names], np.int64)
