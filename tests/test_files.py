import errno
import os
import subprocess
import sys
import time

import pytest
import tensorflow as tf
from left_files import temporary_name

from tfrecords.errors import InputError
from tfrecords.files import full_disk_named
from tfrecords.files import replacing

FULL_DISK = [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    tf.errors.ResourceExhaustedError(
        None, None, "/x/y; No space left on device"
    ),
]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_only_when_the_block_is_done(tmp_path):
    path = tmp_path / "new" / "file"
    with replacing(path) as temporary:
        temporary.write_text("a")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "a"
    assert names(path.parent) == ["file"]


def test_an_older_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_an_older_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert names(path) == ["new"]


@pytest.mark.parametrize("make", ["touch", "mkdir"])
def test_a_failed_block_leaves_nothing_new(tmp_path, make):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyError), replacing(path) as temporary:
        getattr(temporary, make)()
        raise KeyError
    assert names(tmp_path) == ["file"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("error", FULL_DISK, ids=["space", "quota", "tf"])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, error):
    path = tmp_path / "file"
    with pytest.raises(InputError, match=f"disk is full: {path}.*bytes are"):
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "denied"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
    ],
)
def test_other_errors_pass_unchanged(tmp_path, error):
    with pytest.raises(type(error)) as raised, full_disk_named(tmp_path / "a"):
        raise error
    assert raised.value is error


@pytest.fixture
def dead_id():
    """The id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize("make", ["touch", "mkdir"])
def test_what_a_dead_process_left_is_removed(tmp_path, dead_id, make):
    left = tmp_path / temporary_name("file", dead_id)
    getattr(left, make)()
    if make == "mkdir":
        (left / "part").touch()
    with replacing(tmp_path / "file") as temporary:
        assert names(tmp_path) == []
        temporary.touch()
    assert names(tmp_path) == ["file"]


def test_what_a_living_process_writes_is_kept(tmp_path):
    begun = tmp_path / temporary_name("file", os.getppid())
    begun.touch()
    with replacing(tmp_path / "file") as temporary:
        temporary.touch()
    assert names(tmp_path) == [begun.name, "file"]


@pytest.mark.parametrize("hours, is_kept", [(1, True), (25, False)])
@pytest.mark.parametrize("space", [".0123abcd", ""])
def test_what_is_written_elsewhere_is_kept_for_a_day(
    tmp_path, dead_id, space, hours, is_kept
):
    """Processes of other machines, and of earlier versions, are not asked."""
    begun = tmp_path / f".file{space}.{dead_id}.tmp"
    begun.touch()
    then = time.time() - hours * 3600
    os.utime(begun, (then, then))
    with replacing(tmp_path / "file") as temporary:
        temporary.touch()
    assert begun.exists() == is_kept


def test_a_process_of_another_user_is_alive(tmp_path, dead_id, monkeypatch):
    def forbid(*arguments):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", forbid)
    begun = tmp_path / temporary_name("file", dead_id)
    begun.touch()
    with replacing(tmp_path / "file") as temporary:
        temporary.touch()
    assert begun.exists()


def test_leftovers_of_other_names_are_kept(tmp_path, dead_id):
    others = [
        temporary_name("other", dead_id),
        temporary_name("file.more", dead_id),
        temporary_name("file.7", dead_id),
        temporary_name("file", "seven"),
        temporary_name("file", dead_id)[1:],
    ]
    for name in others:
        (tmp_path / name).touch()
    with replacing(tmp_path / "file") as temporary:
        temporary.touch()
    assert names(tmp_path) == sorted([*others, "file"])


def test_a_process_id_used_again_finds_its_place_empty(tmp_path):
    left = tmp_path / temporary_name("folder", os.getpid())
    left.mkdir()
    (left / "old").touch()
    with replacing(tmp_path / "folder") as temporary:
        temporary.mkdir()
    assert names(tmp_path) == ["folder"] and names(tmp_path / "folder") == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_folder_is_never_seen_half_empty(tmp_path, number):
    """A process that dies before any of its system calls leaves it whole."""
    path = tmp_path / "folder"
    path.mkdir()
    for name in ("a", "b"):
        (path / name).write_text("old")
    program = f"""
import os, pathlib, sys
from tfrecords.files import replacing
calls = 0
def die(event, arguments):
    global calls
    calls += event in ("os.rename", "os.remove", "os.rmdir")
    if calls == {number}:
        os._exit(7)
with replacing(sys.argv[1]) as temporary:
    temporary.mkdir()
    for name in ("c", "d"):
        (temporary / name).write_text("new")
    sys.addaudithook(die)
"""
    command = [sys.executable, "-c", program, path]
    assert subprocess.run(command).returncode == 7
    found = names(path) if path.exists() else []
    assert found in (["a", "b"], [], ["c", "d"])
    with replacing(path) as temporary:
        temporary.mkdir()
    assert names(tmp_path) == ["folder"]
