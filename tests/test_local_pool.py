"""Laws of the child processes of a build."""

import os
import signal
import threading
import time

import pytest

from tfrecords.errors import InputError
from tfrecords.local_pool import local_pool
from tfrecords.local_pool import stopped_by_interrupt


def test_one_process_is_this_one():
    called = []
    with local_pool(1) as call:
        call(called.append, 3)
    assert called == [3]


def test_calls_are_made_elsewhere_and_faults_come_back():
    with local_pool(2) as call:
        with pytest.raises(FileNotFoundError):
            call(os.stat, "/nothing/here")
        with pytest.raises(InputError, match="One of 2 building processes"):
            call(os._exit, 1)


def test_processes_outlive_the_thread_that_called_first():
    """A child ends with the thread that started it; Beam's come and go."""
    with local_pool(2) as call:
        for _ in range(3):
            thread = threading.Thread(target=call, args=(time.sleep, 0.1))
            thread.start()
            thread.join()
            time.sleep(0.2)
        call(os.getpid)


def test_an_interrupt_calls_stop_first():
    stopped = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        with stopped_by_interrupt(lambda: stopped.append(True)):
            os.kill(os.getpid(), signal.SIGINT)
    assert stopped == [True]
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_than_the_main_one_may_build():
    failed = []

    def use():
        try:
            with stopped_by_interrupt(lambda: None):
                pass
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert failed == []
