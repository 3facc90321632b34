"""What a run was made with: versions, commit, digests, machine.

In: digests of the data and of the network. Out: environment.json, or an error
where the folder already holds a run on others.
"""

import functools
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys

import tensorflow as tf
from absl import logging

from scn_tf.run_folder import absolute_path
from scn_tf.run_folder import is_trained
from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.parts import file_digest

_PACKAGES = (
    "tensorflow",
    "keras",
    "tf-keras",
    "tensorflow-hub",
    "numpy",
    "scikit-learn",
    "opencv-contrib-python-headless",
    "pillow",
    "apache-beam",
)


def record_environment(
    run_dir: str | os.PathLike,
    data_digest: str,
    weights: str,
    network_digest: str,
) -> None:
    """Writes `environment.json`: versions, commit, digests, machine.

    That of a trained run is kept, and held against what is given now.

    Args:
        run_dir: the run's folder.
        data_digest: digest of the records.
        weights: value of --weights.
        network_digest: digest of the network's weights as it came.

    Raises:
        InputError: if the run was trained on other records or weights.
    """
    path = pathlib.Path(run_dir) / "environment.json"
    digests = {"data_digest": data_digest, "network_digest": network_digest}
    if path.is_file() and is_trained(run_dir):
        earlier = json.loads(path.read_text())
        for name, digest in digests.items():
            if earlier[name] != digest:
                raise InputError(
                    f"{run_dir} holds a run on other data or weights: "
                    f"{name} {earlier[name][:12]} there, {digest[:12]} now. "
                    "Give another --run_dir, or the records and weights that "
                    f"{run_dir}/flags.txt names."
                )
        return
    environment = {
        "command": sys.argv,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
        **digests,
        "weights": absolute_path(weights),
        "weights_sha256": weights_file_digest(weights),
        "machine": {
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            "gpus": [
                gpu.name for gpu in tf.config.list_physical_devices("GPU")
            ],
        },
    }
    with replacing(path) as temporary:
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


def weights_file_digest(weights: str) -> str | None:
    """SHA-256 of the file that --weights names; None of "imagenet", "none".

    Raises:
        InputError: if the file cannot be read.
    """
    path = pathlib.Path(absolute_path(weights))
    try:
        if not path.is_file():
            return None
        status = path.stat()
        return _digest_of_state(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise InputError(
            f"--weights={weights} cannot be read: {error}."
        ) from error


@functools.lru_cache(maxsize=8)
def _digest_of_state(path: pathlib.Path, size: int, changed: int) -> str:
    """Read once for all rows of an experiment."""
    return file_digest(path)
