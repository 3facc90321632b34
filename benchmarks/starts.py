"""One command, started again and again in one run folder.

In: flags and a run folder. Out: processes, each in a group of its own; what
their log says; how long an unbroken run takes for its phases.
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from benchmarks import run_folders

ROOT = pathlib.Path(__file__).parents[1]
# What the log says when a phase begins.
FILLING = "feature cache, "
TRAINING = "training: "
_LOOK = 0.001  # seconds between looks
_TIMEOUT = 600


class CommandFailed(Exception):
    """The command failed, or could not be killed where it should be."""


@dataclasses.dataclass(frozen=True)
class Times:
    """How long the phases of an unbroken run took.

    Attributes:
        cache: seconds of filling the feature cache.
        shards: of the feature cache.
        training: seconds of everything after it.
        saves: how often it saved.
        save: seconds of one save.
    """

    cache: float
    shards: int
    training: float
    saves: int
    save: float


class Starts:
    """The same command again and again.

    Args:
        run_dir: the run folder; the log is written beside it.
        flags: all others of the command.
    """

    def __init__(self, run_dir: pathlib.Path, flags: Sequence[str]) -> None:
        self.run_dir = run_dir
        self._log_path = run_dir.with_suffix(".log")
        self._command = [sys.executable, "-m", "scn_tf.main", *flags]
        self._command += [f"--run_dir={run_dir}"]

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen]:
        """Yields the process; at the end of the block it and its are killed."""
        with open(self._log_path, "w") as log:
            process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
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

    def says(self, *texts: str) -> bool:
        """Says whether the log of the last start holds one of `texts`."""
        log = self._log_path.read_text(errors="replace")
        return any(text in log for text in texts)

    def check_end(self, process: subprocess.Popen) -> None:
        """Waits for the end.

        Raises:
            CommandFailed: if it was no good one.
        """
        if process.wait(_TIMEOUT):
            log = self._log_path.read_text(errors="replace")
            raise CommandFailed(f"The command failed: {log[-3000:]}")

    def run_unbroken(self) -> Times:
        """Runs to the end, with an eye on the time of the phases.

        Raises:
            CommandFailed: if the command fails.
        """
        saves = []
        with self.started() as process:
            wait_until(process, lambda: self.says(FILLING))
            begin = time.perf_counter()
            wait_until(process, lambda: self.says(TRAINING))
            filled = time.perf_counter()
            while wait_until(process, lambda: run_folders.saving(self.run_dir)):
                start = time.perf_counter()
                wait_until(
                    process, lambda: not run_folders.saving(self.run_dir)
                )
                saves.append(time.perf_counter() - start)
            end = time.perf_counter()
            self.check_end(process)
        shards = len(run_folders.state(self.run_dir).shards)
        save = statistics.median(saves)
        return Times(filled - begin, shards, end - filled, len(saves), save)


def wait_until(process: subprocess.Popen, seen: Callable[[], object]) -> bool:
    """Waits until something is seen; False if the process ended before."""
    while not seen():
        if process.poll() is not None:
            return False
        time.sleep(_LOOK)
    return True
