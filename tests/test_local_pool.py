"""Laws of the child processes of a build."""

import os
import signal
import threading
import time

import pytest

from tfrecords.errors import InputError
from tfrecords.local_pool import local_pool
from tfrecords.local_pool import stopped_by_interrupt


class Opening:
    """Work that notes every process that gets it, as a source would open."""

    def __init__(self, note):
        self.note = note
        with open(note, "a") as file:
            file.write(f"{os.getpid()}\n")

    def __reduce__(self):
        return type(self), (self.note,)

    def __call__(self, name):
        with open(f"{self.note}.{name}", "w") as file:
            file.write(str(os.getpid()))


def test_one_process_is_this_one():
    called = []
    with local_pool(1, called.append) as call:
        call("3")
    assert called == ["3"]


def test_the_work_is_done_elsewhere_and_faults_come_back():
    with local_pool(2, os.stat) as call:
        with pytest.raises(FileNotFoundError):
            call("/nothing/here")


def test_a_process_that_dies_is_reported():
    with local_pool(2, os._exit) as call:
        with pytest.raises(InputError, match="One of 2 building processes"):
            call(1)


def test_a_process_gets_the_work_once_whatever_the_number_of_names(tmp_path):
    work = Opening(str(tmp_path / "opened"))
    with local_pool(2, work) as call:
        for name in "abcdef":
            call(name)
    opened = (tmp_path / "opened").read_text().split()
    assert len(opened) == len(set(opened)) == 3
    done = {(tmp_path / f"opened.{name}").read_text() for name in "abcdef"}
    assert done <= set(opened) - {str(os.getpid())}


def test_processes_outlive_the_thread_that_called_first():
    """A child ends with the thread that started it; Beam's come and go."""
    with local_pool(2, time.sleep) as call:
        for _ in range(3):
            thread = threading.Thread(target=call, args=(0.1,))
            thread.start()
            thread.join()
            time.sleep(0.2)
        call(0)


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
