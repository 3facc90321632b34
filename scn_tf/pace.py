"""How many steps the next call takes, and when the state is saved.

In: the flags `--save_every`, `--steps_per_call`, `--profile`,
`--picture_every`. Out: numbers of steps that never reach over the end of an
epoch, a save or a profile.
"""

import dataclasses
import itertools
import re
import time

import numpy as np
from absl import flags

from tfrecords.errors import InputError

# Calls of about this length: progress moves, signals are soon noticed.
_SECONDS_PER_CALL = 0.3
_MOST_STEPS = 100
# The first of them compiles the step. Calls after which the pace is set: the
# early ones may have been slowed by what a device does once.
_MEASURED_CALLS = 3
_SET_AFTER = tuple(_MEASURED_CALLS * 2**turn for turn in range(6))
_STEPS_OF_WORKERS = 10


@dataclasses.dataclass(frozen=True)
class PaceOptions:
    """When to come up for air; each is a flag.

    Attributes:
        save_every: "500" (steps), "10m" (minutes) or "epoch"; every end of
            an epoch is saved in any case.
        steps_per_call: steps that TensorFlow takes by itself; 0 makes calls
            of _SECONDS_PER_CALL.
        profile: "first:last", steps of which a trace is written, or "".
        picture_every: epochs between pictures of predictions; "0" draws
            none; "auto" as many as take a hundredth of the time.
    """

    save_every: str = "10m"
    steps_per_call: int = 0
    profile: str = ""
    picture_every: str = "auto"

    def __post_init__(self) -> None:
        """Refuses what cannot be read: now, not when it is asked for.

        Raises:
            InputError: if a value is not one of its forms.
        """
        self._check()
        self.profile_steps()
        self.picture_epochs()

    def save_steps(self) -> int:
        """Steps between saves; 0 where they do not decide."""
        return int(self.save_every) if self.save_every.isdigit() else 0

    def save_seconds(self) -> float:
        """Seconds between saves; infinite where they do not decide."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)m", self.save_every)
        return 60 * float(match[1]) if match else float("inf")

    def profile_steps(self) -> range:
        """Steps of which a trace is written, counted from 0.

        Raises:
            InputError: if `profile` is not two rising numbers.
        """
        if not self.profile:
            return range(0)
        match = re.fullmatch(r"(\d+):(\d+)", self.profile)
        if not match or int(match[1]) >= int(match[2]):
            raise InputError(
                f"--profile={self.profile}: wanted are two steps, such as "
                "100:110."
            )
        return range(int(match[1]), int(match[2]))

    def picture_epochs(self) -> int | None:
        """Epochs between pictures; None where the time decides.

        Raises:
            InputError: if `picture_every` is not one of its forms.
        """
        if self.picture_every == "auto":
            return None
        if not re.fullmatch(r"\d+", self.picture_every):
            raise InputError(
                f"--picture_every={self.picture_every}: wanted are epochs "
                "(5), 0 or auto."
            )
        return int(self.picture_every)

    def _check(self) -> None:
        if not re.fullmatch(r"[1-9]\d*|\d+(\.\d+)?m|epoch", self.save_every):
            raise InputError(
                f"--save_every={self.save_every}: wanted are steps (500), "
                "minutes (10m) or epoch."
            )


@dataclasses.dataclass
class Since:
    """What was measured since the epoch, or the run, began.

    Attributes:
        steps: taken.
        seconds: of their calls.
        waited: seconds of these in which there was no input.
    """

    steps: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def add(self, steps: int, seconds: float, waited: float) -> None:
        """Counts one call."""
        self.steps += steps
        self.seconds += seconds
        self.waited += waited

    def wait_share(self) -> float:
        """Share of the time without input, in [0, 1]."""
        return min(1.0, self.waited / max(self.seconds, 1e-9))


def define_flags() -> None:
    """Defines the flags of saving and watching; call once per process."""
    default = PaceOptions()
    flags.DEFINE_string(
        "save_every",
        default.save_every,
        "When to save besides the ends of epochs: steps (500), minutes (10m) "
        "or epoch.",
    )
    flags.DEFINE_integer(
        "keep", 2, "Checkpoints that stay, besides the best.", lower_bound=1
    )
    flags.DEFINE_enum(
        "checkpoint",
        "last",
        ["last", "best"],
        "Which one is judged and exported: the last, or the one with the "
        "lowest loss on held-out pairs.",
    )
    flags.DEFINE_integer(
        "steps_per_call",
        default.steps_per_call,
        "Steps that TensorFlow takes by itself; 0: as many as take about "
        f"{_SECONDS_PER_CALL} s.",
        lower_bound=0,
    )
    flags.DEFINE_string(
        "profile",
        default.profile,
        "Steps of which a trace for TensorBoard's profiler is written, such "
        "as 100:110.",
    )
    flags.DEFINE_string(
        "picture_every",
        default.picture_every,
        "Epochs between pictures of predictions in TensorBoard; 0: no "
        "pictures while training; auto: as many as take 1 % of the time.",
    )


class Pace:
    """Cuts a training into calls, each of a chunk of steps.

    Args:
        options: the flags.
        steps_per_epoch: steps of an epoch.
        several_workers: whether others must cut alike: then nothing depends
            on this machine's speed.
    """

    def __init__(
        self,
        options: PaceOptions,
        steps_per_epoch: int,
        several_workers: bool = False,
    ) -> None:
        self._per_epoch = steps_per_epoch
        self._save_steps = options.save_steps()
        self._save_seconds = options.save_seconds()
        self.profile = options.profile_steps()
        fixed = options.steps_per_call
        if several_workers:
            fixed = fixed or _STEPS_OF_WORKERS
        # The step before a profile is taken as those in it are, so that
        # nothing is compiled in their time.
        first = max(self.profile.start - 1, 0)
        self._alone = range(first, self.profile.stop)
        self._is_fixed = bool(fixed)
        self._calls = 0
        self._fastest = float("inf")  # seconds of a step
        self.chunk_steps = fixed or 1
        self._saved = time.monotonic()

    def cut(self, steps: range) -> list[range]:
        """Cuts `steps` into chunks of `chunk_steps` steps at most.

        No chunk reaches over the end of an epoch or a save; profiled steps
        stand alone.
        """
        periods = [self._per_epoch, self._save_steps, self.chunk_steps]
        edges = [
            np.arange(steps.start - steps.start % period, steps.stop, period)
            for period in periods
            if period
        ]
        profile = [*self._alone, self._alone.stop]
        ends = [steps.start, steps.stop]
        edges = np.unique(np.concatenate([*edges, profile, ends]))
        edges = edges[(edges >= steps.start) & (edges <= steps.stop)].tolist()
        return [range(*pair) for pair in itertools.pairwise(edges)]

    def is_alone(self, step: int) -> bool:
        """Whether the step is a call of its own: the profiler counts calls."""
        return step in self._alone

    def took(self, steps: int, seconds: float) -> None:
        """Learns from the calls so far how long steps take.

        Afterwards `chunk_steps` may be another number.
        """
        self._calls += 1
        if self._is_fixed or self._calls == 1:
            return
        self._fastest = min(self._fastest, max(seconds, 1e-6) / steps)
        if self._calls in _SET_AFTER:
            wanted = int(_SECONDS_PER_CALL / self._fastest)
            wanted = max(1, min(wanted, _MOST_STEPS))
            # A new number costs a new stream of batches.
            if not self.chunk_steps / 2 < wanted < self.chunk_steps * 2:
                self.chunk_steps = wanted

    def should_save(self, step: int) -> bool:
        """Whether the state after `step` steps is to be saved."""
        by_time = time.monotonic() - self._saved >= self._save_seconds
        by_step = self._save_steps and step % self._save_steps == 0
        return bool(by_time or by_step or step % self._per_epoch == 0)

    def saved(self) -> None:
        """Starts the time to the next save."""
        self._saved = time.monotonic()
