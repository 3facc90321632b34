"""The folder that replays a run: flags.txt.

In: the resolved flags. Out: the file, or an error where the folder already
holds a run of other flags.
"""

import hashlib
import json
import os
import pathlib

from scn_tf.experiment_plan import Plan
from tfrecords.errors import InputError
from tfrecords.files import replacing

# Flags that may differ when a run is continued: where things lie, what does
# the work and how long it trains. The data and the weights are held to their
# digests instead.
_FREE = (
    *("run_dir", "epochs", "devices", "records_dir", "data_dir", "weights"),
    *("num_workers", "beam_options", "on_bad_image", "on_bad_record"),
    *("save_every", "keep", "checkpoint", "steps_per_call", "profile"),
    "accumulate",
    *("cache_memory", "cache_dir", "picture_every", "judge_on"),
    *("svm_c", "svm_normalize", "neck_blend"),
    *("export_features", "inference_precision"),
)
# Of these, those that decide what is measured, beside the records.
_DECISIVE = (
    *("epochs", "checkpoint", "judge_on", "svm_c", "svm_normalize"),
    *("neck_blend",),
    *("data_dir", "weights"),
)
# Of the free ones, those that change no result, and as what they are told of
# in a digest: it held them when they were not free.
_ALIKE = {"accumulate": "1"}
# Where lies what a digest is held against.
_PLACES = ("data_dir", "records_dir", "weights")
# Of the free ones, those that decide what is trained.
_TRAINED_ON = ("epochs", *_PLACES)
_PATHS = (
    *("data_dir", "records_dir", "cache_dir", "weights", "edge_model"),
    *("proposals_file", "yolo_weights"),
)


def write_flags(
    run_dir: str | os.PathLike,
    flags: dict[str, object],
    places_hold: bool = False,
    trains: bool = False,
) -> None:
    """Writes `flags.txt`, a flagfile that replays the run.

    Once the run has a checkpoint its configuration is fixed; before that it
    may still change. `--stages` and `--dry_run` are what is done now, not what
    the run is, and are left out. Paths become absolute.

    Args:
        run_dir: the run's folder; made if missing.
        flags: value by name, of every flag of the run.
        places_hold: whether data and weights were held against those of the
            training. Until then a trained run keeps where its own lie.
        trains: whether a training begins, which may go on to more epochs.

    Raises:
        InputError: see `refuse_other_run`, and if the folder cannot be made
            or written.
    """
    refuse_other_run(run_dir, flags)
    path = pathlib.Path(run_dir) / "flags.txt"
    texts = _texts(flags)
    if path.is_file() and is_trained(run_dir):
        earlier = _read_flags(path)
        epochs = int(earlier["epochs"])
        if trains:
            epochs = max(epochs, int(texts["epochs"]))
        texts["epochs"] = str(epochs)
        if not places_hold:
            texts |= {n: earlier[n] for n in _PLACES if n in earlier}
    _write(path, [f"--{name}={text}" for name, text in texts.items()])


def refuse_other_run(
    run_dir: str | os.PathLike, flags: dict[str, object]
) -> None:
    """Refuses flags that are not those of the run in a folder.

    Args:
        run_dir: the run's folder, which need not be there.
        flags: value by name, of every flag of the run.

    Raises:
        InputError: if the folder holds a trained run of another
            configuration, or an experiment.
    """
    path = pathlib.Path(run_dir) / "flags.txt"
    if _holds_experiment(path.parent):
        raise InputError(
            f"{run_dir} holds an experiment, not a single run. Give another "
            "--run_dir."
        )
    if path.is_file() and is_trained(run_dir):
        _refuse_other_flags(path.parent, _read_flags(path), _texts(flags))


def write_experiment(
    run_dir: str | os.PathLike, flags: dict[str, object], plan: Plan
) -> None:
    """Writes `flags.txt` of an experiment, a flagfile that replays it.

    Args:
        run_dir: the experiment's folder; made if missing.
        flags: value by name, of every flag of its runs.
        plan: the experiment and its variants.

    Raises:
        InputError: if the folder holds a single run or an experiment of
            another configuration, or cannot be made or written.
    """
    path = pathlib.Path(run_dir) / "flags.txt"
    texts = _texts(flags)
    if is_trained(run_dir):
        raise InputError(
            f"{run_dir} holds a single run, not an experiment. Give another "
            "--run_dir."
        )
    if _holds_experiment(path.parent):
        now = {**texts, "experiment": plan.experiment}
        _refuse_other_flags(path.parent, _read_flags(path), now)
    lines = [f"--experiment={plan.experiment}"]
    lines += [f"--seeds={','.join(map(str, plan.seeds))}"]
    lines += [f"--max_variants={plan.max_variants}"]
    lines += [f"--variant={variant}" for variant in plan.variants]
    lines += [f"--{name}={text}" for name, text in texts.items()]
    _write(path, lines)


def configuration(flags: dict[str, object]) -> str:
    """Returns a digest of what decides a run's result.

    Args:
        flags: value by name, of every flag of the run.
    """
    decisive = {
        name: _ALIKE.get(name, text)
        for name, text in _texts(flags).items()
        if name in _DECISIVE or name in _ALIKE or name not in _FREE
    }
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


def is_same_training(
    run_dir: str | os.PathLike, flags: dict[str, object]
) -> bool:
    """Whether a run was trained with just these flags.

    What is judged, by what, and what is exported may differ.

    Args:
        run_dir: of the run, which has its flags.txt.
        flags: value by name, of every flag.
    """
    earlier = _read_flags(pathlib.Path(run_dir) / "flags.txt")
    return all(
        earlier.get(name) == text
        for name, text in _texts(flags).items()
        if name in _TRAINED_ON or name not in _FREE
    )


def _write(path: pathlib.Path, lines: list[str]) -> None:
    header = (
        "# The resolved flags of this run. To replay it:\n"
        "# python -m scn_tf.main --flagfile=flags.txt --run_dir=ANOTHER\n"
    )
    try:
        with replacing(path) as temporary:
            temporary.write_text(header + "\n".join(lines) + "\n")
    except OSError as error:
        raise InputError(
            f"--run_dir={path.parent} cannot be made or written: {error}."
        ) from error


def _texts(flags: dict[str, object]) -> dict[str, str]:
    return {
        name: absolute_path(value) if name in _PATHS else _text(value)
        for name, value in flags.items()
        if name not in ("stages", "dry_run")
    }


def is_trained(run_dir: str | os.PathLike) -> bool:
    """Whether the folder holds a checkpoint."""
    return (pathlib.Path(run_dir) / "checkpoints" / "checkpoint").is_file()


def _holds_experiment(folder: pathlib.Path) -> bool:
    """Whether rows of an experiment lie in the folder."""
    path = folder / "flags.txt"
    rows = folder.glob("*/seed*/flags.txt")
    return path.is_file() and any(rows) and "experiment" in _read_flags(path)


def _read_flags(path: pathlib.Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = [line[2:].partition("=") for line in lines if line[:2] == "--"]
    return {name: value for name, _, value in pairs}


def _refuse_other_flags(
    run_dir: pathlib.Path, earlier: dict[str, str], texts: dict[str, str]
) -> None:
    changed = [
        f"--{name}={earlier[name]} there, --{name}={text} now"
        for name, text in texts.items()
        if name not in _FREE and earlier.get(name, text) != text
    ]
    if changed:
        raise InputError(
            f"{run_dir} holds a run of another configuration: "
            f"{'; '.join(changed)}. Give another --run_dir, or continue the "
            f"old run with --flagfile={run_dir}/flags.txt."
        )


def absolute_path(value: str) -> str:
    """Returns a flag's path from the root; words that are no path as they are.

    So a flagfile works from any folder.
    """
    if value in ("", "none", "imagenet", "pascalvoc"):
        return value
    return os.path.abspath(os.path.expanduser(value))


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
