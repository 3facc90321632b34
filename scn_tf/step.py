"""One training step, and many of them in one call.

In: what a pair model computes, the variables to move, the optimizer. Out: a
function that takes all steps of a chunk of batches, on any `tf.distribute`
strategy, and says how they went.
"""

import dataclasses
import functools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import keras
import tensorflow as tf

from scn_tf.chunks import take
from scn_tf.losses import pair_losses
from scn_tf.optimizer import MomentumSGD
from scn_tf.pair_model import Forward
from scn_tf.recipe import TrainOptions


@dataclasses.dataclass(frozen=True)
class Taken:
    """What some steps came to.

    Attributes:
        steps: int32, how many were taken; fewer than asked for if the last
            of them had a loss that is no number or beyond the limit.
        total: float32, sum of their losses after those that came before.
        loss: float32 of the last step, before it was taken.
        waited: float64 seconds in which their batches were waited for.
    """

    steps: tf.Tensor
    total: tf.Tensor
    loss: tf.Tensor
    waited: tf.Tensor


def make_gradients(
    forward: Forward, options: TrainOptions
) -> Callable[[list[dict], Sequence], tuple[tf.Tensor, list[tf.Tensor]]]:
    """Returns `(parts, variables) -> (loss, gradients)` of a replica's parts.

    The loss is the parts' share: the sum over their pairs divided by the
    pairs of the global batch, so shares of any size add up to the mean.
    """

    def of_part(batch: dict, variables: Sequence):
        with tf.GradientTape() as tape:
            outputs = forward(batch)
            losses = pair_losses(
                outputs["prediction"],
                outputs["target"],
                options.loss_reduction,
            )
            loss = tf.reduce_sum(losses) / batch["num_pairs"]
        return loss, tape.gradient(loss, variables)

    def gradients_of(parts: list[dict], variables: Sequence):
        loss, gradients = of_part(parts[0], variables)
        for part in parts[1:]:
            # One after the other: side by side they would take the memory
            # of all.
            with tf.control_dependencies([loss, *gradients]):
                part = tf.nest.map_structure(tf.identity, part)
            more, others = of_part(part, variables)
            loss += more
            gradients = [
                tf.cast(one, tf.float32) + tf.cast(other, tf.float32)
                for one, other in zip(gradients, others, strict=True)
            ]
        return loss, gradients

    return gradients_of


def take_parts(
    chunk: dict, step: int | tf.Tensor, accumulate: int
) -> list[dict]:
    """Returns the parts of one step's batch.

    Args:
        chunk: of several steps, `accumulate` parts each.
        step: its place in the chunk.
        accumulate: parts a step.
    """
    first = step * accumulate
    return [take(chunk, first + turn) for turn in range(accumulate)]


def make_steps(
    forward: Forward,
    trained: Sequence[keras.Variable],
    optimizer: MomentumSGD,
    strategy: tf.distribute.Strategy,
    options: TrainOptions,
) -> Callable[..., Taken]:
    """Returns a function that takes many steps in one call.

    Args:
        forward: a batch -> what the pair model says of it, see
            `scn_tf.pair_model.forward_of`.
        trained: the variables to move; all others stay.
        optimizer: built on at least `trained`; gradients are taken of its
            working copies, where it has any.
        strategy: spreads the batch and adds the gradients up.
        options: the recipe.

    Returns:
        `(iterator, total so far, limit of the loss) -> Taken`: takes all
        steps of the next element of `scn_tf.batches.batch_dataset`. With
        `alone=True` it takes the first of them without a loop around it:
        where there is a loop, the profiler finds no steps.
    """
    update = _replica_update(forward, trained, optimizer, strategy, options)
    steps, single_step = _compiled(update, strategy, options.accumulate)

    def call(
        iterator: Iterator, total: float, limit: float, alone: bool = False
    ) -> Taken:
        function = single_step if alone else steps
        numbers = (tf.constant(total), tf.constant(limit))
        return Taken(*function(iterator, *numbers))

    return call


def _compiled(
    update: Callable[[list[dict]], tf.Tensor],
    strategy: tf.distribute.Strategy,
    accumulate: int,
) -> tuple[Callable, Callable]:
    """Returns what takes all steps of a chunk, and what takes the first."""

    def one_step(chunk: dict, index: tf.Tensor) -> tf.Tensor:
        # Apart from the update: a compiled one must know all shapes.
        batches = strategy.run(take_parts, args=(chunk, index, accumulate))
        losses = strategy.run(update, args=(batches,))
        return strategy.reduce("SUM", losses, axis=None)

    @tf.function
    def single_step(iterator, total, limit):
        chunk, waited = _next(iterator)
        loss = one_step(chunk, 0)
        return 1, total + loss, loss, waited

    @tf.function
    def steps(iterator, total, limit):
        chunk, waited = _next(iterator)
        parts = strategy.experimental_local_results(chunk["num_pairs"])[0]
        number = tf.shape(parts)[0] // accumulate
        taken = 0
        loss = tf.zeros(())
        is_good = True
        while taken < number and is_good:
            loss = one_step(chunk, taken)
            taken += 1
            total += loss
            # Not a number compares as false.
            is_good = loss <= limit
        return taken, total, loss, waited

    return steps, single_step


def _next(iterator: Iterator) -> tuple[dict, tf.Tensor]:
    """The next chunk and the seconds in which it was waited for.

    To be called in a graph: a chunk's rows differ in number every time, and
    only an iterator says which axes these are.
    """
    start = tf.timestamp()
    chunk = next(iterator)
    with tf.control_dependencies(tf.nest.flatten(chunk)):
        return chunk, tf.timestamp() - start


def _replica_update(
    forward: Forward,
    trained: Sequence[keras.Variable],
    optimizer: MomentumSGD,
    strategy: tf.distribute.Strategy,
    options: TrainOptions,
) -> Callable[[list[dict]], tf.Tensor]:
    """Returns the step of one replica: its parts' gradients, one update."""
    num_replicas = strategy.num_replicas_in_sync
    share = make_gradients(forward, options)

    def update(batches: list[dict]) -> tf.Tensor:
        values = [optimizer.working.of(v).value for v in trained]
        loss, gradients = compiled_share(batches, values)
        if options.clip_norm or num_replicas > 1:
            # Sums over many numbers, or over replicas, need all digits.
            gradients = [tf.cast(g, tf.float32) for g in gradients]
        if options.clip_norm:
            context = tf.distribute.get_replica_context()
            gradients = context.all_reduce("SUM", gradients)
            gradients, _ = tf.clip_by_global_norm(gradients, options.clip_norm)
            gradients = [gradient / num_replicas for gradient in gradients]
        optimizer.apply(gradients, trained)
        return loss

    compiled_share = share
    if not options.jit_compile:
        return update
    compile_ = functools.partial(
        tf.function, jit_compile=True, reduce_retracing=True
    )
    if num_replicas == 1:
        return compile_(update)
    # XLA cannot hold the variables of several devices: the update stays
    # outside of it.
    compiled_share = compile_(share)
    return update
