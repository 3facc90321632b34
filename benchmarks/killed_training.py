"""A training that is killed again and again against an unbroken one.

Runs `python -m scn_tf.main` (records, which are there already, and train)
unbroken, then the same command in another run folder, killed with SIGKILL,
the whole process group, at random moments: while the feature cache is
filled, between two saves and within a save. After the last kill the command
runs to its end. Then both run folders are compared, see
`benchmarks.run_folders`. Exit code 1 if anything differs, if a start did not
go on where the killed one stood, or if no kill fell into one of the phases.

    python -m benchmarks.killed_training --kills=20 --seed=0
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import dataclasses
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
from absl import app
from absl import flags
from absl import logging

from benchmarks import run_folders
from benchmarks.starts import CommandFailed
from benchmarks.starts import FILLING
from benchmarks.starts import Starts
from benchmarks.starts import Times
from benchmarks.starts import TRAINING
from benchmarks.starts import wait_until
from tfrecords.build import build
from tfrecords.options import BuildOptions
from tfrecords.options import RunnerOptions
from tfrecords.proposals.proposals import ProposalOptions

PHASES = ("cache", "training", "saving")
# Scenes of 256 pixels and a network that is cut early: 256 KB of features a
# patch make several shards, and a save takes long enough to be hit. With this
# learning rate both neck and head have gradients.
_FLAGS = (
    *("--stages=records,train", "--backbone=small_cnn", "--train_from=conv4"),
    *("--image_size=256", "--cache_dtype=float32", "--batch_pairs=32"),
    *("--learning_rate=0.0001", "--save_every=10", "--check_pairs=200"),
)


@dataclasses.dataclass
class Kill:
    """One kill.

    Attributes:
        phase: into which it fell.
        left: names of what was being written.
        state: what the next start can build on.
        continued: whether it did.
    """

    phase: str
    left: list[str]
    state: run_folders.State
    continued: bool = False


class _Moments:
    """Random moments, so that the kills together reach far into the run."""

    def __init__(
        self, kills: int, times: Times, rng: np.random.Generator
    ) -> None:
        phases = list(itertools.islice(itertools.cycle(PHASES), kills))
        late = [phase for phase in phases if phase != "cache"]
        early = kills - len(late)
        # The cache is filled once, so that its kills come first.
        self.phases = ["cache"] * early + rng.permutation(late).tolist()
        # Together less than there is, however the machine's speed changes.
        self._most_saves = times.saves // (len(late) + 1)
        self._num_shards = times.shards
        self._between_shards = times.cache / times.shards
        self._between_saves = times.training / times.saves
        self._save = times.save
        self._rng = rng

    def wait_for(
        self, phase: str, starts: Starts, process: subprocess.Popen
    ) -> None:
        """Waits for a moment of a phase, or for the end of the process."""
        run_dir, rng = starts.run_dir, self._rng
        if phase == "cache":
            wait_until(process, lambda: starts.says(FILLING, TRAINING))
            # At most half of the shards that are left: some are left then.
            done = len(run_folders.state(run_dir).shards)
            done += rng.integers(0, max(1, self._num_shards - done)) // 2
            wait_until(
                process,
                lambda: len(run_folders.state(run_dir).shards) >= done,
            )
            time.sleep(rng.uniform(0, self._between_shards))
            if rng.random() < 0.5:  # in the middle of a file
                wait_until(
                    process,
                    lambda: (
                        run_folders.filling(run_dir) or starts.says(TRAINING)
                    ),
                )
            return
        wait_until(process, lambda: starts.says(TRAINING))
        for _ in range(rng.integers(0, self._most_saves, endpoint=True)):
            _wait_for_save(process, run_dir)
        time.sleep(rng.uniform(0, self._between_saves))
        if phase == "saving":
            wait_until(process, lambda: run_folders.saving(run_dir))
            # Half of them at its begin: the last part takes no time.
            time.sleep(max(0, rng.uniform(-1, 1)) * self._save)


def _wait_for_save(process: subprocess.Popen, run_dir: pathlib.Path) -> None:
    step = run_folders.state(run_dir).step
    wait_until(process, lambda: run_folders.state(run_dir).step > step)


def _run_killed(starts: Starts, moments: _Moments) -> Iterator[Kill]:
    """Kills the command in each phase, and at last lets it end.

    Raises:
        CommandFailed: if it fails, or ends too early.
    """
    kill = None
    for phase in moments.phases:
        with starts.started() as process:
            moments.wait_for(phase, starts, process)
            if process.poll() is not None:
                starts.check_end(process)
                raise CommandFailed(
                    "The command ended before it was killed. Give another "
                    "--seed or more --epochs."
                )
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if kill:
            kill.continued = _went_on(starts, kill.state)
            yield kill
        kill = _what_was_killed(starts)
    with starts.started() as process:
        starts.check_end(process)
    if kill:
        kill.continued = _went_on(starts, kill.state)
        yield kill


def _what_was_killed(starts: Starts) -> Kill:
    """Tells the phase by what was left, and where nothing was, by the log."""
    run_dir = starts.run_dir
    state = run_folders.state(run_dir)
    if starts.says(TRAINING):
        left = run_folders.saving(run_dir)
        return Kill("saving" if left else "training", left, state)
    left = run_folders.filling(run_dir)
    return Kill("cache" if starts.says(FILLING) else "start", left, state)


def _went_on(starts: Starts, earlier: run_folders.State) -> bool:
    """Says whether the last start built on all that an earlier one had."""
    now = run_folders.state(starts.run_dir)
    if not earlier.shards.items() <= now.shards.items():
        return False
    if not starts.says(TRAINING):
        return earlier.step == 0
    if earlier.step == 0:
        return not starts.says("Restored step")
    return starts.says(f"Restored step {earlier.step} ")


def check(
    folder: pathlib.Path, kills: int, images: int, epochs: int, seed: int
) -> list[str]:
    """Runs both sides and prints the table; returns what is not right.

    Args:
        folder: for records and both run folders.
        kills: how many.
        images: how many scenes.
        epochs: how many passes over their pairs.
        seed: of the random moments.

    Raises:
        CommandFailed: if the command fails, or ends before its last kill.
    """
    _build_records(folder / "records", images)
    command = [*_FLAGS, f"--epochs={epochs}"]
    command += [f"--records_dir={folder / 'records'}"]
    whole = Starts(folder / "whole", command)
    times = whole.run_unbroken()
    print(
        f"unbroken: cache {times.cache:.1f} s, training {times.training:.1f} "
        f"s, a save {1000 * times.save:.0f} ms\n\n"
        "| kill | phase | shards | saved step | continued | being written |\n"
        "|---|---|---|---|---|---|",
        flush=True,
    )
    broken = Starts(folder / "broken", command)
    moments = _Moments(kills, times, np.random.default_rng(seed))
    faults, phases = [], []
    for number, kill in enumerate(_run_killed(broken, moments), start=1):
        _print_row(number, kill)
        phases.append(kill.phase)
        if not kill.continued:
            faults.append(f"the start after kill {number} did not go on")
    counts = {phase: phases.count(phase) for phase in PHASES}
    print(f"\nkills by phase: {counts}")
    faults += [
        f"no kill fell into the phase {phase}"
        for phase in set(moments.phases) - set(phases)
    ]
    return faults + run_folders.differences(whole.run_dir, broken.run_dir)


def _build_records(records_dir: pathlib.Path, images: int) -> None:
    """Builds records with all pairs of 5 EdgeBoxes of each scene."""
    proposals = ProposalOptions(boxes_per_image=5)
    options = BuildOptions(
        *("synthetic", "", "edge_boxes", proposals),
        limit_images=images,
        seed=0,
        num_shards=0,
    )
    build(options, records_dir, RunnerOptions(num_workers=1))


def _print_row(number: int, kill: Kill) -> None:
    print(
        f"| {number} | {kill.phase} | {len(kill.state.shards)} | "
        f"{kill.state.step} | {'yes' if kill.continued else 'NO'} | "
        f"{', '.join(kill.left) or '-'} |",
        flush=True,
    )


def main(arguments: Sequence[str]) -> int:
    """Runs everything in a temporary folder."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    logging.set_verbosity(logging.WARNING)  # TensorBoard's reader talks.
    given = flags.FLAGS
    sizes = given.kills, given.images, given.epochs, given.seed
    with tempfile.TemporaryDirectory(prefix="killed_training") as folder:
        try:
            faults = check(pathlib.Path(folder), *sizes)
        except CommandFailed as error:
            print(error, file=sys.stderr)
            return 1
    for fault in faults:
        print(f"- {fault}")
    print(f"equal: {'no' if faults else 'yes'}")
    return int(bool(faults))


if __name__ == "__main__":
    flags.DEFINE_integer("kills", 20, "How often the command is killed.")
    flags.DEFINE_integer("images", 400, "Scenes to train on.")
    flags.DEFINE_integer("epochs", 4, "Epochs to train for.")
    flags.DEFINE_integer("seed", 0, "Of the moments of the kills.")
    app.run(main)
