"""A source's folder: its pictures, and paths that never leave it.

Names are relative paths with "/" on every system. They come from files that
a stranger may have made, so each is checked before it is opened: neither an
absolute path, nor "..", nor a link may lead outside of the folder.
"""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Iterator
from collections.abc import Mapping

from absl import logging

from tfrecords.errors import InputError
from tfrecords.sources.own_folders import is_own
from tfrecords.sources.own_folders import MARKS
from tfrecords.sources.source_file import check_file
from tfrecords.sources.source_file import file_size

PICTURE_SUFFIXES = (
    *(".bmp", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff"),
    ".webp",
)
# Pictures too, but not read: newer formats, and those of cameras.
_OTHER_SUFFIXES = (
    *(".avif", ".gif", ".heic", ".heif", ".jp2", ".jxl"),
    *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf"),
    *(".rw2", ".srw"),
)
_NAMED = 10  # links or folders, in a line of the log


@dataclasses.dataclass
class _Seen:
    """What lies in one folder, by relative path.

    Attributes:
        pictures: those that may be read.
        folders: that are to be searched too.
        links: to pictures and folders outside.
        others: number of pictures in formats that are not read, by ending.
        marks: plain names of files that may say that the folder is ours.
    """

    pictures: list[str] = dataclasses.field(default_factory=list)
    folders: list[str] = dataclasses.field(default_factory=list)
    links: list[str] = dataclasses.field(default_factory=list)
    others: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    marks: list[str] = dataclasses.field(default_factory=list)


def existing_folder(data_dir: str, wanted: str) -> pathlib.Path:
    """Returns `data_dir` as an absolute path.

    Args:
        data_dir: as the user gave it.
        wanted: what it should hold, for the message.

    Raises:
        InputError: if there is no such folder.
    """
    folder = pathlib.Path(data_dir).absolute()
    if not folder.is_dir():
        fault = "is no folder" if folder.exists() else "does not exist"
        raise InputError(
            f"The data folder {data_dir} {fault}. Wanted: {wanted}. "
            "Correct --data_dir."
        )
    return folder


def list_pictures(data_dir: pathlib.Path, below: str = "") -> list[str]:
    """Returns the names of all pictures in a folder and those in it, sorted.

    Hidden files and folders are left out, and so are links that lead
    outside; a warning names those. Another one counts pictures in formats
    that are not read. Runs and records of ours in the folder are left out,
    and a line says so. A name that is not valid UTF-8 comes with its odd
    bytes written out, such as `\\udcff`.

    Args:
        data_dir: the folder that names are relative to.
        below: name of the folder in it that is searched.

    Raises:
        InputError: if a folder cannot be read.
    """
    found, links, own, pending = [], [], [], [below]
    others = collections.Counter()
    while pending:
        folder = pending.pop()
        seen = _look(data_dir, folder)
        # The folder that was named is wanted, whatever it is.
        if folder != below and is_own(data_dir / folder, seen.marks):
            own.append(folder)
            continue
        found += seen.pictures
        links += seen.links
        pending += seen.folders
        others += seen.others
    if links:
        _warn_of_links(data_dir, sorted(links))
    if others:
        _warn_of_others(data_dir / below, others)
    if own:
        _tell_of_own(data_dir, sorted(own))
    return sorted(set(map(_written_out, found)))


def tidy_name(name: str) -> str:
    """Returns one spelling of a relative path that a file states.

    Windows writes "\\" for "/"; "./a//b.jpg" is "a/b.jpg".
    """
    name = name.strip().replace("\\", "/")
    if "./" not in name and "//" not in name:
        return name  # Most are, and there are millions.
    return pathlib.PurePosixPath(name).as_posix()


def path_inside(data_dir: pathlib.Path, name: str) -> pathlib.Path:
    """Returns the path of `name`, which need not be there.

    Raises:
        InputError: if it is no relative path, or leads outside of
            `data_dir`.
    """
    parts = pathlib.PurePosixPath(name).parts
    if not parts or name[0] == "/" or ".." in parts or not _is_text(name):
        raise InputError(
            f"{name!r} cannot name a file in {data_dir}. Wanted: a path "
            "relative to it, without '..', in valid UTF-8."
        )
    path = data_dir / name
    if not _is_inside(path, data_dir):
        raise InputError(
            f"{path} is a link that leads outside of {data_dir}. Copy what "
            "it leads to into the folder."
        )
    return path


def picture_inside(data_dir: pathlib.Path, name: str) -> pathlib.Path:
    """Returns the path of the picture `name`.

    Raises:
        InputError: as `path_inside`, and if there is no such file.
    """
    path = path_inside(data_dir, name)
    check_file(path, "picture")
    return path


def read_head(
    data_dir: pathlib.Path, path: pathlib.Path, most_bytes: int
) -> bytes:
    """Returns how a file begins; b"" for what may or can not be read."""
    try:
        if not _is_inside(path, data_dir) or file_size(path) < 0:
            return b""
        with open(path, "rb") as file:
            return file.read(most_bytes)
    except (InputError, OSError):
        return b""


def size_inside(data_dir: pathlib.Path, name: str) -> int:
    """Returns a file's size in bytes, -1 where it may or can not be read."""
    try:
        return file_size(path_inside(data_dir, name))
    except InputError:
        return -1


def _look(data_dir: pathlib.Path, folder: str) -> _Seen:
    """Sorts what lies in one folder; there may be millions of pictures."""
    seen = _Seen()
    for entry in _entries(data_dir / folder):
        name = f"{folder}/{entry.name}" if folder else entry.name
        lower = entry.name.lower()
        is_picture = lower.endswith(PICTURE_SUFFIXES)
        if entry.name[0] == ".":
            continue
        if entry.is_symlink():
            is_folder = os.path.isdir(entry.path)
            if not _is_inside(entry.path, data_dir):
                seen.links += [name] if is_picture or is_folder else []
            elif is_picture and not is_folder:
                seen.pictures.append(name)
        elif entry.is_dir():
            seen.folders.append(name)
        elif is_picture:
            seen.pictures.append(name)
        elif lower.endswith(_OTHER_SUFFIXES):
            seen.others[lower[lower.rindex(".") :]] += 1
        elif entry.name in MARKS:
            seen.marks.append(entry.name)
    return seen


def _entries(folder: pathlib.Path) -> Iterator[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be read ({error.strerror}). Make it "
            "readable, or take it away."
        ) from error


def _is_inside(path: str | pathlib.Path, data_dir: pathlib.Path) -> bool:
    end = os.path.realpath(path)
    root = os.path.realpath(data_dir)
    return os.path.commonpath([end, root]) == root


def _is_text(name: str) -> bool:
    return "\0" not in name and _written_out(name) == name


def _written_out(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


def _warn_of_links(data_dir: pathlib.Path, links: list[str]) -> None:
    logging.warning(
        "%d links lead outside of %s and are left out: %s. Copy what they "
        "lead to into the folder if it is wanted.",
        *(len(links), data_dir, _first(links)),
    )


def _tell_of_own(data_dir: pathlib.Path, own: list[str]) -> None:
    logging.info(
        "%d folders in %s hold runs or records, and are not searched for "
        "pictures: %s.",
        *(len(own), data_dir, _first(own)),
    )


def _first(names: list[str]) -> str:
    more = ", ..." if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more


def _warn_of_others(place: pathlib.Path, others: Mapping[str, int]) -> None:
    counts = [f"{others[suffix]} {suffix}" for suffix in sorted(others)]
    logging.warning(
        "%d pictures in %s are in formats that are not read, and are left "
        "out: %s. Convert them to JPEG if they are wanted.",
        sum(others.values()),
        place,
        ", ".join(counts),
    )
