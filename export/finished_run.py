"""A trained run, opened again from its folder.

In: the folder of a run: flags.txt and checkpoints. Out: a `Run` with the
networks of its checkpoint. Nothing in the folder is changed.
"""

import copy
import os
import pathlib

from absl import flags

from scn_tf.backbones.weights import require_weights
from scn_tf.config import config_from_flags
from scn_tf.flag_groups import define_flags
from scn_tf.run import Run
from scn_tf.run_folder import is_trained
from scn_tf.stages import restore
from tfrecords.errors import InputError
from tfrecords.path_flag import define_path


def run_flags() -> flags.FlagValues:
    """Returns the flags of a command that makes something of a run."""
    values = flags.FlagValues()
    for name, text in {
        "run_dir": "Folder of a trained run, as scn_tf.main wrote it.",
        "output": "Folder to write; a module that is there is replaced.",
    }.items():
        define_path(name, None, text, flag_values=values, required=True)
    flags.DEFINE_enum(
        "checkpoint",
        "",
        ["", "last", "best"],
        "Which one; empty: as the flags of the run say.",
        flag_values=values,
    )
    flags.DEFINE(
        _ShareOrEmpty(lower_bound=0, upper_bound=1),
        "neck_blend",
        "",
        "Share of what the network learned that it keeps, 0 to 1; empty: as "
        "the flags of the run say.",
        flag_values=values,
        serializer=flags.ArgumentSerializer(),
    )
    for name, text in {
        "records_dir": "Folder of the run's records where they have moved; "
        "empty: as the flags of the run say.",
        "weights": "File of the weights that the run began with where it has "
        "moved; empty: as the flags of the run say.",
    }.items():
        define_path(name, "", text, flag_values=values)
    return values


class _ShareOrEmpty(flags.FloatParser):
    """A number within bounds, or nothing; 0 is a number."""

    def parse(self, argument: str | float) -> float | str:
        return "" if argument == "" else super().parse(argument)


def open_named_run(values: flags.FlagValues) -> Run:
    """Opens the run that a command line names.

    Args:
        values: parsed; those of `run_flags` are among them.

    Raises:
        InputError: see `open_run`.
    """
    blend = None if values.neck_blend == "" else values.neck_blend
    return open_run(
        values.run_dir,
        values.checkpoint,
        blend,
        values.records_dir,
        values.weights,
    )


def taken_text(run: Run) -> str:
    """Returns which of a run's networks was opened, in a few words."""
    config = run.config
    return (
        f"checkpoint {config.checkpoint!r}, step {run.restored_step}, "
        f"neck_blend {config.neck_blend:g}"
    )


def open_run(
    run_dir: str | os.PathLike,
    checkpoint: str = "",
    neck_blend: float | None = None,
    records_dir: str | os.PathLike = "",
    weights: str | os.PathLike = "",
) -> Run:
    """Builds the networks of a run and loads its checkpoint.

    Records and weights must be there: the trunk is built from the weights,
    and both are held to the digests of the training.

    Args:
        run_dir: the run's folder.
        checkpoint: "last" or "best"; empty takes what the run's flags say.
        neck_blend: share of what the network learned that it keeps; None
            takes what the run's flags say.
        records_dir: where the records lie; empty takes what the run's flags
            say.
        weights: what the network began with, in the same way.

    Raises:
        InputError: if the folder is no run or has no checkpoint, or what it
            was made of is missing or another.
    """
    flagfile = _flagfile(pathlib.Path(run_dir))
    groups = define_flags()
    # The devices of the training may be elsewhere.
    own = [f"--run_dir={run_dir}", "--devices="]
    given = {
        "checkpoint": checkpoint,
        "neck_blend": "" if neck_blend is None else neck_blend,
        "records_dir": records_dir,
        "weights": weights,
    }
    own += [f"--{name}={value}" for name, value in given.items() if value != ""]
    values = copy.deepcopy(flags.FLAGS)
    try:
        values(["export", f"--flagfile={flagfile}", *own])
    except flags.Error as error:
        raise InputError(
            f"{flagfile} is damaged, or of another version of scn_tf: {error}"
        ) from error
    config = config_from_flags(values, groups)
    require_weights(config.weights)
    run = Run(config)
    restore(run)
    return run


def _flagfile(run_dir: pathlib.Path) -> pathlib.Path:
    """Returns the path of the flags of a trained run.

    Raises:
        InputError: if the folder holds none.
    """
    flagfile = run_dir / "flags.txt"
    if not run_dir.is_dir():
        raise InputError(
            f"{run_dir}: no such folder. Name the folder of a run."
        )
    if not flagfile.is_file():
        raise InputError(
            f"{run_dir} holds no flags.txt, so it is no run. Name the folder "
            "that scn_tf.main wrote (--run_dir there)."
        )
    if not is_trained(run_dir):
        raise InputError(
            f"{run_dir}/checkpoints holds no checkpoint. Train first: python "
            f"-m scn_tf.main --flagfile={flagfile} --run_dir={run_dir}"
        )
    return flagfile
