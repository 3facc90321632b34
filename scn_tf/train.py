"""The only training loop: a driver around calls of many steps.

In: a pair model and its batches. Out: trained weights, checkpoints, a
metrics line per epoch. Works under any `tf.distribute` strategy; whatever
ends it, the same command continues at the step that was saved last.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tqdm

from scn_tf.checkpoint import Checkpoints
from scn_tf.distribution import agree
from scn_tf.distribution import num_workers
from scn_tf.gradient_norms import make_gradient_norms
from scn_tf.interrupt import signals_noticed
from scn_tf.interrupt import StopFlag
from scn_tf.interrupt import TrainingStopped
from scn_tf.optimizer import MomentumSGD
from scn_tf.pace import Pace
from scn_tf.pace import PaceOptions
from scn_tf.pace import Since
from scn_tf.pair_model import Forward
from scn_tf.recipe import TrainOptions
from scn_tf.run_log import progress_interval
from scn_tf.run_log import RunLog
from scn_tf.step import make_steps
from scn_tf.step import Taken
from tfrecords.errors import InputError

# A loss of so many times the floor, or the first one, will not come back.
_EXPLODED = 1e3


@dataclasses.dataclass(frozen=True)
class Training:
    """What the driver runs on.

    Attributes:
        forward: a batch -> what the pair model says of it.
        head: variables of the spatial context module.
        neck: variables of the neck.
        optimizer: of head and neck; knows their working copies.
        strategy: where the model was made.
        batches: ranges of steps -> distributed chunks of their batches.
        steps_per_epoch: batches of one epoch.
        batch_pairs: pairs of a global batch.
        floor: the loss that no constant prediction can pass.
        check: () -> numbers on held-out pairs, `loss`, `over_floor` and
            `permuted` at least.
        show: draws the state after some steps; called at step 0 and at ends
            of epochs, once they are saved. It must change nothing.
    """

    forward: Forward
    head: list[keras.Variable]
    neck: list[keras.Variable]
    optimizer: MomentumSGD
    strategy: tf.distribute.Strategy
    batches: Callable[[Sequence[range]], tf.data.Dataset]
    steps_per_epoch: int
    batch_pairs: int
    floor: float
    check: Callable[[], dict[str, float]]
    show: Callable[[int], None] = lambda step: None


def train(
    training: Training,
    options: TrainOptions,
    pace_options: PaceOptions,
    checkpoints: Checkpoints,
    run_log: RunLog,
) -> None:
    """Trains from the last checkpoint to `options.epochs`.

    Raises:
        InputError: if the loss is no longer a number or has exploded; the
            last good checkpoint stays.
        TrainingStopped: if a signal came; the state was saved.
    """
    several = num_workers() > 1
    pace = Pace(pace_options, training.steps_per_epoch, several)
    with training.strategy.scope():
        training.optimizer.build(training.head + training.neck)
    checkpoints.remove_leftovers()
    first = checkpoints.restore()
    if not first:
        checkpoints.forget_best()
    training.optimizer.working.refresh()
    if len(set(agree(training.strategy, first))) > 1:
        raise InputError(
            "The workers found checkpoints of different steps. They must see "
            "the same --run_dir."
        )
    run_log.rewind(first)
    last = options.epochs * training.steps_per_epoch
    if first < last:
        with signals_noticed() as stop:
            loop = _Loop(training, options, pace, checkpoints, run_log)
            if first == 0:
                training.show(first)
            loop.run(range(first, last), stop)


class _Loop:
    """The state of a training between two calls of the steps."""

    def __init__(
        self,
        training: Training,
        options: TrainOptions,
        pace: Pace,
        checkpoints: Checkpoints,
        run_log: RunLog,
    ) -> None:
        self._training = training
        self._options = options
        self._pace = pace
        self._checkpoints = checkpoints
        self._log = run_log
        self._total = checkpoints.total
        # Where features hardly differ the floor is far below the first loss.
        start = training.check()["loss"]
        # What is continued may have begun to diverge: its first epoch counts.
        start = min([start, *(e["val_loss"] for e in run_log.history("epoch"))])
        self._limit = _EXPLODED * max(training.floor, start, 1e-6)
        self._since = Since()
        self._parts = {"head": training.head, "neck": training.neck}
        self._gradient_norms = make_gradient_norms(
            training.forward,
            {
                name: [training.optimizer.working.of(v) for v in part]
                for name, part in self._parts.items()
            },
            training.strategy,
            options,
        )
        chosen = {True: training.head, False: training.head + training.neck}
        self._steps = {
            held: make_steps(
                training.forward,
                variables,
                training.optimizer,
                training.strategy,
                options,
            )
            for held, variables in chosen.items()
        }

    def run(self, steps: range, stop: StopFlag) -> None:
        """Takes all `steps`, or those up to a signal."""
        step, size = steps.start, 0
        with (
            tqdm.tqdm(
                total=steps.stop,
                initial=step,
                desc="training",
                unit="step",
                mininterval=progress_interval(),
            ) as progress,
            contextlib.ExitStack() as profile,
        ):
            while step < steps.stop:
                if size != self._pace.chunk_steps:
                    size = self._pace.chunk_steps
                    chunks = self._pace.cut(range(step, steps.stop))
                    batches = iter(self._training.batches(chunks))
                self._profile(step, profile)
                taken = self._call(batches, step)
                step += int(taken.steps)
                self._show(progress, taken)
                stopped = self._is_told_to_stop(stop)
                if step % self._training.steps_per_epoch == 0:
                    self._end_epoch(step, progress)
                if stopped or self._pace.should_save(step):
                    self._checkpoints.save(step, self._total)
                    self._pace.saved()
                # Before the stop: an epoch that is saved is not seen again.
                if step % self._training.steps_per_epoch == 0:
                    self._training.show(step)
                if stopped and step < steps.stop:
                    raise TrainingStopped(
                        f"{stop.name or 'A worker'} ended the training after "
                        f"step {step}. It is saved; the same command "
                        "continues there."
                    )
        if self._is_told_to_stop(stop):
            raise TrainingStopped(
                f"{stop.name or 'A worker'} ended the run after its training, "
                f"step {step}. It is saved; the same command goes on with what "
                "follows."
            )

    def _call(self, batches: Iterator, step: int) -> Taken:
        epoch = step // self._training.steps_per_epoch
        rate = self._options.rate(epoch)
        # float32, as the variable is: assigning makes a copy on each device.
        optimizer = self._training.optimizer
        if np.float32(optimizer.learning_rate) != np.float32(rate):
            optimizer.learning_rate = rate
        take = self._steps[epoch < self._options.head_epochs]
        start = time.perf_counter()
        # The name is what the profiler's tools call a step.
        with tf.profiler.experimental.Trace("train", step_num=step, _r=1):
            alone = self._pace.is_alone(step)
            taken = take(batches, self._total, self._limit, alone)
            loss = float(taken.loss)  # waits for the devices
        seconds = time.perf_counter() - start
        self._refuse_explosion(loss, step + int(taken.steps))
        self._total = float(taken.total)
        self._pace.took(int(taken.steps), seconds)
        self._since.add(int(taken.steps), seconds, float(taken.waited))
        return taken

    def _refuse_explosion(self, loss: float, step: int) -> None:
        if not loss <= self._limit:
            raise InputError(
                f"The loss became {loss:g} at step {step}; the floor is "
                f"{self._training.floor:g}. The checkpoints of earlier steps "
                "are kept. Try, in another --run_dir, a lower --learning_rate, "
                "--clip_norm, or --loss_reduction=mean."
            )

    def _show(self, progress: tqdm.tqdm, taken: Taken) -> None:
        loss = float(taken.loss)
        progress.set_postfix_str(
            f"loss {loss:.4g} = {loss / max(self._training.floor, 1e-6):.3f} "
            f"of the floor, {self._pairs_per_second():.0f} pairs/s, waits "
            f"{100 * self._since.wait_share():.0f} %",
            refresh=False,
        )
        progress.update(int(taken.steps))

    def _pairs_per_second(self) -> float:
        rate = self._since.steps / max(self._since.seconds, 1e-9)
        return rate * self._training.batch_pairs

    def _is_told_to_stop(self, stop: StopFlag) -> bool:
        return any(agree(self._training.strategy, float(bool(stop))))

    def _end_epoch(self, step: int, progress: tqdm.tqdm) -> None:
        training, options = self._training, self._options
        epoch = step // training.steps_per_epoch
        checked = training.check()
        # The last update is in no step's loss, and would be saved.
        self._refuse_explosion(checked["loss"], step)
        loss = self._total / training.steps_per_epoch
        self._log.write(
            "epoch",
            step=step,
            epoch=epoch,
            loss=loss,
            over_floor=loss / max(training.floor, 1e-6),
            learning_rate=options.rate(epoch - 1),
            pairs_per_second=self._pairs_per_second(),
            input_wait=self._since.wait_share(),
            **self._norms(step),
            **{f"val_{name}": value for name, value in checked.items()},
        )
        progress.write(
            f"epoch {epoch}/{options.epochs}  loss {loss:.4g}  val "
            f"{checked['loss']:.4g} = {checked['over_floor']:.3f} of the "
            f"floor; offsets permuted {checked['permuted']:.4g}"
        )
        self._checkpoints.save_if_best(checked["loss"], step)
        self._total = 0.0
        self._since = Since()

    def _norms(self, step: int) -> dict[str, float]:
        """Norms of each module's weights and of the last batch's gradients."""
        weights = {
            f"weights_{name}": float(tf.linalg.global_norm(_values(part)))
            for name, part in self._parts.items()
            if part
        }
        last = iter(self._training.batches([range(step - 1, step)]))
        gradients = self._gradient_norms(last)
        return weights | {
            f"gradients_{name}": float(norm) for name, norm in gradients.items()
        }

    def _profile(self, step: int, stack: contextlib.ExitStack) -> None:
        if step == self._pace.profile.stop:
            stack.close()
        if self._pace.profile and step == self._pace.profile.start:
            stack.enter_context(self._log.profile())


def _values(variables: list[keras.Variable]) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(variable.value) for variable in variables]
