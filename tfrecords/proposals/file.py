"""Boxes that were found elsewhere, read from a CSV file.

In: the file named by --proposals_file, one box per line under the header
`image_id,ymin,xmin,ymax,xmax,score`; pixels of the upright picture in this
project's box convention, before --max_side scales it. Out: each picture's
boxes, best score first, in pixels of the picture as it is stored.
"""

import array
import csv
import dataclasses
import functools
import math
from collections.abc import Collection
from collections.abc import Iterator

import numpy as np

from tfrecords import boxes
from tfrecords.errors import InputError
from tfrecords.image_record import ImageRecord
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.proposals.proposals import Proposals

_HEADER = ["image_id", "ymin", "xmin", "ymax", "xmax", "score"]


def propose_file(
    image: np.ndarray,
    record: ImageRecord,
    options: ProposalOptions,
    rng: np.random.Generator,
) -> Proposals:
    """Returns the boxes that the file has for this picture, cut to size.

    Nothing but unusable boxes is left out: scores of other methods have
    other scales, so `min_score` is not applied, nor is suppression.

    Args:
        image: [H, W, 3] uint8; only its size is used.
        record: its `key.image_id` is looked up; a picture without lines has
            no boxes. Boxes are scaled from its `size`, if that is stated.
        options: `proposals_file`, and at most `boxes_per_image`, 0 for all.
        rng: not used.

    Returns:
        Proposals without labels, best score first; equal scores in the
        file's order. `dropped` has the reasons of the unusable ones, `notes`
        says so if the picture has no line.

    Raises:
        InputError: if the file is missing or a line of it is malformed.
    """
    table = _table(options.proposals_file)
    place = table.places.get(record.key.image_id, -1)
    unlisted = ("not in the proposals file",) if place < 0 else ()
    rows = slice(*np.searchsorted(table.place, [place, place + 1]))
    found, scores = table.boxes[rows], table.scores[rows]
    size = image.shape[:2]
    found = found * np.tile(np.divide(size, record.size or size), 2)
    faults = boxes.faults(found, size)
    kept = np.flatnonzero([not fault for fault in faults])
    if options.boxes_per_image:
        kept = kept[: options.boxes_per_image]
    return Proposals(
        boxes=boxes.clip(found[kept], size),
        scores=scores[kept],
        labels=("",) * len(kept),
        dropped=tuple(filter(None, faults)),
        notes=unlisted,
    )


def require_match(options: ProposalOptions, image_ids: Collection[str]) -> None:
    """Refuses a file that has no box of any of these pictures.

    Reads up to the first line that fits, so it takes long for a wrong file
    only.

    Args:
        options: `proposals_file`.
        image_ids: of all pictures that boxes are wanted of; one at least.

    Raises:
        InputError: if no line fits, the file is missing, or a line before
            is malformed.
    """
    wanted = set(image_ids)
    first = None
    for image_id, _ in _lines(options.proposals_file):
        if image_id in wanted:
            return
        first = image_id if first is None else first
    lines = "it has no lines" if first is None else f"its first is {first!r}"
    raise InputError(
        f"--proposals_file={options.proposals_file}: not one line is of a "
        f"photograph of these records. One of their ids is "
        f"{min(image_ids)!r}; of the file, {lines}. Write the ids of the "
        "records into its column image_id."
    )


@dataclasses.dataclass(frozen=True)
class _Table:
    """The file's B boxes, sorted by picture, then best first.

    Attributes:
        places: image id -> number of the picture.
        place: [B] int64 number of each box's picture, ascending.
        boxes: [B, 4] float32.
        scores: [B] float32.
    """

    places: dict[str, int]
    place: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


@functools.cache
def _table(path: str) -> _Table:
    """Reads the file once per process, 28 bytes a box."""
    places: dict[str, int] = {}
    place, numbers = array.array("q"), array.array("f")
    for image_id, row in _lines(path):
        numbers.extend(row)
        place.append(places.setdefault(image_id, len(places)))
    owners = np.array(place, np.int64)
    rows = np.array(numbers, np.float32).reshape(-1, 5)
    order = np.lexsort([-rows[:, 4], owners])
    return _Table(places, owners[order], rows[order, :4], rows[order, 4])


def _lines(path: str) -> Iterator[tuple[str, list[float]]]:
    """Yields image id, and the sides and score of each line."""
    if not path:
        raise InputError(
            "--proposals=file needs a file of boxes. Name it with "
            f"--proposals_file; its first line is {','.join(_HEADER)}."
        )
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            _check_header(next(lines, []), path)
            for row in filter(None, lines):
                where = f"{path}, line {lines.line_num}"
                yield row[0], _numbers(row, where)
    except OSError as error:
        raise InputError(
            f"--proposals_file={path} cannot be read ({error.strerror}). "
            "Correct the path."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"--proposals_file={path} is not a CSV file in UTF-8 ({error})."
            " Wanted: plain text with commas."
        ) from error


def _check_header(row: list[str], path: str) -> None:
    if row != _HEADER:
        raise InputError(
            f"{path}, line 1: the header is {','.join(row)!r}. Wanted: "
            f"{','.join(_HEADER)!r}. Correct the first line."
        )


def _numbers(row: list[str], where: str) -> list[float]:
    """Returns the four sides and the score of one line."""
    try:
        image_id, *numbers = row
        *sides, score = [float(number) for number in numbers]
    except ValueError:
        sides, score, image_id = [], math.nan, ""
    if len(sides) != 4 or not math.isfinite(score) or not image_id:
        raise InputError(
            f"{where}: {','.join(row)!r} is no box. Wanted: an image id, the "
            "four sides and a finite score, as the header says. Correct or "
            "remove the line."
        )
    return [*sides, score]
