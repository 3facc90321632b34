import pytest

from tfrecords.errors import InputError
from tfrecords.sources.digest import content_digest


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
