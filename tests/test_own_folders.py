"""Laws of telling what this project wrote from what others did."""

import os

import pytest
from small_records import write_records

from scn_tf.run_folder import write_flags
from tfrecords.errors import InputError
from tfrecords.sources.own_folders import is_own
from tfrecords.sources.own_folders import refuse_records

NAMES = ("flags.txt", "manifest.json")


def test_a_run_is_ours(tmp_path):
    write_flags(tmp_path, {"seed": 0})
    assert is_own(tmp_path, os.listdir(tmp_path))
    refuse_records(tmp_path)


def test_records_are_ours(tmp_path):
    write_records(tmp_path, {})
    assert is_own(tmp_path, os.listdir(tmp_path))
    with pytest.raises(InputError, match=f"--records_dir={tmp_path}"):
        refuse_records(tmp_path)


def test_only_what_the_names_tell_of_is_opened(tmp_path):
    write_flags(tmp_path, {"seed": 0})
    assert not is_own(tmp_path, ["a.jpg"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content",
    [b"", b"--seed=0\n", b"{}", b'{"name": "an app"}', b"\xff\0", b"[1]"],
)
def test_files_of_others_are_not_ours(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert not is_own(tmp_path, NAMES)
    refuse_records(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_file_is_not_opened(tmp_path, name):
    # To open a pipe would wait for ever.
    os.mkfifo(tmp_path / name)
    assert not is_own(tmp_path, NAMES)
    refuse_records(tmp_path)


def test_links_are_not_ours(tmp_path):
    write_flags(tmp_path / "run", {"seed": 0})
    (tmp_path / "flags.txt").symlink_to(tmp_path / "run" / "flags.txt")
    assert not is_own(tmp_path, ["flags.txt"])
