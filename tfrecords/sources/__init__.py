"""Sources of photographs by name: folders in, ImageRecords out."""

import difflib
import itertools
import os
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence

from absl import logging

from tfrecords.errors import InputError
from tfrecords.sources.coco import Coco
from tfrecords.sources.csv_boxes import CsvBoxes
from tfrecords.sources.image_folder import ImageFolder
from tfrecords.sources.object_detection import ObjectDetectionRecords
from tfrecords.sources.own_folders import is_own
from tfrecords.sources.own_folders import refuse_records
from tfrecords.sources.source import Source
from tfrecords.sources.synthetic import Synthetic
from tfrecords.sources.voc import VocDevkit
from tfrecords.sources.yolo import Yolo

SOURCES = {
    "coco": Coco,
    "csv": CsvBoxes,
    "image_folder": ImageFolder,
    "object_detection": ObjectDetectionRecords,
    "synthetic": Synthetic,
    "voc": VocDevkit,
    "yolo": Yolo,
}
# What any folder is that is nothing else.
_FALLBACK = "image_folder"
_ANNOTATION_SUFFIXES = (".csv", ".json", ".xml")
_MOST_ENTRIES = 100_000  # looked at: a folder may hold millions of pictures
_NAMED_FILES = 5  # in a warning


def open_source(name: str, data_dir: str, seed: int) -> Source:
    """Returns the source called `name` over the folder `data_dir`.

    Args:
        name: a key of `SOURCES`, or "auto": the one whose files are seen in
            `data_dir`, else "image_folder". What auto took is logged, with a
            warning where files look like annotations that it passed over.
        data_dir: the folder to read; the synthetic source reads none.
        seed: decides the scenes and the split of the synthetic source; the
            splits of the others do not depend on it.

    Raises:
        InputError: if the name is unknown, the folder is missing or not of
            this kind, or "auto" sees several kinds.
    """
    if name != "auto" and name not in SOURCES:
        close = difflib.get_close_matches(name, SOURCES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(
            f"Unknown source {name!r}.{hint} Known sources: auto, "
            f"{', '.join(SOURCES)}."
        )
    if not data_dir and name != "synthetic":
        raise InputError(
            f"The source {name!r} needs a folder, and none was given. "
            "Name one with --data_dir, or use --source=synthetic."
        )
    if name != "auto":
        return SOURCES[name](data_dir, seed)
    name = _seen(pathlib.Path(data_dir))
    source = SOURCES[name](data_dir, seed)
    logging.info("--source=auto: %s is read as %s.", data_dir, name)
    if name == _FALLBACK:
        _warn_of_annotations(pathlib.Path(data_dir))
    return source


def _seen(data_dir: pathlib.Path) -> str:
    """Returns the name of the one kind that a folder seems to be of."""
    refuse_records(data_dir)
    seen = [
        name
        for name, kind in SOURCES.items()
        if name != _FALLBACK and kind.is_here(data_dir)
    ]
    if len(seen) > 1:
        choices = " or ".join(f"--source={name}" for name in seen)
        raise InputError(
            f"{data_dir} may be read as {' and as '.join(seen)}. Say which "
            f"is meant: {choices}."
        )
    return seen[0] if seen else _FALLBACK


def _warn_of_annotations(data_dir: pathlib.Path) -> None:
    """Warns of files that may be annotations of no kind that is known."""
    names = list(itertools.islice(_annotations(data_dir), _NAMED_FILES + 1))
    if not names:
        return
    more = ", ..." if len(names) > _NAMED_FILES else ""
    logging.warning(
        "%s is read as plain pictures, without boxes or labels. If %s%s hold "
        "annotations, they are in no layout that is known; BUILD.md, 'Data "
        "and weights', has the layouts. --source=image_folder says that plain "
        "pictures are meant.",
        data_dir,
        ", ".join(map(repr, names[:_NAMED_FILES])),
        more,
    )


def _annotations(data_dir: pathlib.Path) -> Iterator[str]:
    """Yields names of json, csv and xml files, one folder deep at most."""
    entries = _entries(data_dir, _MOST_ENTRIES)
    yield from _annotation_names(entries)
    # What a link leads to may lie outside.
    below = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    # First where annotations lie most often: not all may be looked at.
    below.sort(key=lambda name: (name.lower() != "annotations", name))
    left = _MOST_ENTRIES - len(entries)
    for name in below:
        if left <= 0:
            return
        entries = _entries(data_dir / name, left)
        left -= len(entries)
        if not is_own(data_dir / name, [entry.name for entry in entries]):
            files = _annotation_names(entries)
            yield from (f"{name}/{file}" for file in files)


def _annotation_names(entries: Sequence[os.DirEntry]) -> list[str]:
    return sorted(
        entry.name
        for entry in entries
        if entry.name.lower().endswith(_ANNOTATION_SUFFIXES)
        and not entry.is_dir(follow_symlinks=False)
    )


def _entries(place: pathlib.Path, most: int) -> list[os.DirEntry]:
    """Returns some entries of a folder, hidden ones left out."""
    try:
        with os.scandir(place) as entries:
            some = itertools.islice(entries, most)
            return [entry for entry in some if entry.name[0] != "."]
    except OSError:
        return []  # Whoever lists the pictures will say so.
