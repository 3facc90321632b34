"""The folder of one row and seed: what was trained and measured of it.

In: the config of a row. Out: `result.json`, read or written; the training of
another row, taken over. A result is taken for what it says of itself: the
flags, the records, the weights, and which measurement it is of.
"""

import json
import pathlib
import shutil

from absl import logging

from scn_tf.config import Config
from scn_tf.experiments.experiment import Experiment
from scn_tf.experiments.experiment import Variant
from scn_tf.run import Run
from scn_tf.run_environment import weights_file_digest
from scn_tf.run_folder import configuration
from scn_tf.run_folder import is_same_training
from scn_tf.run_folder import is_trained
from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.manifest import read_manifest

_RESULT = "result.json"


def read_values(
    config: Config, experiment: Experiment, variant: Variant
) -> dict | None:
    """Returns what an earlier call measured of a row, None if nothing.

    Where its records are gone they are taken to be what they were.

    Args:
        config: of the row.
        experiment: that the row is of.
        variant: the row.
    """
    path = config.run_dir / _RESULT
    if not path.is_file():
        return None
    result = json.loads(path.read_text())
    values = result.pop("values")
    wanted = _identity(config, experiment, variant)
    if wanted["data"] is None:
        wanted["data"] = result.get("data")
    return values if result == wanted else None


def write_values(
    config: Config, experiment: Experiment, variant: Variant, values: dict
) -> None:
    """Writes what was measured, for `read_values`."""
    text = {**_identity(config, experiment, variant), "values": values}
    with replacing(config.run_dir / _RESULT) as temporary:
        temporary.write_text(json.dumps(text, indent=1))


def _identity(config: Config, experiment: Experiment, variant: Variant) -> dict:
    """What decides the values; a folder may come from another experiment."""
    folder = config.records_dir
    built = (folder / "manifest.json").is_file()
    return {
        "configuration": configuration(config.values),
        "trained": variant.trained,
        "records": folder.name,
        "data": read_manifest(folder).digest if built else None,
        "weights": weights_file_digest(config.weights),
        "measure": experiment.measure.__name__,
        "version": experiment.version,
    }


def take_over(folder: pathlib.Path, config: Config) -> None:
    """Copies a finished training of the same flags: it is done once.

    Rows that differ in what is judged share it.

    Args:
        folder: of the experiment.
        config: of the row; one that is trained stays as it is.
    """
    if is_trained(config.run_dir):
        return
    for result in sorted(folder.glob(f"*/*/{_RESULT}")):
        other = result.parent
        if is_trained(other) and is_same_training(other, config.values):
            break
    else:
        return
    logging.info("Trained as %s was: its checkpoints are taken.", other)
    for name in ("environment.json", "metrics.jsonl"):
        with replacing(config.run_dir / name) as temporary:
            shutil.copyfile(other / name, temporary)
    with replacing(config.run_dir / "checkpoints") as temporary:
        shutil.copytree(other / "checkpoints", temporary)


def require_epochs(run: Run) -> None:
    """Refuses a network that was trained for more epochs than the table says.

    Raises:
        InputError: if so.
    """
    wanted = run.config.training.epochs
    done = run.log.epochs_done()
    if done > wanted:
        raise InputError(
            f"{run.config.run_dir} was trained for {done} epochs, more "
            f"than --epochs={wanted}. Ask for as many, or remove the folder."
        )
