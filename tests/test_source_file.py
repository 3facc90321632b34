"""Laws of files that a stranger put there: looked at before they are read."""

import os
import socket

import pytest

from tfrecords.errors import InputError
from tfrecords.sources import source_file


@pytest.fixture
def strange(tmp_path, monkeypatch):
    """A folder with one of each kind of what is no file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "The table .*folder is a folder. Wanted: a file"),
        ("pipe", "is a pipe"),
        ("socket", "is a socket"),
        ("device", "is a device"),
        ("loop", "is a link that leads nowhere"),
        ("dangling", "is a link that leads nowhere"),
        ("gone", "The table is missing: .*gone"),
        ("gone/gone", "missing"),
        ("a" * 300, "File name too long"),
    ],
)
def test_what_is_no_file_is_refused_by_name_and_kind(strange, name, message):
    for read in (source_file.read_file, source_file.read_text):
        with pytest.raises(InputError, match=message):
            read(strange / name, "table", 9)


def test_only_what_has_no_name_is_missing(strange):
    there = ("folder", "pipe", "socket", "device", "loop", "dangling")
    assert not any(source_file.is_missing(strange / name) for name in there)
    assert source_file.is_missing(strange / "gone")
    with pytest.raises(InputError, match="cannot be read"):
        source_file.is_missing(strange / ("a" * 300))


def test_a_file_that_claims_a_terabyte_is_not_read(tmp_path):
    path = tmp_path / "table"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(InputError, match="1,099,511,627,776 bytes, at most 9"):
        source_file.read_file(path, "table", 9)
    source_file.check_file(path, "table")


def test_text_is_utf_8_with_or_without_a_mark(tmp_path):
    path = tmp_path / "table"
    path.write_bytes("\ufeffä".encode())
    assert source_file.read_text(path, "table", 9) == "ä"
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="table is not a text file"):
        source_file.read_text(path, "table", 9)
