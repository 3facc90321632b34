"""The laws of `test_hostile_files` for the other sources.

One process builds all of them: what one does to it shows in the next.
"""

import collections
import json
import os
import re

import pytest
from hostile_sources import NUM_GOOD
from hostile_sources import SOURCES
from hostile_sources import write_picture
from test_hostile_files import CANARY
from test_hostile_files import MOST_MEGABYTES
from test_hostile_files import MOST_SECONDS
from test_hostile_files import read_stored
from test_hostile_files import write_secrets
from watched import opened_files
from watched import ROOT
from watched import run_watched

from tfrecords.images import decode
from tfrecords.manifest import read_manifest
from tfrecords.record_file import frame

LEAST_WRONG = 20
Built = collections.namedtuple("Built", "folder expected ends watched opened")


def _command(folder, source="auto", **flags):
    flags = dict(
        source=source,
        data_dir=folder / "data",
        records_dir=folder / "records",
        proposals="uniform",
        uniform_side=8,
        num_workers=1,
        **flags,
    )
    return [f"--{name}={value}" for name, value in flags.items()]


def _run(folder, commands):
    (folder / "commands").write_text(json.dumps(commands))
    with opened_files(folder / "outside") as opened:
        watched = run_watched(
            folder / "log",
            ROOT / "tests" / "build_several.py",
            folder / "commands",
            timeout=MOST_SECONDS,
        )
    assert watched.code == 0, watched.output[-3000:]
    ends = json.loads(watched.output.splitlines()[-1])
    return ends, watched, opened


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    write_secrets(folder / "outside")
    expected = {
        name: write(folder / name / "data", folder / "outside")
        for name, write in SOURCES.items()
    }
    commands = [[name, _command(folder / name)] for name in SOURCES]
    return Built(folder, expected, *_run(folder, commands))


@pytest.mark.parametrize("name", SOURCES)
def test_every_photograph_has_the_end_that_was_foreseen(built, name):
    expected = built.expected[name]
    assert built.ends[name] == []
    manifest = read_manifest(built.folder / name / "records")
    assert manifest.source == name
    reasons = {skip["image_id"]: skip["reason"] for skip in manifest.skipped}
    stored = read_stored(built.folder / name / "records")
    assert len(manifest.skipped) == len(reasons)
    assert set(reasons) | set(stored) == set(expected)
    assert not set(reasons) & set(stored)
    assert len(expected) >= NUM_GOOD + LEAST_WRONG
    for image_id, reason in expected.items():
        if reason is None:
            continue  # Chance decided what is broken.
        found = reasons.get(image_id, "")
        assert re.search(reason or "^$", found), (image_id[:80], found)
        assert len(found) < 6000  # One names a file of 5000 signs.
    for content, size in stored.values():
        assert list(decode(content).shape[:2]) == size


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"object_detection"}))
def test_what_is_good_is_kept_to_the_byte(built, name):
    stored = read_stored(built.folder / name / "records")
    contents = {content for content, _ in stored.values()}
    paths = list((built.folder / name / "data").rglob("good_*.jpg"))
    assert len(paths) == NUM_GOOD
    # Of COCO's one shares its number with a hostile twin.
    kept = [path for path in paths if path.read_bytes() in contents]
    assert len(kept) == NUM_GOOD - (name == "coco")


def test_nothing_outside_is_read_and_memory_stays_small(built):
    assert built.opened == []
    assert built.watched.opened_below(built.folder / "outside") == set()
    for name in SOURCES:
        data_dir = built.folder / name / "data"
        assert len(built.watched.opened_below(data_dir)) > 1
        for path in (built.folder / name / "records").iterdir():
            assert CANARY not in path.read_bytes()
    assert built.watched.megabytes < MOST_MEGABYTES
    assert "Traceback" not in built.watched.output


def _file(name, content):
    """Returns what writes a file below a folder."""

    def write(data_dir, outside):
        path = data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        is_bytes = isinstance(content, bytes)
        path.write_bytes(content if is_bytes else content.encode())

    return write


def _pipe(name):
    def write(data_dir, outside):
        _file(name, "")(data_dir, outside)
        (data_dir / name).unlink()
        os.mkfifo(data_dir / name)

    return write


def _link(name):
    def write(data_dir, outside):
        _file(name, "")(data_dir, outside)
        (data_dir / name).unlink()
        (data_dir / name).symlink_to(outside / "secret.txt")

    return write


_JSON = "annotations/instances_val.json"
_LIST = "VOC2007/ImageSets/Main/train.txt"
_BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{index}: &a{index} [*a{index - 1}, *a{index - 1}]\n"
    for index in range(1, 40)
)
# Of what is read as a whole: the source, its file, and what is said of it.
WHOLE = [
    ("coco", _file(_JSON, '{"images": [{"id": 1,'), "not valid JSON"),
    ("coco", _file(_JSON, b"\xff" * 99), "not valid JSON"),
    ("coco", _file(_JSON, "[" * 10**6), "not valid JSON"),
    ("coco", _file(_JSON, '{"a": ' + "[" * 10**6), "nested too deeply"),
    ("coco", _file(_JSON, '{"images": "z"}'), "must be a list"),
    ("coco", _file(_JSON, bytes(10**6)), "not valid JSON"),
    ("coco", _pipe(_JSON), "is a pipe"),
    ("coco", _link(_JSON), "leads outside"),
    ("csv", _file("boxes.csv", b"\xff\xfe" * 99), "not a text file"),
    ("csv", _file("boxes.csv", '"' + "z" * 10**6), "not valid csv"),
    ("csv", _file("boxes.csv", "a,b"), "the header is"),
    ("csv", _pipe("boxes.csv"), "is a pipe"),
    ("csv", _link("boxes.csv"), "leads outside"),
    ("image_folder", _link("a.jpg"), "No picture in"),
    ("image_folder", _file("a.txt", ""), "No picture in"),
    ("object_detection", _file("a.record", b"\x1f\x8b" * 9), "compressed"),
    ("object_detection", _file("b.record", ""), "hold no record"),
    ("object_detection", _link("a.record"), "leads outside"),
    ("object_detection", _pipe("labels.pbtxt"), "is a pipe"),
    ("object_detection", _link("labels.pbtxt"), "leads outside"),
    ("object_detection", _file("labels.pbtxt", "item {"), "ends within"),
    ("voc", _file(_LIST, "../../../outside/secret"), "never a path"),
    ("voc", _file(_LIST, b"\xff\xff"), "not a text file"),
    ("voc", _pipe(_LIST), "is a pipe"),
    ("voc", _link(_LIST), "leads outside"),
    ("yolo", _file("data.yaml", _BOMB), "has references"),
    ("yolo", _file("data.yaml", "!!python/name:os.system x"), "valid yaml"),
    ("yolo", _pipe("data.yaml"), "is a pipe"),
    ("yolo", _link("data.yaml"), "leads outside"),
    ("yolo", _link("classes.txt"), "leads outside"),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """Each source with one file that spoils all, asked for by name, by auto."""
    folder = tmp_path_factory.mktemp("whole")
    write_secrets(folder / "outside")
    commands = []
    for index, (source, spoil, _) in enumerate(WHOLE):
        place = folder / str(index)
        (place / "data").mkdir(parents=True)
        if source == "object_detection":
            _file("b.record", frame(b""))(place / "data", None)
        if source == "yolo":
            write_picture(place / "data" / "images" / "train" / "a.jpg")
            (place / "data" / "labels").mkdir()
        spoil(place / "data", folder / "outside")
        for kind in (source, "auto"):
            commands.append([f"{index} {kind}", _command(place, kind)])
    ends, watched, opened = _run(folder, commands)
    return Built(folder, None, ends, watched, opened)


@pytest.mark.parametrize("index", range(len(WHOLE)))
def test_what_spoils_a_whole_source_is_named(refused, index):
    source, _, reason = WHOLE[index]
    end = refused.ends[f"{index} {source}"]
    assert isinstance(end, str) and end.startswith("Error: ")
    assert re.search(reason, end) and len(end) < 1000, end[:2000]
    assert str(refused.folder / str(index) / "data") in end
    assert not (refused.folder / str(index) / "records").exists()


def test_what_spoils_a_source_leads_nowhere(refused):
    assert refused.opened == []
    opened = refused.watched.opened_below(refused.folder / "outside")
    assert opened == set()
    assert refused.watched.megabytes < MOST_MEGABYTES
    assert CANARY.decode() not in refused.watched.output
    assert "Traceback" not in refused.watched.output
