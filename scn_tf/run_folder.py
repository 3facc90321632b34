"""The folder that replays a run: flags.txt and environment.json.

In: the resolved flags. Out: the two files, or an error where the folder
already holds a run of other flags.
"""

import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys

import tensorflow as tf
from absl import logging

from tfrecords.errors import InputError
from tfrecords.files import replacing

# Flags that may differ when a run is continued: where it lies, what is done.
_FREE = ("run_dir", "stages", "epochs", "devices", "records_dir", "data_dir")
_PACKAGES = (
    "tensorflow",
    "keras",
    "tf-keras",
    "tensorflow-hub",
    "numpy",
    "scikit-learn",
    "opencv-contrib-python-headless",
    "pillow",
)


def write_flags(run_dir: str | os.PathLike, flags: dict[str, object]) -> None:
    """Writes `flags.txt`, a flagfile that replays the run.

    Args:
        run_dir: the run's folder; made if missing.
        flags: value by name, of every flag of the run.

    Raises:
        InputError: if the folder holds a run of another configuration, or
            cannot be made.
    """
    path = pathlib.Path(run_dir) / "flags.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--run_dir={run_dir} cannot be made: {error}."
        ) from error
    if path.is_file():
        _refuse_other_flags(path, flags)
    lines = [f"--{name}={_text(value)}" for name, value in flags.items()]
    text = (
        "# The resolved flags of this run. To replay it:\n"
        "# python -m scn_tf.main --flagfile=flags.txt --run_dir=ANOTHER\n"
        + "\n".join(lines)
        + "\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _refuse_other_flags(path: pathlib.Path, flags: dict) -> None:
    earlier = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("--"):
            name, _, value = line[2:].partition("=")
            earlier[name] = value
    changed = [
        f"--{name}={earlier[name]} there, --{name}={_text(value)} now"
        for name, value in flags.items()
        if name not in _FREE and earlier.get(name, _text(value)) != _text(value)
    ]
    if changed:
        raise InputError(
            f"{path.parent} holds a run of another configuration: "
            f"{'; '.join(changed)}. Give another --run_dir, or replay the "
            f"old run with --flagfile={path}."
        )


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def write_environment(
    run_dir: str | os.PathLike, data_digest: str, weights: str
) -> None:
    """Writes `environment.json`: versions, commit, digests, machine.

    Args:
        run_dir: the run's folder.
        data_digest: digest of the records.
        weights: value of --weights; a file's content is digested.
    """
    environment = {
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
        "data_digest": data_digest,
        "weights": weights,
        "weights_sha256": _file_digest(weights),
        "machine": {
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            "gpus": [
                gpu.name for gpu in tf.config.list_physical_devices("GPU")
            ],
        },
    }
    with replacing(pathlib.Path(run_dir) / "environment.json") as temporary:
        temporary.write_text(json.dumps(environment, indent=1))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the code, "+changes" if the tree differs; None without git."""
    folder = pathlib.Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        logging.info("No commit is known: the code is not in a git checkout.")
        return None
    return described.stdout.strip()


def _file_digest(weights: str) -> str | None:
    path = pathlib.Path(weights)
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
