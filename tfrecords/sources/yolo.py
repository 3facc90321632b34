"""YOLO's text labels in, as Ultralytics lays them out; labeled boxes out.

    data_dir/images/train/day/a.jpg     or  data_dir/train/images/day/a.jpg
    data_dir/labels/train/day/a.txt         data_dir/train/labels/day/a.txt

A label file has a row `class cx cy w h` per box, as fractions of the upright
picture's width and height; longer rows are the corners of a polygon, of
which the bounding box is taken. A picture without a label file has no boxes.
A folder of a split is wholly named after it, such as valid or val2017 (not
valley). Beside a val all else is train; where there is none, a hash of the
names holds a tenth out. Class names stand in data.yaml, data.yml, classes.txt
or obj.names; else the numbers are the names. Paths in the yaml are never
followed.
"""

import functools
import pathlib

import numpy as np

from tfrecords import box_formats
from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.images import stated_shape
from tfrecords.sources import folder
from tfrecords.sources import source_file
from tfrecords.sources.digest import content_digest
from tfrecords.sources.digest import label_digest
from tfrecords.sources.splits import filled_splits
from tfrecords.sources.splits import folder_split
from tfrecords.sources.yolo_classes import class_names

_BOX = 4  # numbers after the class
_SLACK = 0.01  # beyond the border, of rounding
_MOST_BYTES = 1 << 26  # of labels; a row may be a long polygon
_LARGEST_CLASS = 10**6


class Yolo:
    """All pictures in the folders `images`, by relative path."""

    name = "yolo"

    def __init__(self, data_dir: str, seed: int = 0):
        """Looks for the folders of pictures and labels.

        Args:
            data_dir: the folder that holds `images` and `labels`, or a
                folder per split that does.
            seed: unused; folders, or the names, decide the splits.

        Raises:
            InputError: if the folders are not there.
        """
        self._data_dir = folder.existing_folder(
            data_dir, "a folder with images/ and labels/"
        )
        if not self.is_here(self._data_dir):
            raise InputError(
                f"No YOLO data in {data_dir}: looked for images/ beside "
                "labels/, in it and in the folders train, val, valid and "
                "test. Correct --data_dir."
            )

    def __reduce__(self):
        """Leaves behind what was listed; a copy opens the folder anew."""
        return type(self), (str(self._data_dir),)

    @staticmethod
    def is_here(data_dir: pathlib.Path) -> bool:
        """Says whether there are folders `images` beside `labels`."""
        return bool(_image_folders(data_dir))

    @functools.cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names, sorted; without names reads all label files.

        Raises:
            InputError: if the file of names cannot be used.
        """
        if self._class_names is not None:
            return tuple(sorted({*self._class_names.values()} - {""}))
        numbers = set()
        for name in self._names:
            try:
                numbers.update(label for label, _ in self._rows(name))
            except InputError:
                continue  # `read` will say so.
        return tuple(sorted(map(str, numbers)))

    def digest(self) -> str:
        """Returns a SHA-256 of splits, class names, pictures' sizes, labels.

        Raises:
            InputError: as `keys` and `classes`.
        """
        lines = [str(sorted((self._class_names or {}).items()))]
        for key in self.keys():
            name = key.image_id
            size = folder.size_inside(self._data_dir, name)
            labels = label_digest(
                self._data_dir, _label_name(name), _MOST_BYTES
            )
            lines.append(f"{key.split} {name} {size} {labels}")
        return content_digest(self.name, lines)

    def keys(self) -> list[ImageKey]:
        """Returns all pictures, sorted by relative path.

        Raises:
            InputError: if there is none, or a folder cannot be read.
        """
        named = list(map(_named_split, self._names))
        return list(
            map(ImageKey, filled_splits(self._names, named), self._names)
        )

    def read(self, key: ImageKey) -> ImageRecord:
        """Returns one picture's path and boxes.

        Raises:
            InputError: if the picture is missing or no picture, a row of
                its labels is faulty, or one of the two lies outside.
        """
        name = key.image_id
        path = folder.picture_inside(self._data_dir, name)
        rows = self._rows(name)
        size, _ = stated_shape(path)
        names = self._class_names
        labels = []
        for label, _ in rows:
            if names is not None and label not in names:
                raise InputError(
                    f"{self._data_dir / _label_name(name)}: there is no name "
                    f"for class {label}; the names given are of "
                    f"{min(names)} to {max(names)}."
                )
            labels.append(str(label) if names is None else names[label])
        return ImageRecord(
            key=key,
            image=path,
            boxes=box_formats.from_centers([box for _, box in rows], size),
            labels=tuple(labels),
            difficult=np.zeros(len(rows), bool),
            size=size,
        )

    @functools.cached_property
    def _names(self) -> list[str]:
        names = [
            name
            for below in _image_folders(self._data_dir)
            for name in folder.list_pictures(self._data_dir, below)
        ]
        if not names:
            raise InputError(
                f"No picture in the folders images/ of {self._data_dir}. "
                "Looked for names ending in "
                f"{', '.join(folder.PICTURE_SUFFIXES)} (upper or lower case)."
            )
        return sorted(names)

    @functools.cached_property
    def _class_names(self) -> dict[int, str] | None:
        return class_names(self._data_dir)

    def _rows(self, name: str) -> list[tuple[int, list[float]]]:
        """Returns class and (cx, cy, w, h) of each row of labels."""
        path = folder.path_inside(self._data_dir, _label_name(name))
        if source_file.is_missing(path):
            return []
        text = source_file.read_text(path, "label file", _MOST_BYTES)
        return [
            _parsed(line, f"{path}, line {number}")
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        ]


def _image_folders(data_dir: pathlib.Path) -> list[str]:
    """Returns the names of all folders `images`, if one is beside `labels`."""
    splits = sorted(
        path.parent.name
        for path in data_dir.glob("*/images")
        if folder_split(path.parent.name) and path.is_dir()
    )
    below = [f"{split}/" for split in splits]
    if (data_dir / "images").is_dir():
        below.append("")
    if not any((data_dir / place / "labels").is_dir() for place in below):
        return []
    return [f"{place}images" for place in below]


def _named_split(name: str) -> str | None:
    parts = name.split("/")
    folder_name = parts[1] if parts[0] == "images" else parts[0]
    # A picture right in images/ lies in no folder of a split.
    return folder_split(folder_name) if len(parts) > 2 else None


def _label_name(name: str) -> str:
    """Returns the name of the labels of the picture `name`.

    Raises:
        InputError: if the picture lies in no folder `images`.
    """
    parts = list(pathlib.PurePosixPath(name).with_suffix(".txt").parts)
    if "images" not in parts[:-1][:2]:
        raise InputError(
            f"There is no picture {name!r}: it lies in no folder images/."
        )
    parts[parts.index("images")] = "labels"
    return "/".join(parts)


def _parsed(line: str, place: str) -> tuple[int, list[float]]:
    fields = line.split()
    try:
        label, *numbers = (float(field) for field in fields)
    except ValueError:
        numbers = []
    if len(numbers) < _BOX or len(numbers) % 2:
        raise InputError(
            f"{place} is {line[:80]!r}. Wanted: `class cx cy w h`, or a class "
            "and the corners x y of a polygon, all numbers."
        )
    # NaN is in no range.
    if label % 1 or not 0 <= label <= _LARGEST_CLASS:
        raise InputError(f"{place}: the class {fields[0][:80]} is no number.")
    if not all(-_SLACK <= number <= 1 + _SLACK for number in numbers):
        raise InputError(
            f"{place} is {line[:80]!r}: not all numbers are from 0 to 1. "
            "Wanted: fractions of the picture's width and height."
        )
    if len(numbers) == _BOX:
        return int(label), numbers
    x, y = numbers[::2], numbers[1::2]
    width, height = max(x) - min(x), max(y) - min(y)
    return int(label), [
        min(x) + width / 2,
        min(y) + height / 2,
        width,
        height,
    ]
