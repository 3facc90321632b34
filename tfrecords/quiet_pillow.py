"""Keeps back Pillow's warnings while pictures are read, in any threads.

Pillow warns about harmless things, such as odd metadata. What is shown and
what is raised is decided by one list that all threads share;
`warnings.catch_warnings` swaps it, and of two threads that overlap the last
puts back what the other had put there. So one filter is added by the first
reader and taken away by the last.
"""

import contextlib
import re
import threading
import warnings
from collections.abc import Iterator

# A pattern that no other filter has, so that ours alone is taken away.
_PILLOW = r"PIL\.(?:\w+)$"
_lock = threading.Lock()
_readers = 0


@contextlib.contextmanager
def pillow_quiet() -> Iterator[None]:
    """Ignores what Pillow warns of inside."""
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    global _readers
    with _lock:
        _readers += change
        if change > 0 and _readers == 1:
            warnings.filterwarnings("ignore", module=_PILLOW)
        elif _readers == 0:
            # It is gone already where others have put back a list of theirs.
            with contextlib.suppress(ValueError):
                warnings.filters.remove(
                    ("ignore", None, Warning, re.compile(_PILLOW), 0)
                )
