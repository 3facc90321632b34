import os

import pytest

from tfrecords.errors import InputError
from tfrecords.sources import folder


@pytest.fixture
def data_dir(tmp_path):
    data_dir = tmp_path / "data"
    (data_dir / "day").mkdir(parents=True)
    (data_dir / "day" / "a.jpg").write_bytes(b"12345")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return data_dir


def test_a_folder_is_given_as_an_absolute_path(data_dir, monkeypatch):
    monkeypatch.chdir(data_dir)
    assert folder.existing_folder("day", "it") == data_dir / "day"


@pytest.mark.parametrize(
    ("name", "fault"), [("day/a.jpg", "is no folder"), ("no", "does not exist")]
)
def test_what_is_no_folder_is_refused_by_name(data_dir, name, fault):
    with pytest.raises(InputError, match=f"{name} {fault}. Wanted: it"):
        folder.existing_folder(str(data_dir / name), "it")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            "../secret.jpg",
            "day/../../secret.jpg",
            "/etc/passwd",
        ),
        *("a\0.jpg", "\udcff.jpg", "\ud800.jpg"),
    ],
)
def test_a_name_that_is_no_relative_path_is_refused(data_dir, name):
    with pytest.raises(InputError, match="cannot name a file"):
        folder.path_inside(data_dir, name)
    assert folder.size_inside(data_dir, name) == -1


def test_links_may_lead_anywhere_inside_and_nowhere_outside(data_dir):
    (data_dir / "inside.jpg").symlink_to(data_dir / "day" / "a.jpg")
    (data_dir / "file.jpg").symlink_to(data_dir.parent / "secret.jpg")
    (data_dir / "up").symlink_to(data_dir.parent)
    assert folder.size_inside(data_dir, "inside.jpg") == 5
    for name in ("file.jpg", "up/secret.jpg"):
        with pytest.raises(InputError, match="leads outside"):
            folder.path_inside(data_dir, name)
        assert folder.size_inside(data_dir, name) == -1


def test_a_folder_whose_name_begins_alike_is_outside(data_dir):
    other_dir = data_dir.parent / "data2"
    other_dir.mkdir()
    (data_dir / "link").symlink_to(other_dir)
    with pytest.raises(InputError, match="leads outside"):
        folder.path_inside(data_dir, "link")


def test_the_folder_itself_may_be_a_link(data_dir):
    link = data_dir.parent / "link"
    link.symlink_to(data_dir)
    assert folder.list_pictures(link) == ["day/a.jpg"]
    assert folder.picture_inside(link, "day/a.jpg").read_bytes() == b"12345"


def test_a_missing_picture_is_refused_by_name(data_dir):
    with pytest.raises(InputError, match="missing: .*day/b.jpg"):
        folder.picture_inside(data_dir, "day/b.jpg")


def test_a_pipe_is_no_picture(data_dir):
    os.mkfifo(data_dir / "pipe.jpg")
    assert folder.size_inside(data_dir, "pipe.jpg") == -1
    with pytest.raises(InputError, match="pipe.jpg is a pipe"):
        folder.picture_inside(data_dir, "pipe.jpg")


def test_the_head_of_a_file_is_read_where_that_is_allowed(data_dir):
    path = data_dir / "day" / "a.jpg"
    assert folder.read_head(data_dir, path, 3) == b"123"
    outside_path = data_dir.parent / "secret"
    outside_path.write_bytes(b"secret")
    (data_dir / "link").symlink_to(outside_path)
    os.mkfifo(data_dir / "pipe")
    for name in ("link", "pipe", "day", "gone"):
        assert folder.read_head(data_dir, data_dir / name, 3) == b""


def test_a_name_that_is_too_long_is_refused(data_dir):
    with pytest.raises(InputError, match="File name too long"):
        folder.picture_inside(data_dir, "a" * 300)


def test_only_the_part_below_is_listed_with_its_full_name(data_dir):
    (data_dir / "b.jpg").touch()
    assert folder.list_pictures(data_dir) == ["b.jpg", "day/a.jpg"]
    assert folder.list_pictures(data_dir, "day") == ["day/a.jpg"]


def test_a_folder_that_cannot_be_read_is_not_passed_over(data_dir, monkeypatch):
    def refusing(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(InputError, match="data cannot be read .Permission"):
        folder.list_pictures(data_dir)


def test_a_name_that_is_no_text_is_listed_as_text(data_dir):
    odd = os.path.join(os.fsencode(data_dir), b"day", b"\xff.jpg")
    with open(odd, "wb"):
        pass
    names = folder.list_pictures(data_dir)
    assert names == ["day/\\udcff.jpg", "day/a.jpg"]
    with pytest.raises(InputError, match="not valid UTF-8: rename it"):
        folder.picture_inside(data_dir, names[0])


@pytest.mark.parametrize(
    ("stated", "tidy"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("./a/./b.jpg", "a/b.jpg"),
        ("a//b.jpg", "a/b.jpg"),
        (" a\\b.jpg ", "a/b.jpg"),
        ("../b.jpg", "../b.jpg"),
        ("..\\b.jpg", "../b.jpg"),
        ("/b.jpg", "/b.jpg"),
    ],
)
def test_a_stated_name_has_one_spelling(stated, tidy):
    assert folder.tidy_name(stated) == tidy
