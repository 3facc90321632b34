"""A csv table of boxes in; photographs with labeled boxes out.

    filename,xmin,ymin,xmax,ymax,class,split,difficult,width,height
    day1/a.jpg,10,20,110,220,dog,train,0,640,480
    day1/b.jpg,,,,,,val,,,

The table is `data_dir/boxes.csv`, or the only *.csv there: commas, a header,
UTF-8. One row is one box; a row with four empty corners says that there is a
photograph. Corners are continuous pixels from 0, half-open: the whole picture
is 0, 0, width, height. File names are relative to `data_dir`. The columns
from `class` on may be missing or empty. Without a split, folders named train,
val and test tell it. Beside a val all else is train; where there is none, a
hash of the names holds a tenth out. Other columns are passed over.
"""

import csv
import functools
import pathlib

from absl import logging

from tfrecords import box_formats
from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.sources import folder
from tfrecords.sources import source_file
from tfrecords.sources.csv_file import CsvFile
from tfrecords.sources.csv_file import WANTED
from tfrecords.sources.digest import content_digest
from tfrecords.sources.splits import filled_splits
from tfrecords.sources.splits import told_splits

_HEAD_BYTES = 1 << 16


class CsvBoxes:
    """All photographs that a table of boxes names, by relative path.

    A faulty row without a file name is called after its place,
    "boxes.csv:17".
    """

    name = "csv"

    def __init__(self, data_dir: str, seed: int = 0):
        """Looks for the table.

        Args:
            data_dir: the folder of table and photographs.
            seed: unused; the table, folders or the names decide the splits.

        Raises:
            InputError: if there is no table, or several.
        """
        self._data_dir = folder.existing_folder(
            data_dir, "a folder with boxes.csv"
        )
        path = _table_path(self._data_dir)
        if path is None:
            raise InputError(
                f"No table of boxes in {data_dir}: looked for boxes.csv, or "
                "a single *.csv. Correct --data_dir, or call the table "
                "boxes.csv."
            )
        self._path = folder.path_inside(self._data_dir, path.name)

    def __reduce__(self):
        """Leaves behind what was parsed; a copy opens the folder anew."""
        return type(self), (str(self._data_dir),)

    @staticmethod
    def is_here(data_dir: pathlib.Path) -> bool:
        """Says whether there is a table with the wanted header."""
        path = _table_path(data_dir)
        if path is None:
            return False
        head = folder.read_head(data_dir, path, _HEAD_BYTES)
        lines = head.decode("utf-8-sig", errors="replace").splitlines()
        try:
            header = next(csv.reader(lines[:1]), [])
        except csv.Error:
            return False
        return WANTED <= {column.strip().lower() for column in header}

    @property
    def classes(self) -> tuple[str, ...]:
        """The names in the column `class`, sorted; parses the table.

        Raises:
            InputError: as `keys`.
        """
        return tuple(sorted(self._file.classes))

    def digest(self) -> str:
        """Returns a SHA-256 of splits, the table and the pictures' sizes.

        Raises:
            InputError: as `keys`.
        """
        keys = self.keys()
        self._tell_of_unlisted({key.image_id for key in keys})
        lines = (
            f"{key.split} {key.image_id} "
            f"{folder.size_inside(self._data_dir, key.image_id)}"
            for key in keys
        )
        return content_digest(self.name, lines, [self._path])

    def _tell_of_unlisted(self, listed: set[str]) -> None:
        pictures = folder.list_pictures(self._data_dir)
        unlisted = [name for name in pictures if name not in listed]
        if unlisted:
            logging.warning(
                "%d of %d pictures in %s are in no row of %s and are left out, "
                "%s first. A row with empty corners takes a picture "
                "without boxes.",
                len(unlisted),
                len(pictures),
                self._data_dir,
                self._path.name,
                unlisted[0],
            )

    def keys(self) -> list[ImageKey]:
        """Returns all photographs in the order of their first row.

        Raises:
            InputError: if the table cannot be read, is not a csv, lacks a
                column or names no photograph.
        """
        listed = list(self._file.listed())
        if not listed:
            raise InputError(f"The table {self._path} names no photograph.")
        names = [name for name, _ in listed]
        named = [
            stated or told
            for (_, stated), told in zip(
                listed, told_splits(names), strict=True
            )
        ]
        return list(map(ImageKey, filled_splits(names, named), names))

    def read(self, key: ImageKey) -> ImageRecord:
        """Returns one photograph's path and boxes.

        Raises:
            InputError: if one of its rows is faulty or they contradict each
                other, or the picture is missing or lies outside.
        """
        rows, labels, difficult, size = self._file.rows(key.image_id)
        return ImageRecord(
            key=key,
            image=folder.picture_inside(self._data_dir, key.image_id),
            boxes=box_formats.from_xyxy(rows),
            labels=labels,
            difficult=difficult,
            size=size,
        )

    @functools.cached_property
    def _file(self) -> CsvFile:
        source_file.check_file(self._path, "table")
        return CsvFile(self._path)


def _table_path(data_dir: pathlib.Path) -> pathlib.Path | None:
    paths = sorted(data_dir.glob("*.csv"))
    named = [path for path in paths if path.name == "boxes.csv"]
    paths = named or paths
    return paths[0] if len(paths) == 1 else None
