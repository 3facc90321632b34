import dataclasses
import re

import pytest
from small_source import small_options
from small_source import SmallSource

from tfrecords import shard_pool
from tfrecords.errors import InputError
from tfrecords.plan import plan_shards
from tfrecords.shard import build_shard
from tfrecords.shard_pool import build_shards
from tfrecords.shard_pool import NOTES_DIR

IDENTITY = {"options": {"seed": 0}}


def run(folder, source, num_workers=1, identity=IDENTITY, **changes):
    (folder / NOTES_DIR).mkdir(parents=True, exist_ok=True)
    tasks = plan_shards(source, small_options(**changes), folder)
    return build_shards(tasks, identity, num_workers, progress=False)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tfrecord")}


@pytest.fixture
def built(monkeypatch):
    """The names of the files that are really built, in this process."""
    names = []

    def counting(task, on_image):
        names.append(task.path.name)
        return build_shard(task, on_image)

    monkeypatch.setattr(shard_pool, "build_shard", counting)
    return names


def test_any_number_of_processes_writes_the_same_bytes(tmp_path):
    source = SmallSource(bad=(2,))
    one = run(tmp_path / "one", source, 1)
    two = run(tmp_path / "two", source, 2)
    assert one == two
    assert [result.counts["images"] for result in one] == [2, 2, 1, 2]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 4


@pytest.mark.parametrize("seconds", [0, 60])
def test_processes_take_over_what_takes_long(
    tmp_path, built, monkeypatch, seconds
):
    whole = run(tmp_path / "whole", SmallSource())
    built.clear()
    taken_over = []

    def in_processes(tasks, keep, num_workers, bar):
        assert num_workers == 2
        assert bar.n == 0
        for task in tasks:
            taken_over.append(task.path.name)
            keep(task, build_shard(task))

    monkeypatch.setattr(shard_pool, "_SECONDS_TO_START", seconds)
    monkeypatch.setattr(shard_pool, "_count_cores", lambda: 2)
    monkeypatch.setattr(shard_pool, "_build_in_processes", in_processes)
    assert run(tmp_path / "here", SmallSource(), num_workers=0) == whole
    assert contents(tmp_path / "here") == contents(tmp_path / "whole")
    assert len(built) == (1 if seconds == 0 else 4)
    assert len(taken_over) == (4 if seconds == 0 else 0)


def test_a_process_that_dies_is_reported_and_the_rest_is_kept(tmp_path):
    with pytest.raises(InputError, match="processes died.*--num_workers"):
        run(tmp_path, SmallSource(deadly=(7,)), 2, num_shards=1)
    assert set(contents(tmp_path)) <= {"train-00000-of-00001.tfrecord"}


def test_an_unfinished_build_goes_on_with_what_is_finished(tmp_path, built):
    source = SmallSource()
    whole = run(tmp_path / "whole", source)
    built.clear()

    def fail(key):
        raise KeyError(key)

    broken = SmallSource()
    broken.read = lambda key: (
        fail(key) if key.image_id == "4" else source.read(key)
    )
    with pytest.raises(KeyError):
        run(tmp_path / "broken", broken)
    assert set(contents(tmp_path / "broken")) == {
        "train-00000-of-00002.tfrecord"
    }
    built.clear()
    assert run(tmp_path / "broken", source) == whole
    assert built == [
        "train-00001-of-00002.tfrecord",
        "val-00000-of-00002.tfrecord",
        "val-00001-of-00002.tfrecord",
    ]
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_shards_of_other_options_are_removed(tmp_path, built):
    run(tmp_path, SmallSource(), num_shards=3)
    built.clear()
    run(tmp_path, SmallSource(), identity={"options": {"seed": 1}})
    assert len(built) == 4
    assert set(contents(tmp_path)) == set(built)


@pytest.mark.parametrize("damage", ["change", "remove", "note"])
def test_a_damaged_shard_is_built_again(tmp_path, built, damage):
    run(tmp_path, SmallSource())
    before = contents(tmp_path)
    name = "val-00001-of-00002.tfrecord"
    if damage == "change":
        (tmp_path / name).write_bytes(b"other")
    elif damage == "remove":
        (tmp_path / name).unlink()
    else:
        (tmp_path / NOTES_DIR / f"{name}.json").write_text("{")
    built.clear()
    run(tmp_path, SmallSource())
    assert built == [name]
    assert contents(tmp_path) == before


def test_what_a_killed_process_left_is_removed(tmp_path):
    left = tmp_path / ".val-00000-of-00002.tfrecord.99.tmp"
    left.touch()
    run(tmp_path, SmallSource())
    assert not left.exists()


def test_another_image_in_a_shard_is_another_shard(tmp_path, built):
    source = SmallSource()
    run(tmp_path, source)
    built.clear()
    more = dataclasses.replace(source, num_val=4)
    run(tmp_path, more)
    assert [name[:3] for name in built] == ["val", "val"]


def test_progress_counts_pictures_and_says_what_was_there(tmp_path, capsys):
    source = SmallSource()
    run(tmp_path, source)
    tasks = plan_shards(source, small_options(), tmp_path)
    tasks[0].path.unlink()
    build_shards(tasks, IDENTITY, 1, progress=True)
    said = capsys.readouterr()
    assert "3 of 4 shards are there" in said.out
    assert "2/2" in said.err and "image/s" in said.err


def test_the_end_of_a_build_says_how_fast_it_was(tmp_path, caplog):
    with caplog.at_level("INFO", "absl"):
        run(tmp_path, SmallSource(bad=(2,)))
        (tmp_path / "train-00000-of-00002.tfrecord").unlink()
        run(tmp_path, SmallSource(bad=(2,)))
        run(tmp_path, SmallSource(bad=(2,)))
    whole, part = caplog.messages
    said = r"{} images in \d+ s \([\d.]+ images/s\); {} shards, [\d,]+ bytes"
    assert re.fullmatch(said.format(8, 4) + ", 1 images skipped", whole)
    assert re.match(said.format(2, 1), part)
