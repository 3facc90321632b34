"""Laws of what is kept beside an unfinished build."""

import json
import os
import subprocess
import sys

import pytest
from small_source import small_options
from small_source import SmallSource

from tfrecords.errors import InputError
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
    left = [tmp_path / f".{name}.{pid}.tmp" for pid in (dead.pid, os.getpid())]
    others = [tmp_path / f".{name}.{os.getppid()}.tmp", tmp_path / ".a.1.tmp"]
    for path in left + others:
        path.touch()
    parts.clean(tasks)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)
