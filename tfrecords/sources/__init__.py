"""Sources of photographs by name: folders in, ImageRecords out."""

import difflib
import pathlib

from tfrecords.errors import InputError
from tfrecords.sources.coco import Coco
from tfrecords.sources.csv_boxes import CsvBoxes
from tfrecords.sources.image_folder import ImageFolder
from tfrecords.sources.object_detection import ObjectDetectionRecords
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


def open_source(name: str, data_dir: str, seed: int) -> Source:
    """Returns the source called `name` over the folder `data_dir`.

    Args:
        name: a key of `SOURCES`, or "auto": the one whose files are seen in
            `data_dir`, else "image_folder".
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
    if name == "auto":
        name = _seen(pathlib.Path(data_dir))
    return SOURCES[name](data_dir, seed)


def _seen(data_dir: pathlib.Path) -> str:
    """Returns the name of the one kind that a folder seems to be of."""
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
