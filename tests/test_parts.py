"""Laws of what is kept beside an unfinished build."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys

import pytest
from left_files import temporary_name
from small_source import small_options
from small_source import SmallSource

from tfrecords.errors import InputError
from tfrecords.local_pool import local_pool
from tfrecords.parts import file_digest
from tfrecords.parts import Parts
from tfrecords.parts import StoppedError
from tfrecords.plan import plan_shards
from tfrecords.shard_worker import build_by_name


@pytest.fixture
def parts(tmp_path):
    parts = Parts(tmp_path, {"seed": 0})
    parts.make()
    return parts


@pytest.fixture
def tasks(tmp_path):
    return plan_shards(SmallSource(), small_options(), tmp_path)


@pytest.fixture
def built(parts, tasks):
    parts.begin(tasks)
    for task in tasks:
        build_by_name(parts, SmallSource(), small_options(), task.path.name)


def test_a_task_is_read_back_as_it_was(parts, tasks):
    parts.begin(tasks)
    for task in tasks:
        _, again = parts.read_task(task.path.name)
        assert again == task


def test_what_is_finished_is_found_again(parts, tasks, built, tmp_path):
    again = Parts(tmp_path, {"seed": 0})
    again.clean(tasks)
    results = again.finished(tasks)
    assert set(results) == {task.path for task in tasks}
    for path, result in results.items():
        assert file_digest(path) == result.sha256
        assert path.stat().st_size == result.bytes


@pytest.mark.parametrize("damage", ["change", "remove", "note", "cut note"])
def test_a_damaged_shard_does_not_count(parts, tasks, built, tmp_path, damage):
    path = tasks[1].path
    note = tmp_path / ".parts" / f"{path.name}.done.json"
    if damage == "change":
        path.write_bytes(bytes(path.stat().st_size))
    elif damage == "remove":
        path.unlink()
    elif damage == "note":
        values = json.loads(note.read_text())
        note.write_text(json.dumps({**values, "key": "another"}))
    else:
        note.write_text(note.read_text()[:40])
    parts.clean(tasks)
    assert set(parts.finished(tasks)) == {t.path for t in tasks} - {path}
    assert not path.exists() and not note.exists()


def test_shards_that_no_task_made_are_removed(parts, tasks, built, tmp_path):
    parts.clean(tasks[:2])
    left = {path.name for path in tmp_path.glob("*.tfrecord")}
    assert left == {task.path.name for task in tasks[:2]}
    other = Parts(tmp_path, {"seed": 1})
    other.clean(tasks)
    assert list(tmp_path.glob("*.tfrecord")) == []


def test_images_are_counted_while_they_are_built(parts, tasks, monkeypatch):
    monkeypatch.setattr("tfrecords.parts._SECONDS_BETWEEN_COUNTS", 0)
    sizes = {task.path.name: len(task.keys) for task in tasks}
    parts.begin(tasks)
    assert parts.count(sizes) == 0
    name = tasks[1].path.name
    count = parts.counter(name)
    count(1)
    count(1)
    assert parts.count(sizes) == 2
    build_by_name(parts, SmallSource(), small_options(), name)
    assert parts.count(sizes) == len(tasks[1].keys) == 3


def test_a_fault_stops_everyone_until_the_next_beginning(parts, tasks):
    parts.begin(tasks)
    count = parts.counter(tasks[0].path.name)
    count(1)
    parts.fail(tasks[1].path.name, "the disk is full")
    assert parts.fault() == "the disk is full"
    with pytest.raises(StoppedError):
        count(1)
    parts.begin(tasks)
    assert parts.fault() == ""
    count(1)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--records_dir=.*/file/records"):
        Parts(tmp_path / "file" / "records").make()


def test_the_end_leaves_nothing(parts, tasks, built, tmp_path):
    parts.remove()
    assert not (tmp_path / ".parts").exists()


def test_what_killed_builds_left_is_removed(parts, tasks, tmp_path):
    """Of other plans too, and of a process that had the id of this one."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    name = "train-00007-of-00099.tfrecord"
    left = [
        tmp_path / temporary_name(name, process_id)
        for process_id in (dead.pid, os.getpid())
    ]
    others = [
        tmp_path / temporary_name(name, os.getppid()),
        tmp_path / temporary_name("a", dead.pid),
    ]
    for path in left + others:
        path.touch()
    parts.clean(tasks)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_of_two_builds_one_holds_the_folder(tmp_path):
    with Parts(tmp_path).held():
        with pytest.raises(InputError, match=f"writing to {tmp_path}: wait"):
            with Parts(tmp_path).held():
                raise AssertionError("two builds at once")
        Parts(tmp_path).remove_left()
        assert (tmp_path / ".parts").exists()
    with Parts(tmp_path).held():
        pass
    Parts(tmp_path).remove_left()
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_does_not_even_begin_leaves_nothing(tmp_path):
    for left in ([], ["a.done.json"]):
        with pytest.raises(InputError, match="before it began"):
            with Parts(tmp_path).held():
                for name in left:
                    (tmp_path / ".parts" / name).touch()
                raise InputError("before it began")
        assert (tmp_path / ".parts").exists() == bool(left)


def test_a_folder_that_was_removed_meanwhile_is_not_held(tmp_path, monkeypatch):
    """What is locked must be what others will find."""
    for again in (False, True):
        parts = Parts(tmp_path)
        parts.make()

        def remove(descriptor, how, again=again):
            Parts(tmp_path).remove()
            if again:
                Parts(tmp_path).make()

        monkeypatch.setattr("fcntl.flock", remove)
        with pytest.raises(InputError, match="Another build"):
            with parts.held():
                raise AssertionError("a folder that is gone was locked")


def test_a_file_system_without_locks_is_no_error(tmp_path, monkeypatch):
    def refuse(descriptor, how):
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", refuse)
        with Parts(tmp_path).held():
            pass
    monkeypatch.setattr("tfrecords.folder_lock.fcntl", None)
    with Parts(tmp_path).held():
        pass


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    Parts(tmp_path).make()
    monkeypatch.setattr("tfrecords.folder_lock.os.open", refuse)
    with pytest.raises(InputError, match="cannot be written .Permission"):
        with Parts(tmp_path).held():
            pass


def check_nothing_is_open(folder):
    """Runs in a child process."""
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            end = os.readlink(f"/proc/self/fd/{descriptor}")
            assert not end.startswith(str(folder)), end


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_child_processes_do_not_hold_the_folder(tmp_path):
    with Parts(tmp_path).held():
        with pytest.raises(AssertionError, match=".parts"):
            check_nothing_is_open(tmp_path)
        with local_pool(2, check_nothing_is_open) as call:
            call(tmp_path)


def test_a_killed_build_holds_nothing(tmp_path):
    """Not even where a child process of it lives on."""
    driver = (
        "import pathlib, subprocess, sys, time; "
        "from tfrecords.parts import Parts; "
        f"held = Parts(pathlib.Path({str(tmp_path)!r})).held(); "
        "held.__enter__(); "
        "child = subprocess.Popen([sys.executable, '-c', "
        "'import time; time.sleep(60)'], stdout=subprocess.DEVNULL); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", driver], stdout=subprocess.PIPE, text=True
    ) as process:
        child = int(process.stdout.readline())
        try:
            with pytest.raises(InputError, match="Another build"):
                with Parts(tmp_path).held():
                    pass
            process.kill()
            process.wait()
            with Parts(tmp_path).held():
                os.kill(child, 0)
        finally:
            process.kill()
            os.kill(child, signal.SIGKILL)
