"""The child processes of a build on this machine.

In: calls. Out: the same, made in child processes of this one. Beam's own
child processes are not used: its runner waits for ever for one that died,
and leaves them behind when it is killed itself.
"""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool

from tfrecords.errors import InputError
from tfrecords.shard_worker import start_process


@contextlib.contextmanager
def local_pool(num_processes: int) -> Iterator[Callable]:
    """Yields a function that makes a call in one of the processes.

    It may be called from several threads, waits for the end of the call and
    raises InputError if a process dies.

    Args:
        num_processes: 1 makes the calls here, without other processes.
    """
    if num_processes == 1:
        # In a thread of ours: Beam's own are not waited for on Ctrl-C, and
        # would still write when a caller begins the next build.
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            yield lambda *call: thread.submit(*call).result()
        return
    # Forking a process in which TensorFlow runs can hang.
    pool = concurrent.futures.ProcessPoolExecutor(
        num_processes,
        multiprocessing.get_context("spawn"),
        start_process,
        (os.getpid(),),
    )

    def call(function: Callable, *arguments: object) -> None:
        try:
            pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise InputError(
                f"One of {num_processes} building processes died, which most "
                "often means that memory ran out. Finished shards are kept: "
                "give the same command again with a smaller --num_workers."
            ) from error

    with pool:
        # Started from here: a child ends with the thread that started it, and
        # those that call may end before the build does.
        for _ in range(num_processes):
            pool.submit(os.getpid)
        yield call


@contextlib.contextmanager
def stopped_by_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Calls `stop` at once on Ctrl-C, before KeyboardInterrupt is raised.

    Whoever waits for the workers then need not wait for all of their work.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_interrupt(number: int, frame: object) -> None:
        stop()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
