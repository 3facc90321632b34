"""Work that is done beside the main thread, in order.

In: calls. Out: their effects; the first error is raised in the main thread.
"""

import collections
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Background:
    """One thread that does what it is given, one call after the other.

    Leaving the `with` block waits for what was given; after an error nothing
    more is done.

    Args:
        num_pending: as many calls may wait before `submit` waits itself.
    """

    def __init__(self, num_pending: int) -> None:
        self._num_pending = num_pending
        self._pending = collections.deque()
        self._pool = ThreadPoolExecutor(1)
        self._has_failed = False

    def submit(self, function: Callable[..., None], *arguments: Any) -> None:
        """Has `function(*arguments)` called after all earlier ones.

        Raises:
            Exception: whatever an earlier call raised.
        """
        self._pending.append(
            self._pool.submit(self._call, function, *arguments)
        )
        while len(self._pending) > self._num_pending:
            self._pending.popleft().result()

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        if self._has_failed:
            return
        try:
            function(*arguments)
        except BaseException:
            self._has_failed = True
            raise

    def __enter__(self) -> "Background":
        """Returns itself."""
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        """Waits for what was given, or drops it if the block raised."""
        try:
            while kind is None and self._pending:
                self._pending.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
