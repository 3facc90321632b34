"""The four stages of a run: records, train, evaluate, export.

In: a `Run`. Out: the files of the run folder, see BUILD.md.
"""

import functools
import json
from collections.abc import Callable

import numpy as np
from absl import logging

from export.run_module import compare_module
from export.run_module import save_module
from scn_tf import pictures
from scn_tf.backbones.preprocessing import as_images
from scn_tf.backbones.weights import require_weights
from scn_tf.checkpoint import Checkpoints
from scn_tf.config import Config
from scn_tf.distribution import is_chief
from scn_tf.feed import distributed_batches
from scn_tf.feed import make_feed
from scn_tf.feed import make_sampler
from scn_tf.live_pictures import LivePictures
from scn_tf.neck_blend import blend_weights
from scn_tf.optimizer import make_optimizer
from scn_tf.optimizer import MomentumSGD
from scn_tf.run import Run
from scn_tf.run_environment import record_environment
from scn_tf.run_folder import is_trained
from scn_tf.run_folder import refuse_other_run
from scn_tf.run_folder import write_flags
from scn_tf.run_lock import is_held
from scn_tf.run_lock import run_held
from scn_tf.run_records import link_records
from scn_tf.run_records import make_records
from scn_tf.run_records import take_records
from scn_tf.run_warnings import warn_before_training
from scn_tf.train import train as run_training
from scn_tf.train import Training
from scn_tf.verdict import make_verdict
from scn_tf.verdict import measure_losses
from tfrecords.errors import InputError
from tfrecords.files import replacing

# Called with the run and the number of epochs that it has had.
Watch = Callable[[Run, int], None]

_CHECKED_IMAGES = 8  # pictures on which every consumer is compared


def start(config: Config) -> Run:
    """Opens the run folder, writes flags.txt, returns the run.

    With --dry_run nothing is written.

    Raises:
        InputError: if the folder holds a run of another configuration, or
            the weights file is missing.
    """
    require_weights(config.weights)
    if is_chief():
        if config.dry_run:
            refuse_other_run(config.run_dir, config.values)
        elif is_trained(config.run_dir):
            write_flags(config.run_dir, config.values)
        else:
            # Nothing is trained yet, but another process may be about to.
            with run_held(config.run_dir):
                write_flags(config.run_dir, config.values)
        there = (config.records_dir / "manifest.json").is_file()
        if there and not config.dry_run and "records" not in config.stages:
            take_records(config)
    logging.info("Run folder: %s", config.run_dir.resolve())
    return Run(config)


def build_records(run: Run) -> None:
    """Photographs -> records; what is up to date is not built again."""
    if is_chief():
        make_records(run.config)
        if not run.config.dry_run:
            link_records(run.config)


def train(run: Run, watch: Watch | None = None) -> None:
    """Records -> feature cache -> trained neck and head, checkpoints.

    Args:
        run: its networks are trained.
        watch: called at the start and after every epoch.

    Raises:
        InputError: if another process trains it, and see `scn_tf.train.train`.
    """
    with run_held(run.config.run_dir):
        _train(run, watch)


def _train(run: Run, watch: Watch | None) -> None:
    config = run.config
    _record_environment(run)
    if is_chief():
        write_flags(
            config.run_dir, config.values, places_hold=True, trains=True
        )
    warn_before_training(run)
    sampler = make_sampler(run)
    run.make_networks()
    run.fill_caches()
    feed = make_feed(run)
    with run.strategy.scope():
        optimizer = make_optimizer(
            config.training, run.strategy.num_replicas_in_sync
        )
    _treat_neck(run, optimizer)
    check = run.context_check(config.check_pairs)
    training = Training(
        forward=feed.forward,
        head=run.head.trainable_variables,
        neck=run.backbone.neck.trainable_variables,
        optimizer=optimizer,
        strategy=run.strategy,
        batches=lambda chunks: distributed_batches(
            run, sampler, feed.fill, chunks
        ),
        steps_per_epoch=sampler.steps_per_epoch,
        batch_pairs=sampler.batch_pairs,
        floor=check.floor,
        check=check.measure,
        show=_show(run, sampler.steps_per_epoch, watch),
    )
    optimizer.working = feed.working
    checkpoints = _checkpoints(run, optimizer)
    run_training(training, config.training, config.pace, checkpoints, run.log)


def _treat_neck(run: Run, optimizer: MomentumSGD) -> None:
    """Gives the neck its own learning rate and decay, where it has any."""
    options = run.config.training
    neck = run.backbone.neck
    trained = {id(variable) for variable in neck.trainable_variables}
    pairs = [
        (variable, start)
        for variable, start in zip(
            neck.weights, run.frozen_neck.weights, strict=True
        )
        if id(variable) in trained
    ]
    starts = [start for _, start in pairs]
    optimizer.treat(
        [variable for variable, _ in pairs],
        options.neck_rate,
        starts if options.neck_decay == "start" else (),
        options.neck_decay_factor,
    )


def _show(
    run: Run, steps_per_epoch: int, watch: Watch | None
) -> Callable[[int], None]:
    """What draws pictures while the training runs; nothing but the chief's."""
    every = run.config.pace.picture_epochs()
    live = LivePictures(
        {
            "pairs": functools.partial(pictures.draw_pairs, run),
            "predictions": functools.partial(pictures.draw_predictions, run),
        },
        run.config.run_dir / "pictures",
        run.log,
        steps_per_epoch=steps_per_epoch,
        epochs=run.config.training.epochs,
        every=every if is_chief() else 0,
    )

    def show(step: int) -> None:
        live.show(step)
        if watch and is_chief():
            watch(run, step // steps_per_epoch)

    return show


def _checkpoints(run: Run, optimizer=None) -> Checkpoints:
    return Checkpoints(
        run.config.run_dir / "checkpoints",
        run.backbone.neck,
        run.head,
        optimizer,
        keep=run.config.keep,
        writes=is_chief(),
    )


def _record_environment(run: Run) -> None:
    if not is_chief():
        return
    record_environment(
        run.config.run_dir,
        run.manifest.digest,
        run.config.weights,
        run.network_digest,
    )


def restore(run: Run) -> int:
    """Loads the checkpoint to be judged into neck and head.

    With --neck_blend the neck is then taken back towards where it began.

    Returns:
        Its step.

    Raises:
        InputError: if there is none.
    """
    step = _restore_whole(run)
    _blend(run)
    return step


def _restore_whole(run: Run) -> int:
    """Loads the neck as it was trained, and the head that fits it."""
    _record_environment(run)
    step = _checkpoints(run).restore(run.config.checkpoint)
    if not step:
        raise InputError(
            f"{run.config.run_dir}/checkpoints holds no checkpoint. Run the "
            "train stage first: --stages=train,evaluate,export."
        )
    run.restored_step = step
    return step


def _blend(run: Run) -> None:
    blend_weights(run.backbone.neck, run.frozen_neck, run.config.neck_blend)


def _restored_by_chief(run: Run) -> int:
    """The step restored by the chief, who alone judges; 0 for the others."""
    run.make_networks()
    if not is_chief():
        return 0
    if is_held(run.config.run_dir):
        logging.warning(
            "%s is being trained by another process: this is of what it has "
            "saved last.",
            run.config.run_dir,
        )
    step = _restore_whole(run)
    write_flags(run.config.run_dir, run.config.values, places_hold=True)
    return step


def evaluate(run: Run) -> None:
    """Trained network -> verdict.json and pictures/."""
    step = _restored_by_chief(run)
    if not step:
        return
    # What is predicted comes first: the head fits the neck before the blend.
    losses = measure_losses(run)
    drawn = pictures.draw_context(run)
    _blend(run)
    verdict = {
        "checkpoint_step": step,
        "neck_blend": run.config.neck_blend,
        "features": run.config.export.export_features,
        **make_verdict(run),
        "losses": losses,
    }
    path = run.config.run_dir / "verdict.json"
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(verdict, indent=1))
    for picture in drawn + pictures.draw_results(run, verdict):
        run.log.picture(f"evaluate/{picture.stem}", picture, step)


def export_module(run: Run) -> None:
    """Trained network -> module/, loaded again by every consumer.

    Raises:
        RuntimeError: if a consumer fails or its features differ.
    """
    step = _restored_by_chief(run)
    if not step:
        return
    _blend(run)
    module_dir = run.config.run_dir / "module"
    save_module(run, module_dir, run.config.export)
    patches = run.patches(run.held_out_splits, "images")
    patches = next(iter(patches.rebatch(_CHECKED_IMAGES).take(1)))
    images = np.asarray(as_images(patches))
    numbers, bad = compare_module(run, module_dir, run.config.export, images)
    run.log.write("module", checkpoint_step=step, **numbers)
    if bad:
        raise RuntimeError(f"The module in {module_dir} is not right: {bad}")
