"""One file of a source, refused by name where it is none.

A stranger may have put anything in its place: a pipe, whose opening never
ends, a folder, a link that leads nowhere, a file of a terabyte. So each is
looked at before it is opened.
"""

import errno
import os
import pathlib
import stat

from tfrecords.errors import InputError

# What `os.stat` says of a path that leads nowhere.
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


def file_size(path: pathlib.Path) -> int:
    """Returns the size of a file in bytes, -1 where there is none.

    Raises:
        InputError: if that cannot be told.
    """
    try:
        status = os.stat(path)
        return status.st_size if stat.S_ISREG(status.st_mode) else -1
    except OSError as error:
        if error.errno in _NOT_THERE:
            return -1
        raise _unreadable(path, error) from error


def is_missing(path: pathlib.Path) -> bool:
    """Says whether nothing has this name, not even a link.

    Raises:
        InputError: if that cannot be told.
    """
    return file_size(path) < 0 and not os.path.lexists(path)


def check_file(
    path: pathlib.Path, what: str, most_bytes: int | None = None
) -> None:
    """Refuses what is no file.

    Args:
        path: where it should be.
        what: what it should be, a few words for the message.
        most_bytes: how large it may be; None for any size.

    Raises:
        InputError: if there is no file, or it is too large.
    """
    size = file_size(path)
    if size < 0:
        raise InputError(_no_file(path, what))
    if most_bytes is not None and size > most_bytes:
        raise InputError(
            f"The {what} {path} is too large: it has {size:,} bytes, at most "
            f"{most_bytes:,} are accepted."
        )


def read_file(path: pathlib.Path, what: str, most_bytes: int) -> bytes:
    """Returns the content of a file.

    Raises:
        InputError: as `check_file`, and if it cannot be read.
    """
    check_file(path, what, most_bytes)
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def read_text(path: pathlib.Path, what: str, most_bytes: int) -> str:
    """Returns the text of a file in UTF-8.

    Raises:
        InputError: as `read_file`, and if it is no text.
    """
    try:
        return read_file(path, what, most_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file: {error}.") from error


def _no_file(path: pathlib.Path, what: str) -> str:
    """Says why `path` is no file."""
    if not os.path.lexists(path):
        odd = "\\udc" in str(path)
        hint = " Its name is not valid UTF-8: rename it." if odd else ""
        return f"The {what} is missing: {path}.{hint}"
    if not os.path.exists(path):
        return f"The {what} {path} is a link that leads nowhere."
    kind = _KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "strange thing")
    return f"The {what} {path} is a {kind}. Wanted: a file."


def _unreadable(path: pathlib.Path, error: OSError) -> InputError:
    return InputError(
        f"{path} cannot be read ({error.strerror}). Make it readable, or "
        "take it away."
    )
