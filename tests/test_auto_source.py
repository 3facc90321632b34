"""Laws of --source=auto: it says what it took and what it passed over."""

import logging

import pytest
from small_records import write_records

from scn_tf.run_folder import write_flags
from tfrecords import sources
from tfrecords.errors import InputError
from tfrecords.sources import open_source


@pytest.fixture
def opened(tmp_path, caplog):
    """Opens a folder of these files; gives the source and the warnings."""

    def opened(*names, source="auto"):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
        with caplog.at_level(logging.INFO, "absl"):
            found = open_source(source, str(tmp_path), 0)
        warnings = [r for r in caplog.records if r.levelname == "WARNING"]
        return found.name, [record.getMessage() for record in warnings]

    return opened


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("annotations/instances_train2017.json", "coco"),
        ("train.record", "object_detection"),
        ("day/a.jpg", "image_folder"),
    ],
)
def test_what_auto_takes_is_said(opened, caplog, tmp_path, name, kind):
    assert opened(name) == (kind, [])
    assert caplog.messages == [f"--source=auto: {tmp_path} is read as {kind}."]


def test_a_source_that_is_named_needs_no_words(opened, caplog):
    opened("a.jpg", "boxes.json", source="image_folder")
    assert caplog.messages == []


def test_a_folder_that_is_refused_is_not_said_to_be_read(tmp_path, caplog):
    with pytest.raises(InputError, match="nowhere"):
        open_source("auto", str(tmp_path / "nowhere"), 0)
    assert caplog.messages == []


@pytest.mark.parametrize(
    "names",
    [
        ["annotations/test.json", "annotations/train.json"],
        ["train.csv", "val.csv"],
        ["Annotations/a.xml"],
        ["train/_annotations.coco.json", "val/_annotations.coco.json"],
        ["train/a.XML"],
    ],
)
def test_annotations_of_no_known_layout_are_named(opened, tmp_path, names):
    kind, (warning,) = opened("a.jpg", "train/a.jpg", *names)
    assert kind == "image_folder"
    assert warning.startswith(f"{tmp_path} is read as plain pictures")
    assert f"If {', '.join(map(repr, names))} hold annotations" in warning
    assert "BUILD.md, 'Data and weights'" in warning


def test_a_few_are_named_those_in_annotations_first(opened):
    names = [
        f"{folder}/{i}.xml" for folder in ("Annotations", "A") for i in "1234"
    ]
    _, (warning,) = opened("a.jpg", *names)
    wanted = [*names[:4], "A/1.xml"]
    assert f"If {', '.join(map(repr, wanted))}, ... hold" in warning


@pytest.mark.parametrize(
    "name", [".hidden/a.json", ".a.json", "deep/er/a.json", "a.json/b.jpg"]
)
def test_hidden_and_deep_files_are_not_looked_at(opened, name):
    assert opened("a.jpg", name) == ("image_folder", [])


def test_records_and_runs_are_no_annotations(opened, tmp_path):
    for name in ("records", "run"):
        (tmp_path / name).mkdir()
    write_records(tmp_path / "records", {})
    write_flags(tmp_path / "run", {"seed": 0})
    assert opened("a.jpg", "run/verdict.json") == ("image_folder", [])


def test_links_to_other_folders_are_not_followed(opened, tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.json").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    assert opened("a.jpg") == ("image_folder", [])


def test_millions_of_pictures_are_not_looked_through(opened, monkeypatch):
    looked_at = []
    really_look = sources._entries

    def look(place, most):
        found = really_look(place, most)
        looked_at.extend(found)
        return found

    monkeypatch.setattr(sources, "_MOST_ENTRIES", 7)
    monkeypatch.setattr(sources, "_entries", look)
    opened(*(f"{folder}/{i}.jpg" for folder in "abc" for i in range(4)))
    assert len(looked_at) == 7
