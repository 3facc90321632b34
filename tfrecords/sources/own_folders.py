"""Folders that this project writes: runs, experiments and records.

They may lie among the photographs that they are made of. Their charts are no
photographs, and would be others at the next command.
"""

import pathlib
import re
from collections.abc import Collection

from tfrecords.errors import InputError
from tfrecords.sources.source_file import file_size

# How a file begins that names a folder as ours; a user's own may have the
# same name.
_BEGINNINGS = {
    "flags.txt": re.compile(rb"# The resolved flags of this run\."),
    "manifest.json": re.compile(rb'\{\s*"schema_version": \d+,\s*"source":'),
}
MARKS = tuple(_BEGINNINGS)
_HEAD_BYTES = 256


def is_own(folder: pathlib.Path, names: Collection[str]) -> bool:
    """Says whether a folder is a run, an experiment or records of ours.

    Args:
        folder: the folder.
        names: of what lies in it; a file is opened only where they have it.
    """
    return any(
        _begins(folder / name, beginning)
        for name, beginning in _BEGINNINGS.items()
        if name in names
    )


def refuse_records(data_dir: pathlib.Path) -> None:
    """Refuses records of ours where photographs are wanted.

    Raises:
        InputError: if finished ones lie right in the folder.
    """
    if is_own(data_dir, ["manifest.json"]):
        raise InputError(
            f"{data_dir} holds records that tfrecords.build wrote. Wanted: "
            "photographs, or TFRecords of the TF Object Detection API; read as "
            "such, they would lose proposals and labels. Take them as they are "
            f"with --records_dir={data_dir}, without --data_dir, or name the "
            "folder of the photographs."
        )


def _begins(path: pathlib.Path, beginning: re.Pattern) -> bool:
    try:
        # We write files, not links: what one leads to may lie outside.
        if path.is_symlink() or file_size(path) < 0:
            return False
        with open(path, "rb") as file:
            return bool(beginning.match(file.read(_HEAD_BYTES)))
    except (InputError, OSError):
        return False
