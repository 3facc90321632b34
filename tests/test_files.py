import errno
import os

import pytest
import tensorflow as tf

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
