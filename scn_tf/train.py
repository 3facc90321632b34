"""The only training loop: step functions and a short driver.

In: a pair model and its batches. Out: trained weights, one metrics line and
one checkpoint per epoch. Works under any `tf.distribute` strategy.
"""

import dataclasses
import time
from collections.abc import Callable
from collections.abc import Iterator

import keras
import tensorflow as tf
import tqdm

from scn_tf.checkpoint import Checkpoints
from scn_tf.losses import pair_losses
from scn_tf.run_log import progress_interval
from scn_tf.run_log import RunLog
from tfrecords.errors import InputError

_SHOW_EVERY = 10  # steps between looks at the loss, which wait for the device


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """The recipe; defaults are the paper's (section 3), where it states one.

    Attributes:
        epochs: passes over the pairs.
        learning_rate: of SGD, before the drop.
        drop_epoch: epoch from which the rate is multiplied by `drop_factor`.
        drop_factor: see `drop_epoch`.
        momentum: of SGD; the paper states none.
        weight_decay: pull of every trained weight to zero, added to its
            gradient before momentum, as Torch's SGD does.
        loss_reduction: "sum" over feature dimensions (Eq. 2) or "mean".
        head_epochs: first epochs in which the neck is held and the spatial
            context module learns alone.
        clip_norm: largest global norm of the gradients; 0 does not clip.
        jit_compile: compile each replica's forward and backward pass (XLA).
    """

    epochs: int = 200
    learning_rate: float = 1e-3
    drop_epoch: int = 100
    drop_factor: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    loss_reduction: str = "sum"
    head_epochs: int = 0
    clip_norm: float = 0.0
    jit_compile: bool = False

    def rate(self, epoch: int) -> float:
        """Learning rate of `epoch`, counted from 0."""
        drop = self.drop_factor if epoch >= self.drop_epoch else 1.0
        return self.learning_rate * drop


def make_optimizer(options: TrainOptions) -> keras.optimizers.Optimizer:
    """SGD with momentum; weight decay is added by the step function."""
    return keras.optimizers.SGD(options.learning_rate, options.momentum)


def make_gradients(
    model: keras.Model, options: TrainOptions, num_replicas: int = 1
) -> Callable[[dict, list], tuple[tf.Tensor, list[tf.Tensor]]]:
    """Returns `(batch, variables) -> (loss, gradients)` of one replica.

    The gradients hold the replica's part of the weight decay, added where
    they are made: a pass over fc6 of VGG moves half a gigabyte.

    The loss is this replica's share: the sum over its pairs divided by the
    pairs of the global batch, so shares of any size add up to the mean.
    """

    @tf.function(jit_compile=options.jit_compile, reduce_retracing=True)
    def gradients(batch: dict, variables: list):
        inputs = {name: batch[name] for name in model.input}
        with tf.GradientTape() as tape:
            outputs = model(inputs)
            losses = pair_losses(
                outputs["prediction"],
                outputs["target"],
                options.loss_reduction,
            )
            loss = tf.reduce_sum(losses) / batch["num_pairs"]
        decay = options.weight_decay / num_replicas
        pulled = [
            gradient + decay * variable
            for gradient, variable in zip(
                tape.gradient(loss, variables), variables, strict=True
            )
        ]
        return loss, pulled

    return gradients


def make_train_step(
    model: keras.Model,
    trained: list[keras.Variable],
    optimizer: keras.optimizers.Optimizer,
    strategy: tf.distribute.Strategy,
    options: TrainOptions,
) -> Callable[[Iterator], tf.Tensor]:
    """Returns a function that takes one step on the iterator's next batch.

    Args:
        model: a pair model, made in the strategy's scope.
        trained: the variables to move; all others stay.
        optimizer: built on at least `trained`.
        strategy: spreads the batch and adds the gradients up.
        options: the recipe.

    Returns:
        `iterator -> loss`, the mean over the pairs of the global batch,
        before the step.
    """
    num_replicas = strategy.num_replicas_in_sync
    gradients_of = make_gradients(model, options, num_replicas)

    def replica_step(batch: dict) -> tf.Tensor:
        values = [variable.value for variable in trained]
        loss, gradients = gradients_of(batch, values)
        if options.clip_norm:
            context = tf.distribute.get_replica_context()
            gradients = context.all_reduce("SUM", gradients)
            gradients, _ = tf.clip_by_global_norm(gradients, options.clip_norm)
            gradients = [gradient / num_replicas for gradient in gradients]
        optimizer.apply(gradients, trained)
        return loss

    @tf.function
    def step(iterator: Iterator) -> tf.Tensor:
        losses = strategy.run(replica_step, args=(next(iterator),))
        return strategy.reduce("SUM", losses, axis=None)

    return step


@dataclasses.dataclass(frozen=True)
class Training:
    """What the driver runs on.

    Attributes:
        model: the pair model.
        head: variables of the spatial context module.
        neck: variables of the neck.
        optimizer: built on head and neck.
        strategy: where the model was made.
        batches: range of steps -> distributed batches.
        steps_per_epoch: batches of one epoch.
        batch_pairs: pairs of a global batch.
        check: () -> numbers on held-out pairs, `loss` and `floor` at least.
    """

    model: keras.Model
    head: list[keras.Variable]
    neck: list[keras.Variable]
    optimizer: keras.optimizers.Optimizer
    strategy: tf.distribute.Strategy
    batches: Callable[[range], tf.data.Dataset]
    steps_per_epoch: int
    batch_pairs: int
    check: Callable[[], dict[str, float]]


def train(
    training: Training,
    options: TrainOptions,
    checkpoints: Checkpoints,
    run_log: RunLog,
) -> None:
    """Trains from the last checkpoint to `options.epochs`.

    Raises:
        InputError: if the loss is no longer a number; the last good
            checkpoint stays.
    """
    step_functions = _step_functions(training, options)
    first = checkpoints.restore()
    if first >= options.epochs:
        return
    per_epoch = training.steps_per_epoch
    steps = range(first * per_epoch, options.epochs * per_epoch)
    iterator = iter(training.batches(steps))
    with tqdm.tqdm(
        total=options.epochs * per_epoch,
        initial=steps.start,
        desc="training",
        unit="step",
        mininterval=progress_interval(),
    ) as progress:
        for epoch in range(first, options.epochs):
            training.optimizer.learning_rate = options.rate(epoch)
            held = epoch < options.head_epochs
            start = time.perf_counter()
            loss = _run_epoch(
                step_functions[held], iterator, per_epoch, progress
            )
            seconds = time.perf_counter() - start
            checked = training.check()
            run_log.write(
                "epoch",
                step=(epoch + 1) * per_epoch,
                epoch=epoch + 1,
                loss=loss,
                learning_rate=options.rate(epoch),
                pairs_per_second=training.batch_pairs * per_epoch / seconds,
                **{f"val_{name}": value for name, value in checked.items()},
            )
            progress.write(
                f"epoch {epoch + 1}/{options.epochs}  loss {loss:.4g}  "
                f"val {checked['loss']:.4g} = {checked['over_floor']:.3f} of "
                f"the floor; offsets permuted {checked['permuted']:.4g}"
            )
            checkpoints.save(epoch + 1)


def _step_functions(training: Training, options: TrainOptions) -> dict:
    """The step by whether the neck is held; slots exist for all variables."""
    with training.strategy.scope():
        training.optimizer.build(training.head + training.neck)
    chosen = {True: training.head, False: training.head + training.neck}
    return {
        held: make_train_step(
            training.model,
            variables,
            training.optimizer,
            training.strategy,
            options,
        )
        for held, variables in chosen.items()
    }


def _run_epoch(
    step: Callable[[Iterator], tf.Tensor],
    iterator: Iterator,
    num_steps: int,
    progress: tqdm.tqdm,
) -> float:
    """Runs an epoch; returns the mean of its losses."""
    total = tf.zeros(())
    for index in range(num_steps):
        loss = step(iterator)
        total += loss
        if index % _SHOW_EVERY == 0 or index == num_steps - 1:
            _stop_unless_finite(float(loss), progress.n + 1)
            progress.set_postfix(loss=f"{float(loss):.4g}", refresh=False)
        progress.update()
    return float(total) / num_steps


def _stop_unless_finite(loss: float, step: int) -> None:
    if loss - loss != 0:  # true for NaN and for infinity
        raise InputError(
            f"The loss became {loss} at about step {step}. The checkpoints "
            "of earlier epochs are kept. Try, in another --run_dir, a lower "
            "--learning_rate, --clip_norm, or --loss_reduction=mean."
        )
