"""Laws of building one shard by its name."""

import pathlib
import subprocess
import sys
import time

import cv2
import pytest
from small_source import small_options
from small_source import SmallSource

from tfrecords.parts import Parts
from tfrecords.plan import plan_shards
from tfrecords.shard import build_shard
from tfrecords.shard_worker import build_by_name
from tfrecords.shard_worker import one_thread


@pytest.fixture
def begun(tmp_path):
    parts = Parts(tmp_path, {})
    parts.make()
    tasks = plan_shards(SmallSource(), small_options(), tmp_path)
    parts.begin(tasks)
    return parts, tasks


def test_a_shard_is_built_from_its_task_file(begun):
    parts, tasks = begun
    build_by_name(parts, SmallSource(), small_options(), tasks[1].path.name)
    (result,) = parts.finished(tasks).values()
    content = tasks[1].path.read_bytes()
    assert build_shard(tasks[1], SmallSource(), small_options()) == result
    assert tasks[1].path.read_bytes() == content


def test_a_fault_is_left_as_a_note_and_stops_the_others(begun):
    parts, tasks = begun
    stop = small_options(on_bad_image="stop")
    source = SmallSource(bad=(0,))
    build_by_name(parts, source, stop, tasks[0].path.name)
    assert "picture 0 is bad" in parts.fault()
    build_by_name(parts, source, stop, tasks[3].path.name)
    assert parts.finished(tasks) == {}


def test_opencv_works_on_one_thread():
    before = cv2.getNumThreads()
    try:
        one_thread()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_child_does_not_outlive_its_parent():
    # A child that would sleep for a minute, of a parent that kills itself.
    child = (
        "import os, time; from tfrecords.shard_worker import start_process; "
        "start_process(os.getppid()); print('ready', flush=True); "
        "time.sleep(60)"
    )
    parent = (
        "import os, signal, subprocess, sys; "
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], "
        "stdout=subprocess.PIPE, stderr=subprocess.DEVNULL); "
        "child.stdout.readline(); "
        "print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent], capture_output=True, text=True
    )
    until = time.monotonic() + 30
    while is_running(int(done.stdout)):
        assert time.monotonic() < until, "the child sleeps on"
        time.sleep(0.05)
