"""The laws of `test_hostile_files` for the other sources.

One process builds all of them: what one does to it shows in the next.
"""

import collections
import json
import re

import pytest
from hostile_sources import NUM_GOOD
from hostile_sources import SOURCES
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


@pytest.mark.parametrize("name", set(SOURCES) - {"object_detection"})
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
