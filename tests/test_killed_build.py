"""A build that is killed again and again ends with the same bytes."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
# Whom SIGKILL reaches, the build with its child processes or it alone, and
# at about which share of the work; 0: while the build still starts.
KILLS = (
    ("group", 0),
    ("parent", 0.1),
    ("group", 0.3),
    ("parent", 0),
    ("parent", 0.55),
)
_MARK = "SCN_TEST_BUILD"
_SECONDS_TO_END = 60
_LOOK = 0.02


class Builds:
    """The same command again and again, in one folder.

    Args:
        records_dir: the folder.
        flags: of the command, less folder and number of processes.
        num_shards: how many files all of it makes.
        seconds_per_shard: about how long a process takes for one.
    """

    def __init__(self, records_dir, flags, num_shards, seconds_per_shard):
        self.records_dir = records_dir
        self.num_shards = num_shards
        self.seconds_per_shard = seconds_per_shard
        self._flags = flags
        self._log_path = records_dir.with_suffix(".log")

    @contextlib.contextmanager
    def started(self, num_workers=2):
        """Yields the process of a build; it leads the group of all others."""
        command = [sys.executable, "-m", "tfrecords.build", *self._flags]
        command += [f"--num_workers={num_workers}"]
        with open(self._log_path, "w") as log:
            process = subprocess.Popen(
                [*command, f"--records_dir={self.records_dir}"],
                cwd=ROOT,
                env={
                    **os.environ,
                    _MARK: str(self.records_dir),
                    "PYTHONUNBUFFERED": "1",
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @property
    def output(self):
        return self._log_path.read_text()

    def says_it_goes_on(self, number):
        """Says whether the last build found so many shards of before."""
        text = f"{number} of {self.num_shards} shards are there from before"
        return text in self.output

    def finished(self):
        """Returns when, and as which file, each finished shard was written."""
        notes = self.records_dir.glob(".parts/*.done.json")
        names = [path.name.removesuffix(".done.json") for path in notes]
        states = {name: (self.records_dir / name).stat() for name in names}
        return {
            name: (state.st_ino, state.st_mtime_ns)
            for name, state in states.items()
        }

    def kill(self, process, whom):
        """Kills a build that is at work, and waits for its processes' end."""
        assert process.poll() is None, "the build ended before it was killed"
        if whom == "group":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        assert process.wait() == -signal.SIGKILL
        self.check_nothing_lives()

    def check_nothing_lives(self):
        """Waits for the end of all processes of these builds.

        Those that multiprocessing keeps for itself see their parent's end
        only after it, so that one may live for a moment longer.
        """
        until = time.monotonic() + _SECONDS_TO_END
        while self.processes() and time.monotonic() < until:
            time.sleep(_LOOK)
        assert self.processes() == {}

    def processes(self):
        """Returns ids and command lines of all living processes of these."""
        mark = f"{_MARK}={self.records_dir}".encode()
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes().split(b"\0"):
                    command = path.with_name("cmdline").read_bytes()
                    found[path.parent.name] = command.split(b"\0")
            except OSError:  # It has ended meanwhile.
                continue
        return found


def contents(folder):
    """Returns what is in a folder, hidden files and folders too."""
    return {
        str(path.relative_to(folder)): path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
    }


def wait_for_kill(builds, process, kept, share, rng):
    """Waits for a random moment, in the first seconds or at a share of work.

    On a fast machine it comes sooner: the build must be at work by then.
    """
    enough, seconds = kept + 1, 4  # it has started
    if share:
        most = builds.num_shards * (share + rng.uniform(0, 0.15))
        number = max(int(most), kept + 1)
        while len(builds.finished()) < number and process.poll() is None:
            time.sleep(_LOOK)
        enough, seconds = builds.num_shards - 4, builds.seconds_per_shard
    until = time.monotonic() + rng.uniform(0, seconds)
    while len(builds.finished()) < enough and time.monotonic() < until:
        time.sleep(_LOOK)


def check_killed_builds(broken, seed, timeout):
    """Kills a build at random moments, then lets it end."""
    rng = np.random.default_rng(seed)
    kept = {}
    for whom, share in KILLS:
        with broken.started() as process:
            wait_for_kill(broken, process, len(kept), share, rng)
            broken.kill(process, whom)
        if kept and share:
            assert broken.says_it_goes_on(len(kept))
        finished = broken.finished()
        assert kept.items() <= finished.items()
        assert not (broken.records_dir / "manifest.json").exists()
        kept = finished
    assert 0 < len(kept) < broken.num_shards
    with broken.started() as process:
        assert process.wait(timeout) == 0, broken.output[-3000:]
    assert broken.says_it_goes_on(len(kept))
    for name, state in kept.items():
        there = (broken.records_dir / name).stat()
        assert (there.st_ino, there.st_mtime_ns) == state
    broken.check_nothing_lives()


def check_equal(broken, whole):
    """Compares two folders of records to the byte."""
    assert contents(broken.records_dir) == contents(whole.records_dir)
    assert len(contents(broken.records_dir)) == broken.num_shards + 1


def check(folder, flags, num_shards, seconds_per_shard, seed, timeout):
    """Builds unbroken with one process, and killed with two; compares."""
    whole = Builds(folder / "whole", flags, num_shards, seconds_per_shard)
    with whole.started(num_workers=1) as process:
        assert process.wait(timeout) == 0, whole.output[-3000:]
    broken = Builds(folder / "broken", flags, num_shards, seconds_per_shard)
    check_killed_builds(broken, seed, timeout)
    check_equal(broken, whole)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_build_ends_with_the_bytes_of_an_unbroken_one(tmp_path):
    flags = ["--source=synthetic", "--proposals=edge_boxes"]
    flags += ["--limit_images=240", "--records_shards=10"]
    check(tmp_path, flags, 20, 0.4, seed=1, timeout=600)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_photographs_survive_five_kills(tmp_path, scn_data):
    flags = [f"--data_dir={scn_data / 'data'}", "--proposals=edge_boxes"]
    check(tmp_path, flags, 16, 12, seed=2, timeout=1800)
