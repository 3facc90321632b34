"""Laws of the lock on a folder; `test_parts.py` has those of its edges."""

import subprocess
import sys

import pytest

from tfrecords.folder_lock import held
from tfrecords.folder_lock import HeldError

PROGRAM = """
import pathlib, sys
from tfrecords.folder_lock import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_kept_out_until_the_first_ends(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout.readline() == b"held\n"
            with pytest.raises(HeldError), held(tmp_path):
                raise AssertionError("two at once")
        finally:
            process.kill()
    with held(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_not_held(tmp_path):
    with pytest.raises(HeldError), held(tmp_path / "gone"):
        raise AssertionError("held what is not there")


def test_what_goes_wrong_inside_passes_and_frees_the_folder(tmp_path):
    with pytest.raises(KeyError), held(tmp_path):
        raise KeyError
    with held(tmp_path):
        pass
