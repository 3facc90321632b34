"""Checkpoints of a run: neck, head, optimizer and the step they belong to.

In: Keras models and the optimizer. Out: numbered checkpoints in
`checkpoints/` of the run folder; the newest whole one is where training
continues. The best on held-out pairs is kept beside them.
"""

import json
import os
import pathlib
import re
import shutil

import keras
import tensorflow as tf
from absl import logging

from tfrecords.errors import InputError
from tfrecords.files import full_disk_named
from tfrecords.files import remove_leftovers
from tfrecords.files import replacing

# What TensorFlow raises for a file that was cut off or altered.
_DAMAGED = (tf.errors.DataLossError, tf.errors.OutOfRangeError, IndexError)
_DAMAGED += (tf.errors.NotFoundError,)
# And for one of another network.
_OTHER = (ValueError, AssertionError, tf.errors.OpError)


class Checkpoints:
    """Saves and restores the trained state.

    Args:
        checkpoint_dir: where the checkpoints lie.
        neck: trained part of the bottom stream.
        head: spatial context module.
        optimizer: with its momentum, or None to read weights only.
        keep: how many checkpoints stay.
        writes: whether this process writes; of several workers one does.

    Attributes:
        step: of the state as it was saved or restored last.
        total: sum of the losses of the epoch that the step lies in, so that
            its mean is the same after a restart.
    """

    def __init__(
        self,
        checkpoint_dir: str | os.PathLike,
        neck: keras.Model,
        head: keras.layers.Layer,
        optimizer: keras.optimizers.Optimizer | None = None,
        *,
        keep: int = 2,
        writes: bool = True,
    ) -> None:
        weights = {"neck": neck, "head": head}
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._total = tf.Variable(0.0, trainable=False)
        parts = {**weights, "step": self._step, "total": self._total}
        if optimizer is not None:
            parts["optimizer"] = optimizer
        self._checkpoint = tf.train.Checkpoint(**parts)
        self._best = tf.train.Checkpoint(**weights, step=self._step)
        self._directory = pathlib.Path(checkpoint_dir)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(checkpoint_dir), max_to_keep=keep
        )
        self._has_optimizer = optimizer is not None
        self._writes = writes

    @property
    def step(self) -> int:
        """Of the state as it was saved or restored last."""
        return int(self._step.numpy())

    @property
    def total(self) -> float:
        """Sum of the losses of the epoch that `step` lies in."""
        return float(self._total.numpy())

    def remove_leftovers(self) -> None:
        """Removes what a killed process left of unfinished checkpoints.

        To be called while nobody saves. A whole checkpoint stays, unless it
        is newer than the newest listed one: its process was killed before it
        could list it, and training goes on from the one that is listed.
        """
        if not self._writes or not self._directory.is_dir():
            return
        remove_leftovers(self._directory)
        newest = max(map(_number, self._manager.checkpoints), default=None)
        for path in list(self._directory.iterdir()):
            if _is_unfinished(path, newest):
                logging.info("Removed %s, which has no end.", path)
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def save(self, step: int, total: float = 0.0) -> None:
        """Saves the state after `step` steps.

        Raises:
            InputError: if the disk is full; older checkpoints stay.
        """
        self._step.assign(step)
        self._total.assign(total)
        if not self._writes:
            return
        with full_disk_named(self._directory / f"ckpt-{step}"):
            self._manager.save(checkpoint_number=step)

    def save_if_best(self, loss: float, step: int) -> bool:
        """Keeps the weights in `best/` if no earlier ones had a lower loss.

        Raises:
            InputError: if the disk is full; the best so far stays.
        """
        note = self._directory / "best.json"
        earlier = _read_note(note)
        if not self._writes:
            return False
        # Not <=: weights whose loss is no number are never the best.
        if self._best_path() and earlier and not loss < earlier["loss"]:
            return False
        self._step.assign(step)
        with replacing(self._directory / "best") as folder:
            folder.mkdir()
            self._best.write(str(folder / "ckpt"))
        with replacing(note) as path:
            path.write_text(json.dumps({"step": step, "loss": loss}))
        return True

    def forget_best(self) -> None:
        """Removes the best of a training that is begun anew.

        It was left by one that ended before it saved a state to go on from,
        and may have had other flags.
        """
        if self._writes:
            shutil.rmtree(self._directory / "best", ignore_errors=True)
            (self._directory / "best.json").unlink(missing_ok=True)

    def restore(self, which: str = "last") -> int:
        """Restores a checkpoint; returns its step, 0 if there is none.

        A damaged one is named in a warning and the one before it is used.

        Args:
            which: "last", or "best" for the weights with the lowest loss on
                held-out pairs.

        Raises:
            InputError: if all are damaged, or one is of another network.
        """
        paths = self._paths() if which == "last" else [self._best_path()]
        paths = [path for path in paths if path]
        for path in reversed(paths):
            if self._read(path, which):
                logging.info("Restored step %d from %s.", self.step, path)
                return self.step
        if paths:
            raise InputError(
                f"The checkpoints in {self._directory} are damaged: "
                f"{', '.join(pathlib.Path(path).name for path in paths)}. "
                "Remove the folder to train anew."
            )
        return 0

    def _paths(self) -> list[str]:
        return [
            path
            for path in self._manager.checkpoints
            if pathlib.Path(f"{path}.index").is_file()
        ]

    def _best_path(self) -> str:
        path = self._directory / "best" / "ckpt"
        return str(path) if path.with_suffix(".index").is_file() else ""

    def _read(self, path: str, which: str) -> bool:
        """Reads a checkpoint; False if it is damaged."""
        checkpoint = self._checkpoint if which == "last" else self._best
        try:
            status = checkpoint.read(path)
            status.assert_existing_objects_matched()
        except _DAMAGED as error:
            logging.warning("The checkpoint %s is damaged: %s", path, error)
            return False
        except _OTHER as error:
            raise InputError(
                f"The checkpoint {path} cannot be read: it was made with "
                "other flags, or is damaged. Remove it to continue from the "
                "one before, or start anew in another --run_dir. "
                f"({error})"
            ) from error
        if which == "best" or not self._has_optimizer:
            status.expect_partial()
        return True


def _number(path: str | os.PathLike) -> int:
    """Returns the step in the name of a checkpoint's file, or -1."""
    match = re.match(r"ckpt-(\d+)(\.|$)", pathlib.Path(path).name)
    return int(match[1]) if match else -1


def _is_unfinished(path: pathlib.Path, newest: int | None) -> bool:
    """Says whether a file is one that TensorFlow left when it was killed.

    It writes ckpt-7_temp/, renames its files to ckpt-7.data-*, writes
    ckpt-7.index, and names it in the file `checkpoint`, for which it writes
    checkpoint.tmp and a long number.
    """
    if re.fullmatch(r"ckpt-\d+_temp|checkpoint\.tmp[0-9a-f]+", path.name):
        return True
    if _number(path) < 0:
        return False
    if newest is not None and _number(path) > newest:
        return True
    index = path.with_name(f"ckpt-{_number(path)}.index")
    return not index.exists()


def _read_note(path: pathlib.Path) -> dict | None:
    try:
        note = json.loads(path.read_text())
        return note if note["loss"] == note["loss"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
