import hashlib
import os
import pathlib

import pytest

from tfrecords.errors import InputError
from tfrecords.sources.digest import content_digest
from tfrecords.sources.digest import label_digest


def test_the_digest_takes_any_text_and_tells_lines_apart():
    digests = {
        content_digest("voc", lines)
        for lines in ([], ["a"], ["b"], ["a", "b"], ["b", "a"], ["\udcff"])
    }
    assert len(digests) == 6 and {len(digest) for digest in digests} == {64}


def test_files_count_by_their_content_not_their_place(tmp_path):
    for name, content in (("a", b"1" * 3_000_000), ("b", b"1" * 3_000_000)):
        (tmp_path / name).write_bytes(content)
    digest = content_digest("voc", [], [tmp_path / "a"])
    assert content_digest("voc", [], [tmp_path / "b"]) == digest
    (tmp_path / "b").write_bytes(b"1" * 2_999_999 + b"2")
    assert content_digest("voc", [], [tmp_path / "b"]) != digest


def test_a_file_that_is_gone_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="gone cannot be read .No such"):
        content_digest("voc", [], [tmp_path / "gone"])


def test_labels_count_by_their_bytes(tmp_path):
    for content in (b"1 2", b"1 3"):
        (tmp_path / "a.txt").write_bytes(content)
        wanted = hashlib.sha256(content).hexdigest()
        assert label_digest(tmp_path, "a.txt", 3) == wanted


def test_labels_that_are_too_large_count_by_their_size(tmp_path):
    with open(tmp_path / "a.txt", "wb") as file:
        file.truncate(1 << 40)
    assert label_digest(tmp_path, "a.txt", 1 << 20) == str(1 << 40)


def test_labels_that_may_or_can_not_be_read_count_as_none(
    tmp_path, monkeypatch
):
    data_dir = tmp_path / "data"
    (data_dir / "folder").mkdir(parents=True)
    os.mkfifo(data_dir / "pipe")
    (data_dir / "loop").symlink_to("loop")
    (tmp_path / "secret").write_bytes(b"1")
    (data_dir / "link").symlink_to(tmp_path / "secret")
    for name in ("folder", "pipe", "loop", "link", "gone", "../secret", ""):
        assert label_digest(data_dir, name, 99) == "-1"
    (data_dir / "mine").write_bytes(b"1")
    assert len(label_digest(data_dir, "mine", 99)) == 64

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "read_bytes", refuse)
    assert label_digest(data_dir, "mine", 99) == "-1"
