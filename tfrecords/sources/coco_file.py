"""One of COCO's json files, checked entry by entry, in flat arrays.

In: the path. Out: what it says about each photograph, or what is wrong with
that. A fault in an entry is that photograph's fault; only a file that does
not parse, or lacks one of its lists, is refused as a whole.
"""

import array
import dataclasses
import pathlib

import numpy as np
from absl import logging

from tfrecords.errors import InputError
from tfrecords.sources.box_table import BoxTable
from tfrecords.sources.box_table import MOST_PIXELS
from tfrecords.sources.box_table import Names
from tfrecords.sources.folder import tidy_name
from tfrecords.sources.json_lists import read_lists

_LARGEST_ID = 2**63 - 1
_NO_ID = -1
_ID = "a whole number from 0 on"
_SHOWN = 80  # characters of a wrong value, in a message


@dataclasses.dataclass(frozen=True)
class CocoEntry:
    """What a file says about one photograph.

    Attributes:
        rows: [G, 4] float32 (x, y, width, height) in pixels.
        labels: G class names.
        is_crowd: [G] bool.
        size: (height, width) in pixels, None where it is not stated.
    """

    rows: np.ndarray
    labels: tuple[str, ...]
    is_crowd: np.ndarray
    size: tuple[int, int] | None


class CocoFile:
    """The photographs, boxes and categories of one file.

    Attributes:
        categories: class names by category id.
    """

    def __init__(self, path: pathlib.Path):
        """Parses the file; a warning tells of annotations of no photograph.

        Raises:
            InputError: if it does not parse or a list is missing.
        """
        self._path = path
        self._names = Names()
        self._ids = array.array("q")
        self._sizes = array.array("q")
        self._boxes = BoxTable()
        self._faults = {}  # by row
        self._faulty = {}  # by image id, until rows are known
        self._num_homeless = 0
        self.categories = {}
        takers = {
            "annotations": self._take_annotation,
            "categories": self._take_category,
            "images": self._take_image,
        }
        missing = set(takers) - read_lists(path, takers)
        if missing:
            raise InputError(
                f"{path} has no list {' and no list '.join(sorted(missing))}. "
                "Wanted: COCO's instance annotations, with the lists images, "
                "annotations and categories."
            )
        self._join()
        if self._num_homeless:
            logging.warning(
                "%d annotations in %s are of no photograph that it lists, "
                "and are left out.",
                self._num_homeless,
                path,
            )

    def listed_names(self) -> list[str]:
        """Returns the names of all photographs, each once, in order.

        An entry without a usable name goes by its place, "images[7]".
        """
        firsts = self._names.firsts()
        is_first = firsts == np.arange(len(firsts))
        return [self._names[index] for index in np.flatnonzero(is_first)]

    def entry(self, name: str) -> CocoEntry:
        """Returns what the file says about one photograph.

        Raises:
            InputError: if it is not listed, or something about it is wrong.
        """
        row = self._names.find(name)
        if row < 0:
            raise InputError(f"{self._path} lists no photograph {name!r}.")
        if row in self._faults:
            raise InputError(f"{self._path}: {self._faults[row]}")
        rows, labels, is_crowd = self._boxes.of(row)
        height, width = self._sizes[2 * row : 2 * row + 2]
        return CocoEntry(
            rows=rows,
            labels=tuple(self.categories[label] for label in labels.tolist()),
            is_crowd=is_crowd,
            size=(height, width) if height > 0 and width > 0 else None,
        )

    def _take_image(self, index: int, item: object) -> None:
        item = item if isinstance(item, dict) else {}
        name, image_id = item.get("file_name"), item.get("id")
        size = [item.get("height") or 0, item.get("width") or 0]
        is_named = isinstance(name, str) and name.strip()
        fault = ""
        if not is_named:
            fault = f"`file_name` is {_shown(name)}, not the name of a file"
        elif not _is_id(image_id):
            fault = f"`id` is {_shown(image_id)}, not {_ID}"
        elif not all(map(_is_side, size)):
            fault = f"`height` and `width` are {_shown(size)}, not pixels"
        if fault:
            self._faults[index] = f"images[{index}]: {fault}."
            size = [0, 0]
        self._names.append(tidy_name(name) if is_named else f"images[{index}]")
        self._ids.append(image_id if _is_id(image_id) else _NO_ID)
        self._sizes.extend(map(int, size))

    def _take_annotation(self, index: int, item: object) -> None:
        item = item if isinstance(item, dict) else {}
        image_id = item.get("image_id")
        fault = _annotation_fault(item)
        if not _is_id(image_id):
            self._num_homeless += 1
        elif fault:
            self._faulty[image_id] = f"annotations[{index}]: {fault}."
        else:
            crowd = bool(item.get("iscrowd"))
            self._boxes.append(
                image_id, item["bbox"], item["category_id"], crowd
            )

    def _take_category(self, index: int, item: object) -> None:
        item = item if isinstance(item, dict) else {}
        category_id, name = item.get("id"), item.get("name")
        # A faulty one stays unknown, and with it what refers to it.
        if not _is_id(category_id) or not isinstance(name, str) or not name:
            return
        if self.categories.setdefault(category_id, name) != name:
            raise InputError(
                f"{self._path}: categories[{index}]: the id {category_id} is "
                f"that of {self.categories[category_id]!r} and of {name!r}. "
                "Give each category an id of its own."
            )

    def _join(self) -> None:
        """Hands boxes and faults to the photographs that they are about."""
        ids = np.array(self._ids, np.int64)
        firsts = self._names.firsts()
        for row in np.flatnonzero(firsts != np.arange(len(firsts))):
            name = self._names[row]
            self._fault(firsts[row], f"{name!r} is listed twice in images")
        order = np.argsort(ids, kind="stable")
        for place in np.flatnonzero(ids[order][1:] == ids[order][:-1]):
            for row in order[place : place + 2]:
                if ids[row] != _NO_ID:
                    self._fault(
                        row, f"the id {ids[row]} stands twice in images"
                    )
        owners = _rows(ids, order, self._boxes.owners)
        self._boxes.assign(owners)
        faulty = np.array(list(self._faulty), np.int64)
        faulty_rows = _rows(ids, order, faulty)
        for row, fault in zip(faulty_rows, self._faulty.values(), strict=True):
            if row >= 0:
                self._fault(row, fault)
        labels = self._boxes.labels
        known = np.array(list(self.categories), np.int64)
        for index in np.flatnonzero(~np.isin(labels, known) & (owners >= 0)):
            self._fault(
                owners[index],
                f"{self._names[owners[index]]!r} has a box of the category "
                f"{labels[index]}, which is not in categories",
            )
        self._num_homeless += int((owners < 0).sum() + (faulty_rows < 0).sum())

    def _fault(self, row: int, fault: str) -> None:
        self._faults.setdefault(int(row), f"{fault.rstrip('.')}.")


def _rows(ids: np.ndarray, order: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns at which rows of `ids`, sorted by `order`, ids stand; or -1."""
    if not len(ids):
        return np.full(len(wanted), -1)
    places = np.searchsorted(ids, wanted, sorter=order)
    rows = order[np.minimum(places, len(ids) - 1)]
    return np.where(ids[rows] == wanted, rows, -1)


def _annotation_fault(item: dict) -> str:
    box, category_id = item.get("bbox"), item.get("category_id")
    if not isinstance(box, list) or len(box) != 4:
        return f"`bbox` is {_shown(box)}, not [x, y, width, height]"
    if not all(map(_is_pixel, box)):
        return f"`bbox` is {_shown(box)}, not 4 numbers of pixels"
    if not _is_id(category_id):
        return f"`category_id` is {_shown(category_id)}, not {_ID}"
    if (item.get("iscrowd") or 0) not in (0, 1):
        return f"`iscrowd` is {_shown(item['iscrowd'])}, not 0 or 1"
    return ""


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_ID


def _is_pixel(value: object) -> bool:
    # NaN is in no range.
    return type(value) in (int, float) and abs(value) <= MOST_PIXELS


def _is_side(value: object) -> bool:
    return _is_pixel(value) and value >= 0 and value % 1 == 0


def _shown(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
