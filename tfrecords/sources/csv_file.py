"""A csv table of boxes, checked row by row, in flat arrays.

In: the path. Out: what its rows say about each photograph, or what is wrong
with them. A faulty row is its photograph's fault; only a table that is no
csv, or lacks a column, is refused as a whole.
"""

import array
import csv
import pathlib
from collections.abc import Iterator

import numpy as np

from tfrecords.errors import InputError
from tfrecords.sources.box_table import BoxTable
from tfrecords.sources.box_table import MOST_PIXELS
from tfrecords.sources.box_table import Names
from tfrecords.sources.folder import tidy_name
from tfrecords.sources.splits import folder_split

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_OPTIONAL = ("class", "split", "difficult", "width", "height")
WANTED = {"filename", *_CORNERS}
_FLAGS = {"": False, "0": False, "false": False, "1": True, "true": True}
_SPLITS = (None, "train", "val", "test")
_UNSET = -1
_CONTRADICTION = "split or size are not what an earlier row says"


class CsvFile:
    """The photographs and boxes of one table.

    Rows of one photograph usually follow each other: such a run is what
    names, splits and sizes are kept for, one by one, while the table is
    read. Equal names are found at the end.
    """

    def __init__(self, path: pathlib.Path):
        """Parses the table.

        Raises:
            InputError: if it cannot be read, is no csv, or lacks a column.
        """
        self._path = path
        self._names = Names()
        self._splits = array.array("b")
        self._sizes = array.array("i")  # height, width; 0 where not stated
        self._boxes = BoxTable()
        self._faults = {}  # by run, later by photograph
        self._classes = {}
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                self._parse(csv.reader(file, strict=True))
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror})."
            ) from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path} is not a text file in UTF-8: {error}."
            ) from error
        self._join()

    @property
    def classes(self) -> list[str]:
        """Class names, in the order in which they came."""
        return [name for name in self._classes if name]

    def listed(self) -> Iterator[tuple[str, str | None]]:
        """Yields name and split of each photograph; None for no split."""
        is_first = self._firsts == np.arange(len(self._firsts))
        for run in np.flatnonzero(is_first):
            # Where no row could be used, the split is unset: as none.
            split = _SPLITS[max(self._splits[run], 0)]
            yield self._names[run], split

    def rows(
        self, name: str
    ) -> tuple[np.ndarray, tuple[str, ...], np.ndarray, tuple[int, int] | None]:
        """Returns what the table says about one photograph.

        Returns:
            Corners (xmin, ymin, xmax, ymax) [G, 4] float32, G class names,
            difficult [G] bool, and (height, width) or None.

        Raises:
            InputError: if it is not in the table, or a row is faulty.
        """
        run = self._names.find(name)
        if run < 0:
            raise InputError(f"{self._path} names no photograph {name!r}.")
        if run in self._faults:
            raise InputError(f"{self._path}, {self._faults[run]}")
        corners, labels, difficult = self._boxes.of(run)
        names = list(self._classes)
        height, width = self._sizes[2 * run : 2 * run + 2]
        return (
            corners,
            tuple(names[label] for label in labels),
            difficult,
            (height, width) if height > 0 else None,
        )

    def _parse(self, reader) -> None:
        try:
            header = [column.strip().lower() for column in next(reader, [])]
            self._check_header(header)
            last = None
            for fields in filter(None, reader):
                row = dict.fromkeys(_OPTIONAL, "")
                row.update(zip(header, map(str.strip, fields), strict=False))
                stated = tidy_name(row.get("filename", ""))
                name = stated or f"{self._path.name}:{reader.line_num}"
                if name != last:
                    self._names.append(name)
                    self._splits.append(_UNSET)
                    self._sizes.extend((_UNSET, _UNSET))
                    last = name
                if len(fields) != len(header):
                    fault = f"{len(fields)} fields under {len(header)} columns"
                elif not stated:
                    fault = "`filename` is empty"
                else:
                    fault = self._take(row)
                if fault:
                    run = len(self._names) - 1
                    self._faults.setdefault(
                        run, f"line {reader.line_num}: {fault}."
                    )
        except csv.Error as error:
            raise InputError(
                f"{self._path}, line {reader.line_num}, is not valid csv: "
                f"{error}."
            ) from error

    def _check_header(self, header: list[str]) -> None:
        missing = sorted(WANTED - set(header))
        if missing or len(set(header)) < len(header):
            raise InputError(
                f"{self._path}: the header is {','.join(header)[:200]!r}. "
                "Wanted: filename,xmin,ymin,xmax,ymax, and perhaps "
                f"{','.join(_OPTIONAL)}, each once, separated by commas."
            )

    def _take(self, row: dict[str, str]) -> str:
        """Keeps what a row says, or says what is wrong with it."""
        split = folder_split(row["split"])
        size = [_side(row["height"]), _side(row["width"])]
        if row["split"] and not split:
            return f"`split` is {row['split'][:80]!r}, not train, val or test"
        if None in size or (size[0] == 0) != (size[1] == 0):
            return (
                f"`height`, `width` are {row['height'][:80]!r}, "
                f"{row['width'][:80]!r}, not two numbers of pixels"
            )
        if self._splits[-1] == _UNSET:
            self._splits[-1] = _SPLITS.index(split)
            self._sizes[-2:] = array.array("i", size)
        elif (self._splits[-1], *self._sizes[-2:]) != (
            _SPLITS.index(split),
            *size,
        ):
            return _CONTRADICTION
        corners = [row[name] for name in _CORNERS]
        if not any(corners):
            return ""
        numbers = [_number(text) for text in corners]
        if None in numbers:
            return f"corners are {str(corners)[:80]}, not 4 numbers of pixels"
        flag = row["difficult"].lower()
        if flag not in _FLAGS:
            return f"`difficult` is {flag[:80]!r}, not 0 or 1"
        name = row["class"]
        label = self._classes.setdefault(name, len(self._classes))
        run = len(self._names) - 1
        self._boxes.append(run, numbers, label, _FLAGS[flag])
        return ""

    def _join(self) -> None:
        """Makes one of the runs of a photograph that are apart."""
        self._firsts = firsts = self._names.firsts()
        for run, fault in sorted(self._faults.items()):
            self._faults.setdefault(int(firsts[run]), fault)
        splits = np.array(self._splits)
        sizes = np.array(self._sizes).reshape(-1, 2)
        differs = (splits != splits[firsts]) | (sizes != sizes[firsts]).any(1)
        for run in np.flatnonzero(differs):
            self._faults.setdefault(
                int(firsts[run]), f"{self._names[run]!r}: {_CONTRADICTION}."
            )
        self._boxes.assign(firsts[self._boxes.owners])


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # NaN is in no range.
    return number if abs(number) <= MOST_PIXELS else None


def _side(text: str) -> int | None:
    """Returns a number of pixels, 0 where nothing is stated."""
    if not text:
        return 0
    number = _number(text)
    if number is None or number < 1 or number % 1:
        return None
    return int(number)
