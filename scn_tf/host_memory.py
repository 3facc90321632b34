"""How much memory this process may still take, and what to do without it.

In: what the operating system says. Out: bytes; a message in place of an error.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from tfrecords.errors import InputError
from tfrecords.files import is_disk_full

_PROCESS_GROUP = pathlib.Path("/proc/self/cgroup")
_GROUPS = pathlib.Path("/sys/fs/cgroup")
_MEMORY = pathlib.Path("/proc/meminfo")
_SHOWN = 300  # letters of a device's message, which lists all it holds


def available_memory() -> int:
    """Bytes that can be taken before the machine or its container runs out.

    What the system keeps of files counts as available. Where the system says
    nothing of it, half of all memory is assumed.
    """
    available = _machine_memory()
    left = _container_memory()
    return available if left is None else min(available, left)


@contextlib.contextmanager
def shortage_named() -> Iterator[None]:
    """Turns "out of memory" into a message that says what takes less.

    Raises:
        InputError: if the block ran out of memory, of this machine or of one
            of its devices.
    """
    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        if is_disk_full(error):
            raise
        reason = (str(error).splitlines() or [""])[0][:_SHOWN]
        raise InputError(
            f"Memory ran out: {reason or 'nothing more is known'}. What is "
            "saved is kept. A step takes less with a higher --accumulate or a "
            "lower --batch_pairs, the feature cache with a lower "
            "--cache_memory, the network with --train_from at a later layer."
        ) from error


def _machine_memory() -> int:
    if _MEMORY.is_file():
        for line in _MEMORY.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _container_memory() -> int | None:
    """Bytes left under the limits of a container (Linux control groups)."""
    if not _PROCESS_GROUP.is_file():
        return None
    lines = _PROCESS_GROUP.read_text().splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    folder = _GROUPS / own.lstrip("/")
    left = [
        amount
        for group in (folder, *folder.parents)
        if group.is_relative_to(_GROUPS)
        and (amount := _left_in(group)) is not None
    ]
    return min(left, default=None)


def _left_in(group: pathlib.Path) -> int | None:
    limit, used = group / "memory.max", group / "memory.current"
    if not limit.is_file() or not used.is_file():
        return None
    text = limit.read_text().strip()
    if text == "max":
        return None
    # Pages of files that were not used of late are given up when needed.
    spare = 0
    if (group / "memory.stat").is_file():
        for line in (group / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "inactive_file":
                spare = int(value)
    return max(int(text) - int(used.read_text()) + spare, 0)
