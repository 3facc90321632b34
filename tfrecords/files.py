"""Writing that never leaves half a file under its final name."""

import contextlib
import errno
import os
import pathlib
import shutil
from collections.abc import Iterator

import tensorflow as tf

from tfrecords.errors import InputError


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path`; renames it when all went well.

    The temporary file or folder is removed when the block raises. `path`
    is never seen half-written. A folder at `path` is replaced whole.

    Raises:
        InputError: if the disk is full; names the file and the space left.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with full_disk_named(path):
            yield temporary
            if path.is_dir():
                shutil.rmtree(path)
            os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def full_disk_named(path: pathlib.Path) -> Iterator[None]:
    """Turns "no space left on device" into a message that names `path`.

    Raises:
        InputError: if the block ran out of disk space.
    """
    try:
        yield
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        if not _is_disk_full(error):
            raise
        free = shutil.disk_usage(path.parent).free
        raise InputError(
            f"The disk is full: {path} could not be written ({free:,} bytes "
            "are free there). What was finished before is kept. Make room "
            "or choose another folder, then give the same command again."
        ) from error


def _is_disk_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "No space left" in str(error)
