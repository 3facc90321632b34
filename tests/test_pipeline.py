"""Laws of the Beam pipeline: any workers, any end, the same bytes."""

import dataclasses
import os
import re
import signal
import threading
import time

import pytest
from small_source import small_options
from small_source import SmallSource

from tfrecords import pipeline
from tfrecords import shard_worker
from tfrecords.errors import InputError
from tfrecords.options import RunnerOptions
from tfrecords.parts import Parts
from tfrecords.pipeline import build_shards
from tfrecords.plan import plan_shards
from tfrecords.shard import build_shard

IDENTITY = {"options": {"seed": 0}}


def run(folder, source, num_workers=1, identity=IDENTITY, **changes):
    runner_fields = {f.name for f in dataclasses.fields(RunnerOptions)}
    runner = {n: changes.pop(n) for n in runner_fields & set(changes)}
    parts = Parts(folder, identity)
    parts.make()
    options = small_options(**changes)
    tasks = plan_shards(source, options, folder)
    runner = RunnerOptions(num_workers, **{"progress": False, **runner})
    return build_shards(tasks, parts, source, options, runner)


class OpenedSource(SmallSource):
    """Notes every process that opens it, as often as that happens."""

    def __init__(self, note):
        super().__init__(6, 6)
        self.note = note
        with open(note, "a") as file:
            file.write(f"{os.getpid()}\n")

    def __reduce__(self):
        return type(self), (self.note,)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tfrecord")}


@pytest.fixture
def built(monkeypatch):
    """The names of the files that are really built, in this process."""
    names = []

    def counting(task, *arguments):
        names.append(task.path.name)
        return build_shard(task, *arguments)

    monkeypatch.setattr(shard_worker, "build_shard", counting)
    return names


def test_any_number_of_processes_writes_the_same_bytes(tmp_path):
    source = SmallSource(bad=(2,))
    one = run(tmp_path / "one", source, 1)
    two = run(tmp_path / "two", source, 2)
    assert one == two
    assert [result.counts["images"] for result in one] == [2, 2, 1, 2]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 4


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_source_is_opened_once_per_process(tmp_path, num_workers):
    source = OpenedSource(str(tmp_path / "opened"))
    run(tmp_path / "records", source, num_workers, num_shards=6)
    assert len(contents(tmp_path / "records")) == 12
    opened = (tmp_path / "opened").read_text().split()
    assert opened[0] == str(os.getpid())
    assert len(opened) == len(set(opened)) <= 3


def test_another_runner_of_beam_writes_the_same_bytes(tmp_path, built):
    here = run(tmp_path / "here", SmallSource())
    built.clear()
    name = "apache_beam.runners.direct.direct_runner.BundleBasedDirectRunner"
    there = run(
        tmp_path / "there", SmallSource(), beam_options=(f"--runner={name}",)
    )
    assert there == here and len(built) == 4
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["runner=FlinkRunner", "--flink_master=a:1"], "begin with --"),
        (["--runner=FlinkRunner", "flink_master=a:1"], "begin with --"),
        (["--runer=FlinkRunner"], "--runner is one of them"),
        (["--runner=Flinc"], "Unexpected pipeline runner: Flinc"),
        (["--runner=no.such.Runner"], "No module named 'no'"),
        (["--runner"], "argument --runner: expected one argument"),
        (["--runner=DirectRunner", "--direct_num_workers=x"], "invalid int"),
    ],
)
def test_wrong_options_of_beam_are_refused(
    tmp_path, capsys, built, words, reason
):
    with pytest.raises(InputError) as raised:
        run(tmp_path, SmallSource(), beam_options=tuple(words))
    said = str(raised.value)
    assert said.startswith(f"--beam_options={','.join(words)} cannot be used")
    assert reason in said and "--runner=FlinkRunner,--flink_master" in said
    assert not built and "usage" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("images", "wanted", "workers"),
    [(149, 0, 1), (301, 0, 2), (10_000, 0, 3), (20, 2, 2), (20, 9, 4)],
)
def test_processes_are_started_where_they_pay(
    tmp_path, monkeypatch, images, wanted, workers
):
    monkeypatch.setattr(pipeline, "_count_cores", lambda: 3)
    source = SmallSource(images // 2, images - images // 2)
    tasks = plan_shards(source, small_options(), tmp_path)
    assert pipeline._useful_workers(tasks, wanted) == workers


def test_a_process_that_dies_is_reported_and_the_rest_is_kept(tmp_path):
    with pytest.raises(InputError, match="2 building processes died.*smaller"):
        run(tmp_path, SmallSource(deadly=(7,)), 2, num_shards=1)
    assert set(contents(tmp_path)) <= {"train-00000-of-00001.tfrecord"}
    whole = run(tmp_path / "whole", SmallSource(), num_shards=1)
    assert run(tmp_path, SmallSource(), num_shards=1) == whole


def test_an_interrupt_ends_the_workers_soon_and_the_build_goes_on(
    tmp_path, monkeypatch
):
    source = SmallSource(64, 8)
    whole = run(tmp_path / "whole", source)
    begun = threading.Event()
    reading, read = [], []
    really_read = SmallSource.read

    def slow(self, key):
        reading.append(key)
        read.append(key)
        begun.set()
        time.sleep(0.2)
        reading.remove(key)
        return really_read(self, key)

    def interrupt():
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(SmallSource, "read", slow)
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "broken", source)
    # A batch is 8 of them.
    assert len(read) < 40
    assert not reading
    assert run(tmp_path / "broken", source) == whole
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_an_unfinished_build_goes_on_with_what_is_finished(
    tmp_path, built, monkeypatch
):
    source = SmallSource()
    whole = run(tmp_path / "whole", source)
    built.clear()
    with pytest.raises(InputError, match="picture 4 is bad"):
        run(tmp_path, SmallSource(bad=(4,)), on_bad_image="stop")
    finished = set(contents(tmp_path))
    assert len(finished) < 4
    built.clear()
    assert run(tmp_path, source) == whole
    assert set(built) == set(contents(tmp_path / "whole")) - finished
    assert contents(tmp_path) == contents(tmp_path / "whole")


def test_shards_of_other_options_are_removed(tmp_path, built):
    run(tmp_path, SmallSource(), num_shards=3)
    built.clear()
    run(tmp_path, SmallSource(), identity={"options": {"seed": 1}})
    assert len(built) == 4
    assert set(contents(tmp_path)) == set(built)


def test_shards_of_other_pictures_are_built_again(tmp_path, built):
    source = SmallSource()
    run(tmp_path, source)
    built.clear()
    run(tmp_path, dataclasses.replace(source, num_val=4))
    assert {name[:3] for name in built} == {"val"}


def test_progress_counts_pictures_and_says_what_was_there(tmp_path, capsys):
    source = SmallSource()
    run(tmp_path, source)
    next(tmp_path.glob("train-00000*")).unlink()
    run(tmp_path, source, progress=True)
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


def test_workers_that_write_elsewhere_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "_run", lambda *arguments: None)
    with pytest.raises(InputError, match="4 shards were not written"):
        run(tmp_path, SmallSource())
