"""The folder of a module: written whole or not at all, and nothing else lost.

In: the place of a module. Out: a temporary folder that takes its place.
"""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator

from tfrecords import files
from tfrecords.errors import InputError

# What a module is made of: saved_model.pb and what TensorFlow and the export
# write beside it.
_MARK = "saved_model.pb"
_OWN = {_MARK, "fingerprint.pb", "variables", "assets", "assets.extra"}
_OWN |= {"keras.json", "README.md"}
# What systems and programs leave in any folder.
_NOBODYS = re.compile(r"\.DS_Store|\.nfs.*|\.ipynb_checkpoints|\..*\.tmp")
_NAMED = 3  # files, in a message


@contextlib.contextmanager
def replacing_module(module_dir: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path; it becomes `module_dir` when all went well.

    Raises:
        InputError: if something other than a module is at `module_dir`, a
            module's folder holds files of others, or the disk is full.
    """
    _check_place(pathlib.Path(module_dir))
    with files.replacing(module_dir) as temporary_dir:
        yield temporary_dir


def _check_place(module_dir: pathlib.Path) -> None:
    """Refuses to replace what is not a module."""
    if module_dir.is_dir():
        names = {entry.name for entry in module_dir.iterdir()}
        others = sorted(names)
        if _MARK in names:
            others = sorted(
                name for name in names - _OWN if not _NOBODYS.fullmatch(name)
            )
        if not others:
            return
        found = f"a folder with other files ({', '.join(others[:_NAMED])})"
    elif module_dir.exists():
        found = "a file"
    else:
        return
    raise InputError(
        f"{module_dir} is {found}; wanted a new or empty folder, or a module "
        "and nothing else, to replace. Choose another folder or move them away."
    )
