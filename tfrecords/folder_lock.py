"""A lock on a folder: of several processes, one works in it.

In: a folder. Out: a block in which this process has it. The lock is on the
folder itself, so no file is left of it, and the kernel's, so it ends with this
process, however that ends: child processes do not inherit the descriptor.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator

try:
    import fcntl
except ImportError:
    fcntl = None  # Windows has no such locks.


class HeldError(Exception):
    """Another process has the folder, or has just removed it."""


@contextlib.contextmanager
def held(folder: pathlib.Path) -> Iterator[None]:
    """Keeps all other processes that ask out of a folder.

    Where a file system has no locks, others are not kept out.

    Args:
        folder: which is there.

    Raises:
        HeldError: if another process has it.
        OSError: if it cannot be opened.
    """
    if fcntl is None:
        yield
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError as error:  # It has just been removed.
        raise HeldError from error
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: pathlib.Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = os.stat(folder)
    except (BlockingIOError, FileNotFoundError) as error:
        raise HeldError from error
    except OSError:
        return  # A file system without locks.
    # Who held it before may have removed what is locked here.
    if not os.path.samestat(os.fstat(descriptor), there):
        raise HeldError
