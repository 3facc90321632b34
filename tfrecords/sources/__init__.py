"""Sources of photographs by name: folders in, ImageRecords out."""

import difflib
import pathlib

from tfrecords.errors import InputError
from tfrecords.sources.image_folder import ImageFolder
from tfrecords.sources.source import Source
from tfrecords.sources.synthetic import Synthetic
from tfrecords.sources.voc import find_year_dirs
from tfrecords.sources.voc import VocDevkit

SOURCES = {
    "image_folder": ImageFolder,
    "synthetic": Synthetic,
    "voc": VocDevkit,
}


def open_source(name: str, data_dir: str, seed: int) -> Source:
    """Returns the source called `name` over the folder `data_dir`.

    Args:
        name: a key of `SOURCES`, or "auto": "voc" where `data_dir` holds a
            VOCdevkit with a year in it, or is one or such a year's folder,
            else "image_folder".
        data_dir: the folder to read; the synthetic source reads none.
        seed: decides the scenes and the split of the synthetic source; the
            splits of the others do not depend on it.

    Raises:
        InputError: if the name is unknown, or the folder is missing or
            holds nothing that the source could read.
    """
    if name == "auto":
        is_voc = data_dir and find_year_dirs(pathlib.Path(data_dir))
        name = "voc" if is_voc else "image_folder"
    if name not in SOURCES:
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
    return SOURCES[name](data_dir, seed)
