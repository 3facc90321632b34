"""Checkpoints of a run: neck, head, optimizer and the epoch they belong to.

In: Keras models and the optimizer. Out: numbered checkpoints in
`checkpoints/` of the run folder; the newest is where training continues.
"""

import os
import pathlib

import keras
import tensorflow as tf
from absl import logging

from tfrecords.errors import InputError
from tfrecords.files import full_disk_named

# What TensorFlow raises for a file cut off, altered or of another network.
_UNREADABLE = (ValueError, AssertionError, IndexError, tf.errors.OpError)


class Checkpoints:
    """Saves and restores the trained state.

    Args:
        checkpoint_dir: where the checkpoints lie.
        neck: trained part of the bottom stream.
        head: spatial context module.
        optimizer: with its momentum, or None to read weights only.
        keep: how many checkpoints stay.
    """

    def __init__(
        self,
        checkpoint_dir: str | os.PathLike,
        neck: keras.Model,
        head: keras.layers.Layer,
        optimizer: keras.optimizers.Optimizer | None = None,
        keep: int = 2,
    ) -> None:
        parts = {"neck": neck, "head": head}
        if optimizer is not None:
            parts["optimizer"] = optimizer
        self._epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._checkpoint = tf.train.Checkpoint(epoch=self._epoch, **parts)
        self._directory = pathlib.Path(checkpoint_dir)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(checkpoint_dir), max_to_keep=keep
        )
        self._has_optimizer = optimizer is not None

    def save(self, epoch: int) -> None:
        """Saves the state after `epoch` epochs.

        Raises:
            InputError: if the disk is full; older checkpoints stay.
        """
        self._epoch.assign(epoch)
        with full_disk_named(self._directory / f"ckpt-{epoch}"):
            self._manager.save(checkpoint_number=epoch)

    def restore(self) -> int:
        """Restores the newest checkpoint; returns its epoch, 0 if none.

        Raises:
            InputError: if it is damaged or of another network.
        """
        paths = [
            path
            for path in self._manager.checkpoints
            if pathlib.Path(f"{path}.index").is_file()
        ]
        if not paths:
            return 0
        path = paths[-1]
        try:
            status = self._checkpoint.read(path)
            status.assert_existing_objects_matched()
        except _UNREADABLE as error:
            raise InputError(
                f"The checkpoint {path} cannot be read: it is damaged or was "
                "made with other flags. Remove it to continue from the one "
                f"before, or start anew in another --run_dir. ({error})"
            ) from error
        if not self._has_optimizer:
            status.expect_partial()
        logging.info("Restored epoch %d from %s.", self._epoch.numpy(), path)
        return int(self._epoch.numpy())
