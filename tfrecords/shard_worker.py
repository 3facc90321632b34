"""A process that builds shards: one shard by its name, and how it starts.

In: the name of a shard whose task file is there. Out: its file and its note.
Whatever ends the build is left as a note too, so that no error needs to
travel. Nothing of Beam is imported: a process on this machine starts sooner.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import contextlib
import ctypes
import os
import signal

import cv2

from tfrecords.errors import InputError
from tfrecords.options import BuildOptions
from tfrecords.parts import Parts
from tfrecords.parts import StoppedError
from tfrecords.shard import build_shard
from tfrecords.sources.source import Source

_PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)


def build_by_name(
    parts: Parts, source: Source, options: BuildOptions, name: str
) -> None:
    """Builds one shard unless the build has been stopped.

    Args:
        parts: of the build.
        source: where the photographs are read.
        options: of the build.
        name: of the shard.
    """
    try:
        count = parts.counter(name)
        count(0)
        key, task = parts.read_task(name)
        result = build_shard(task, source, options, count)
        parts.finish(name, key, result)
    except InputError as error:
        parts.fail(name, str(error))
    except StoppedError:
        pass


def start_process(parent: int) -> None:
    """Prepares a child process: one thread, no GPU, ends with its parent.

    Args:
        parent: id of the process that started this one.
    """
    # Elsewhere than on Linux a child ends after its shard.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    # Ctrl-C reaches all processes of a terminal; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    one_thread()


def one_thread() -> None:
    """Keeps OpenCV to one thread: there are as many workers as cores."""
    cv2.setNumThreads(1)
