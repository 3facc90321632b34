"""Writing that never leaves half a file under its final name."""

import contextlib
import errno
import functools
import hashlib
import os
import pathlib
import re
import shutil
import socket
import time
from collections.abc import Iterator

import tensorflow as tf

from tfrecords.errors import InputError

# After so long, what a process elsewhere wrote is not written any more.
_SECONDS_ELSEWHERE = 24 * 3600


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path`; renames it when all went well.

    The temporary file or folder is removed when the block raises; what a
    killed process left of an earlier try is removed at the start. `path`
    is never seen half-written. A folder at `path` is replaced whole; killed
    in the middle of that, the process leaves either folder or none.

    Raises:
        InputError: if the disk is full; names the file and the space left.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    process = f"{_process_space()}.{os.getpid()}"
    temporary = path.with_name(f".{path.name}.{process}.tmp")
    earlier = path.with_name(f".{path.name}.old.{process}.tmp")
    _remove_leftovers(path.parent, rf"{re.escape(path.name)}(?:\.old)?")
    try:
        with full_disk_named(path):
            yield temporary
            if path.is_dir():
                # Emptying it where it stands, it would be seen half-empty.
                os.replace(path, earlier)
            os.replace(temporary, path)
    finally:
        _remove(temporary)
        _remove(earlier)


@contextlib.contextmanager
def full_disk_named(path: pathlib.Path) -> Iterator[None]:
    """Turns "no space left on device" into a message that names `path`.

    Raises:
        InputError: if the block ran out of disk space.
    """
    try:
        yield
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        if not is_disk_full(error):
            raise
        free = shutil.disk_usage(path.parent).free
        raise InputError(
            f"The disk is full: {path} could not be written ({free:,} bytes "
            "are free there). What was finished before is kept. Make room "
            "or choose another folder, then give the same command again."
        ) from error


def is_disk_full(error: Exception) -> bool:
    """Whether an error of Python's or TensorFlow's is of a full disk."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "No space left" in str(error)


def remove_leftovers(folder: pathlib.Path, suffix: str = "") -> None:
    """Removes what killed processes left of files that end in `suffix`.

    To be called while this process writes none of them.
    """
    _remove_leftovers(folder, rf".+?{re.escape(suffix)}")


def _remove_leftovers(folder: pathlib.Path, names: str) -> None:
    """Removes the temporaries of files in `folder`, by a pattern of names.

    Those whose process is no longer alive, and those that bear the id of
    this one: they are of a dead process that had the same. Of processes
    elsewhere, which cannot be asked, those that were left alone for a day.
    """
    # Earlier versions did not say where a process was.
    pattern = re.compile(rf"\.{names}(?:\.([0-9a-f]{{8}}))?\.(\d+)\.tmp")
    for begun in list(folder.glob(".*.tmp")):
        match = pattern.fullmatch(begun.name)
        # Another user's cannot be removed, and is not in the way.
        with contextlib.suppress(OSError):
            if match and _is_left(begun, match[1], int(match[2])):
                _remove(begun)


@functools.cache
def _process_space() -> str:
    """Says where this process's id is its own: a machine, or a container."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""  # Not Linux.
    words = f"{socket.gethostname()} {space}"
    return hashlib.sha256(words.encode()).hexdigest()[:8]


def _is_left(path: pathlib.Path, space: str | None, process_id: int) -> bool:
    if space == _process_space():
        return process_id == os.getpid() or not _is_alive(process_id)
    return time.time() - path.stat().st_mtime > _SECONDS_ELSEWHERE


def _is_alive(process_id: int) -> bool:
    if os.name != "posix":
        return True  # There, signal 0 is not a question.
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # It is another user's.
    return True


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
