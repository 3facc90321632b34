"""TFRecords of the TF Object Detection API in; labeled boxes out.

    data_dir/train.record-00000-of-00010     a tf.train.Example per photograph
    data_dir/label_map.pbtxt                 class names, if records lack them

Read are all *.record, *.tfrecord, *.tfrecords and *-00000-of-00010 in the
folder; a file's split is named in its name, else it is "train". The pictures
stay as they are: fields image/encoded, image/height, image/width, and of
each object bbox, class (text, else label), difficult and is_crowd, which
counts as difficult.

A record's name, image/source_id or image/filename, need not be unique, and
no worker can look for it in a terabyte of files. So an image_id begins with
the record's place, file and byte: "train.record/123456/000012.jpg".
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
import re
from collections.abc import Mapping

from absl import logging

from tfrecords import record_file
from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.sources import folder
from tfrecords.sources.box_table import Names
from tfrecords.sources.detection_example import outline
from tfrecords.sources.detection_example import read_example
from tfrecords.sources.digest import content_digest
from tfrecords.sources.label_map import read_label_map
from tfrecords.sources.own_folders import refuse_records
from tfrecords.sources.splits import named_split

_FILE = re.compile(r"[^.].*(\.record|\.tfrecords?|-\d{5}-of-\d{5})", re.DOTALL)
_PLACE = re.compile(r"([^/]+)/(\d{1,18})(?:/(.*))?", re.DOTALL)
_GZIP = b"\x1f\x8b"


@dataclasses.dataclass(frozen=True)
class _Listing:
    """What is in one file.

    Attributes:
        image_ids: of all records in order, damaged ones by their place.
        classes: class names that occur.
        digest: SHA-256 (hex) of places, contents and faults of the records.
    """

    image_ids: Names
    classes: set[str]
    digest: str


class ObjectDetectionRecords:
    """All records of a folder, in the order of files and records."""

    name = "object_detection"

    def __init__(self, data_dir: str, seed: int = 0):
        """Looks for the files.

        Args:
            data_dir: the folder of the files.
            seed: unused; the files' names decide the splits.

        Raises:
            InputError: if there is no such file, or the files are records
                that tfrecords.build wrote.
        """
        self._data_dir = folder.existing_folder(
            data_dir, "a folder of TFRecord files"
        )
        self._listings = {}
        refuse_records(self._data_dir)
        if not _file_names(self._data_dir):
            raise InputError(
                f"No TFRecord file in {data_dir}: looked for names like "
                "train.record, train.tfrecord and train-00000-of-00010. "
                "Correct --data_dir."
            )

    def __reduce__(self):
        """Leaves behind what was listed; a copy opens the folder anew."""
        return type(self), (str(self._data_dir),)

    @staticmethod
    def is_here(data_dir: pathlib.Path) -> bool:
        """Says whether there is a file with such a name."""
        return bool(_file_names(data_dir))

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names that occur in records, sorted; reads all of them.

        Raises:
            InputError: as `keys`.
        """
        listings = map(self._listing, _file_names(self._data_dir))
        names = set().union(*(listing.classes for listing in listings))
        return tuple(sorted(names - {""}))

    def digest(self) -> str:
        """Returns a SHA-256 of the files' names, records and the label map.

        Reads all records, as `keys` does, but once for both. A file that may
        or can not be read, which `keys` refuses, counts by its size.

        Raises:
            InputError: if the label map is faulty.
        """
        lines = [str(sorted(self._label_map.items()))]
        for name in _file_names(self._data_dir):
            try:
                state = self._listing(name).digest
            except InputError:
                state = folder.size_inside(self._data_dir, name)
            lines.append(f"{name} {state}")
        return content_digest(self.name, lines)

    def keys(self) -> list[ImageKey]:
        """Returns all records, file by file; damaged ones by their place.

        Raises:
            InputError: if a file cannot be read, is compressed or lies
                outside, none holds a record, or the label map is faulty.
        """
        keys = []
        for name in _file_names(self._data_dir):
            image_ids = self._listing(name).image_ids
            split = named_split(name) or "train"
            for index in range(len(image_ids)):
                keys.append(ImageKey(split, image_ids[index]))
        if not keys:
            raise InputError(f"The files in {self._data_dir} hold no record.")
        return keys

    def read(self, key: ImageKey) -> ImageRecord:
        """Returns one record's picture and boxes.

        Raises:
            InputError: if there is no whole record at its place or it is
                another one, or a field is missing or has a wrong length.
        """
        place = _PLACE.fullmatch(key.image_id)
        if place is None or not _FILE.fullmatch(place[1]):
            raise InputError(
                f"There is no record {key.image_id!r} in {self._data_dir}. "
                "Wanted: <file>/<byte>/<name>."
            )
        path = folder.path_inside(self._data_dir, place[1])
        content = _content(path, int(place[2]))
        where = f"{path}, record at byte {place[2]}"
        found, _ = outline(content, {})
        if (place[3] or "") != found:
            raise InputError(
                f"{where} is {found!r}, listed was {place[3]!r}. Was the file "
                "changed since? Begin anew."
            )
        return read_example(key, content, self._label_map, where)

    def _listing(self, name: str) -> _Listing:
        """Reads a file once; a warning tells of damage."""
        if name not in self._listings:
            path = folder.path_inside(self._data_dir, name)
            _refuse_compressed(path)
            self._listings[name] = _listing(path, self._label_map)
        return self._listings[name]

    @functools.cached_property
    def _label_map(self) -> dict[int, str]:
        paths = sorted(self._data_dir.glob("*.pbtxt"))
        if len(paths) > 1:
            paths = [path for path in paths if "label" in path.name]
        if len(paths) > 1:
            raise InputError(
                f"Several label maps in {self._data_dir}: "
                f"{', '.join(path.name for path in paths)}. Keep one."
            )
        if not paths:
            return {}
        return read_label_map(folder.path_inside(self._data_dir, paths[0].name))


def _file_names(data_dir: pathlib.Path) -> list[str]:
    try:
        names = os.listdir(data_dir)
    except OSError:
        return []
    return sorted(
        name
        for name in names
        if _FILE.fullmatch(name) and (data_dir / name).is_file()
    )


def _listing(path: pathlib.Path, label_map: Mapping[int, str]) -> _Listing:
    """Reads a file record by record: it may be larger than the memory."""
    image_ids, classes, damaged = Names(), set(), []
    digest = hashlib.sha256()
    for record in record_file.read_records(path):
        image_id = f"{path.name}/{record.offset}"
        digest.update(f"\n{record.offset} {record.fault}\n".encode())
        digest.update(record.content)
        if record.fault:
            damaged.append(record)
        else:
            found, names = outline(record.content, label_map)
            image_id += f"/{found}" if found else ""
            classes |= names
        image_ids.append(image_id)
    if damaged:
        logging.warning(
            "%s: %d damaged places, the first is record %d at byte %d: %s. "
            "All whole records are used.",
            path,
            len(damaged),
            damaged[0].index,
            damaged[0].offset,
            damaged[0].fault,
        )
    return _Listing(image_ids, classes, digest.hexdigest())


def _refuse_compressed(path: pathlib.Path) -> None:
    try:
        with open(path, "rb") as file:
            is_compressed = file.read(len(_GZIP)) == _GZIP
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror})."
        ) from error
    if is_compressed:
        raise InputError(
            f"{path} is compressed, so no record can be reached by its place. "
            "Unpack it with gunzip."
        )


def _content(path: pathlib.Path, offset: int) -> bytes:
    try:
        return record_file.read_record(str(path), offset)
    except (InputError, MemoryError, OverflowError) as error:
        raise InputError(
            f"{path} holds no whole record at byte {offset}: it is missing or "
            "damaged there. Copy the file again from where it came."
        ) from error
