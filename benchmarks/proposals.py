"""Proposal methods side by side on annotated photographs.

For each method and number of boxes: boxes and pairs per image; the share of
the annotated objects that some box covers with an IoU of 0.5 and 0.7
(recall); the mean over the objects of the best IoU (mean best overlap); and
the milliseconds of processor time that the proposals of one image take on
one thread. Objects marked as difficult are left out. Takes the flags of
tfrecords.options besides its own; `--proposals` and `--boxes_per_image` are
not read.

    python -m benchmarks.proposals --data_dir=DATA --split=val --boxes=8,1000
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import dataclasses
import itertools
import sys
import time
from collections.abc import Iterator
from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf
from absl import app
from absl import flags

from tfrecords import boxes as box_rules
from tfrecords import options as build_options
from tfrecords.errors import InputError
from tfrecords.image_record import ImageRecord
from tfrecords.images import decode
from tfrecords.images import load_image
from tfrecords.plan import sample_keys
from tfrecords.proposals import PROPOSERS
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.proposals.proposals import Proposals
from tfrecords.sources import open_source

_SPLIT = flags.DEFINE_string("split", "", "The photographs; empty takes all.")
_METHODS = flags.DEFINE_list(
    "methods",
    ["ground_truth", "uniform", "edge_boxes"],
    f"Methods to compare, of {', '.join(PROPOSERS)}.",
)
_BOXES = flags.DEFINE_list("boxes", ["8", "1000"], "Most boxes per image.")
_BATCH = 8  # Photographs per call of a method.
_OVERLAPS = (0.5, 0.7)
_COLUMNS = ("at most", "boxes", "pairs", "recall@0.5", "recall@0.7")
_COLUMNS += ("mean best overlap", "ms")


@dataclasses.dataclass
class Tally:
    """What one row of the table is made of.

    Attributes:
        best: best IoU of every object so far.
        boxes: number of boxes of every image so far.
        seconds: processor time so far.
    """

    best: list[float] = dataclasses.field(default_factory=list)
    boxes: list[int] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def add(self, found: Proposals, objects: np.ndarray) -> None:
        """Counts one image with its boxes and its objects [G, 4]."""
        self.boxes.append(len(found.boxes))
        overlap = box_rules.iou(objects, found.boxes)  # [G, N]
        self.best.extend(overlap.max(axis=1, initial=0))

    def row(self) -> str:
        """Returns the numbers as cells of a Markdown table."""
        best, counts = np.array(self.best), np.array(self.boxes)
        pairs = counts * (counts - 1) / 2
        recall = [f"{np.mean(best >= least):.3f}" for least in _OVERLAPS]
        cells = [f"{counts.mean():.1f}", f"{pairs.mean():.1f}", *recall]
        cells += [f"{best.mean():.3f}"]
        cells += [f"{1000 * self.seconds / len(counts):.1f}"]
        return " | ".join(cells)


def main(arguments: Sequence[str]) -> None:
    """Measures every method and prints the table."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    cv2.setNumThreads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    try:
        options = build_options.options_from_flags(flags.FLAGS)
        tallies = _measure(options)
    except InputError as error:
        sys.exit(f"Error: {error}")
    print(" | ".join(["| method", *_COLUMNS]), "|")
    print("|---" * (len(_COLUMNS) + 1) + "|")
    for (method, limit), tally in tallies.items():
        print(f"| {method} | {limit} | {tally.row()} |")
    tally = next(iter(tallies.values()))
    print(f"{len(tally.boxes)} photographs, {len(tally.best)} objects")


def _measure(
    options: build_options.BuildOptions,
) -> dict[tuple[str, int], Tally]:
    """Returns a tally for each method and number of boxes."""
    unknown = set(_METHODS.value) - set(PROPOSERS)
    if unknown:
        raise InputError(
            f"--methods names {', '.join(sorted(unknown))}. Wanted: some of "
            f"{', '.join(PROPOSERS)}."
        )
    cases = list(itertools.product(_METHODS.value, map(int, _BOXES.value)))
    tallies = {case: Tally() for case in cases}
    for images, records in _batches(options):
        for (method, limit), tally in tallies.items():
            of_method = dataclasses.replace(
                options.proposal_options, boxes_per_image=limit
            )
            if not tally.boxes:  # What is loaded once is not timed.
                _propose(method, images[:1], records[:1], of_method)
            start = time.process_time()
            found = _propose(method, images, records, of_method)
            tally.seconds += time.process_time() - start
            for one, image, record in zip(found, images, records, strict=True):
                tally.add(one, _objects(record, image.shape[:2]))
    return tallies


def _batches(
    options: build_options.BuildOptions,
) -> Iterator[tuple[list[np.ndarray], list[ImageRecord]]]:
    """Yields the usable photographs, some at a time."""
    source = open_source(options.source, options.data_dir, options.seed)
    keys = [key for key in source.keys() if _SPLIT.value in ("", key.split)]
    images, records = [], []
    for key in sample_keys(keys, options.limit_images, options.seed):
        try:
            record = source.read(key)
            image = decode(load_image(record.image).encoded)
        except InputError:
            continue
        images.append(image)
        records.append(record)
        if len(images) == _BATCH:
            yield images, records
            images, records = [], []
    if images:
        yield images, records


def _propose(
    method: str,
    images: list[np.ndarray],
    records: list[ImageRecord],
    options: ProposalOptions,
) -> list[Proposals]:
    rngs = [np.random.default_rng(index) for index in range(len(images))]
    return PROPOSERS[method].propose(images, records, options, rngs)


def _objects(record: ImageRecord, size: tuple[int, int]) -> np.ndarray:
    """Returns the usable boxes [G, 4] of objects that are not difficult."""
    usable = [not fault for fault in box_rules.faults(record.boxes, size)]
    kept = np.array(usable, bool) & ~np.asarray(record.difficult, bool)
    return box_rules.clip(record.boxes.reshape(-1, 4)[kept], size)


if __name__ == "__main__":
    build_options.define_flags()
    app.run(main)
