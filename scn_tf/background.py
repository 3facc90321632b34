"""Work that is done beside the main thread, by one thread in order.

In: calls. Out: their effects; the first error is raised in the main thread.
"""

import collections
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Background:
    """One thread that does what it is given, one call after the other.

    Leaving the `with` block waits for what was given; after an error nothing
    more is done.

    Args:
        num_pending: as many calls may wait before `submit` waits itself.
        num_threads: calls made side by side; more than one end in any order.
    """

    def __init__(self, num_pending: int, num_threads: int = 1) -> None:
        self._num_pending = num_pending
        self._pending = collections.deque()
        self._pool = ThreadPoolExecutor(num_threads)
        self._error = None

    def submit(self, function: Callable[..., None], *arguments: Any) -> Future:
        """Has `function(*arguments)` called after all earlier ones began.

        Returns:
            Whose `result()` waits for the call, and raises if it was not
            made because an earlier one failed.

        Raises:
            Exception: whatever an earlier call raised.
        """
        future = self._pool.submit(self._call, function, *arguments)
        self._pending.append(future)
        while len(self._pending) > self._num_pending:
            self._pending.popleft().result()
        return future

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        if self._error is not None:
            raise self._error
        try:
            function(*arguments)
        except BaseException as error:
            self._error = error
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
