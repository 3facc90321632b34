"""What a module's card tells, gathered from the run that it is made from.

In: a `Run` and the options of its export. Out: `CardFacts`, plain data. What
the run folder does not hold, or holds damaged, is None there: a missing note
is no reason to stop an export.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from export.endpoints import OUTPUT
from export.endpoints import with_endpoints
from scn_tf.export_flags import ExportOptions
from scn_tf.run import Run
from tfrecords.errors import InputError
from tfrecords.manifest import Manifest
from tfrecords.manifest import read_manifest

# What a run's flags.txt holds of the machine that it ran on.
_FOLDERS = ("run_dir", "data_dir", "records_dir", "cache_dir")
_ELSEWHERE = ("beam_options", "flagfile")
_FILES = ("weights", "edge_model", "proposals_file", "yolo_weights")
# Its environment.json names the machine too, and the command.
_ENVIRONMENT = ("python", "packages", "commit", "data_digest", "weights_sha256")


@dataclasses.dataclass(frozen=True)
class CardFacts:
    """Everything that the card states; no path of a machine is in it.

    Attributes:
        module_name: name of the module's folder.
        backbone: name of the network.
        cut: its first trained layer, or "input".
        image_size: S, side in pixels of the images it works at.
        num_features: D, length of what the module gives.
        endpoints: shape by name of what else it gives, without the batch.
        weights: "none", "imagenet" or the name of a file.
        options: of the export.
        flags: value by name, of the run's flags that name no file.
        flags_text: its flags.txt, see `without_paths`; None if it has none.
        checkpoint_step: steps of training behind the module; 0: not known.
        epochs_finished: the same in epochs; None: not known.
        environment: of its environment.json "python", "packages", "commit",
            "data_digest", "weights_sha256"; None if it has none.
        manifest: of its records; None if they have none.
        train_splits: the splits that it was trained on.
        verdict: of its verdict.json; None if it has none.
        weight_decay: that the module declares; None: not known.
        has_learned: whether a weight of it is another than it came with.
    """

    module_name: str
    backbone: str
    cut: str
    image_size: int
    num_features: int
    endpoints: Mapping[str, tuple[int, ...]]
    weights: str
    options: ExportOptions
    flags: Mapping[str, object]
    flags_text: str | None = None
    checkpoint_step: int = 0
    epochs_finished: int | None = None
    environment: Mapping | None = None
    manifest: Manifest | None = None
    train_splits: tuple[str, ...] = ()
    verdict: Mapping | None = None
    weight_decay: float | None = None
    has_learned: bool = True


def facts_of_run(
    run: Run, module_dir: str | os.PathLike, options: ExportOptions
) -> CardFacts:
    """Gathers what the card of a run's module tells.

    Args:
        run: its networks are those of the module.
        module_dir: where the module is written.
        options: what it gives.
    """
    config, backbone = run.config, run.backbone
    is_joined = options.export_features == "joined"
    flags_text = _text(config.run_dir / "flags.txt")
    manifest = _manifest(config.records_dir)
    return CardFacts(
        module_name=pathlib.Path(module_dir).resolve().name,
        backbone=backbone.name,
        cut=backbone.cut,
        image_size=backbone.image_size,
        num_features=backbone.num_features * (2 if is_joined else 1),
        endpoints=_endpoints(run),
        weights=_file_name(config.weights),
        options=options,
        flags=_flags(config.values),
        flags_text=None if flags_text is None else without_paths(flags_text),
        checkpoint_step=run.restored_step,
        epochs_finished=_epochs_finished(run),
        environment=_environment(config.run_dir / "environment.json"),
        manifest=manifest,
        train_splits=run.train_splits if manifest else (),
        verdict=_object(config.run_dir / "verdict.json"),
        weight_decay=config.training.neck_decay_to_zero,
        has_learned=not all(
            np.array_equal(weight, first)
            for weight, first in zip(
                backbone.neck.weights, run.frozen_neck.weights, strict=True
            )
        ),
    )


def without_paths(flags_text: str) -> str:
    """Returns the flags of a flagfile without the paths of a machine.

    Folders become the flag's name in capitals, files their own name;
    comments and what is no `--name=value` are left out.

    Args:
        flags_text: a flag per line.
    """
    lines = []
    for line in flags_text.splitlines():
        name, _, value = line.strip().lstrip("-").partition("=")
        if not line.strip().startswith("-") or not name.isidentifier():
            continue
        if name in (*_FOLDERS, *_ELSEWHERE) and value:
            value = name.upper()
        elif name in _FILES or os.path.isabs(value):
            value = _file_name(value)
        lines.append(f"--{name}={value}" if "=" in line else f"--{name}")
    return "\n".join(lines)


def _flags(values: Mapping[str, object]) -> dict[str, object]:
    paths = (*_FOLDERS, *_ELSEWHERE, *_FILES)
    return {name: value for name, value in values.items() if name not in paths}


def _environment(path: pathlib.Path) -> dict | None:
    found = _object(path)
    if found is None:
        return None
    return {name: found[name] for name in _ENVIRONMENT if name in found}


def _file_name(path: str) -> str:
    # A run may have been made on Windows and be exported elsewhere.
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _endpoints(run: Run) -> dict[str, tuple[int, ...]]:
    """Returns the shapes that a module's `return_endpoints` gives."""
    ends = {}
    for model in (run.backbone.trunk, run.backbone.neck):
        ends |= with_endpoints(model).output
    return {
        name: tuple(end.shape[1:])
        for name, end in ends.items()
        if name != OUTPUT
    }


def _epochs_finished(run: Run) -> int | None:
    try:
        epochs = [
            line["epoch"]
            for line in run.log.history("epoch")
            if line["step"] <= run.restored_step
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return max(epochs, default=None)


def _manifest(records_dir: pathlib.Path) -> Manifest | None:
    try:
        return read_manifest(records_dir)
    except InputError:
        return None


def _object(path: pathlib.Path) -> dict | None:
    """Returns the JSON object of a file; None if it holds none."""
    try:
        found = json.loads(_text(path) or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _text(path: pathlib.Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
