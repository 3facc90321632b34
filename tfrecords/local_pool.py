"""The child processes of a build on this machine.

In: the work, which each process gets once, and names. Out: the work done on
each name, in child processes of this one. Beam's own child processes are not
used: its runner waits for ever for one that died, and leaves them behind when
it is killed itself.
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

# Of a child process: what it does with each name.
_work: Callable[[str], None] | None = None


@contextlib.contextmanager
def local_pool(
    num_processes: int, work: Callable[[str], None]
) -> Iterator[Callable[[str], None]]:
    """Yields a function that does the work on a name in one of the processes.

    It may be called from several threads, waits for the end of the work and
    raises InputError if a process dies. Only the names travel: what a process
    has opened and parsed for one is there for the next.

    Args:
        num_processes: 1 does the work here, without other processes.
        work: is pickled once per process.
    """
    if num_processes == 1:
        # In a thread of ours: Beam's own are not waited for on Ctrl-C, and
        # would still write when a caller begins the next build.
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            yield lambda name: thread.submit(work, name).result()
        return
    # Forking a process in which TensorFlow runs can hang.
    pool = concurrent.futures.ProcessPoolExecutor(
        num_processes,
        multiprocessing.get_context("spawn"),
        _start,
        (os.getpid(), work),
    )

    def call(name: str) -> None:
        try:
            pool.submit(_do, name).result()
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


def _start(parent: int, work: Callable[[str], None]) -> None:
    global _work
    start_process(parent)
    _work = work


def _do(name: str) -> None:
    _work(name)
