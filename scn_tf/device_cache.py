"""A feature cache in the memory of the devices that train on it.

In: a feature cache, a strategy. Out: for a batch of nodes the same batch with
their rows, taken inside of the step: between steps nothing but a few indices
moves, and no epoch reads a file again.
"""

import numpy as np
import tensorflow as tf
from absl import logging

from scn_tf.batches import SOURCE_NODES
from scn_tf.batches import TARGET_NODES
from scn_tf.crew import local_devices
from scn_tf.feature_cache import FeatureCache
from scn_tf.sharded_array import ShardedArray

_CHUNK_BYTES = 64 * 2**20  # copied to a device at a time


class DeviceCache:
    """The rows of a cache on every device of this process.

    Args:
        cache: of all patches of the graph, with trunk features.
        strategy: whose replicas will ask for rows.
    """

    def __init__(
        self, cache: FeatureCache, strategy: tf.distribute.Strategy
    ) -> None:
        self._copies = [
            (_placed(cache.features, device), _placed(cache.targets, device))
            for device in local_devices(strategy)
        ]

    def __call__(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Inputs of `cached_pair_model`; called where a replica computes.

        Args:
            batch: of `scn_tf.inputs.node_inputs`.

        Returns:
            The same with float32 `features` [S, ...] and `target_features`
            [T, D] in place of the nodes.
        """
        features, targets = self._copies[self._local_replica()]
        rest = dict(batch)
        sources = tf.gather(features, rest.pop(SOURCE_NODES))
        target_features = tf.gather(targets, rest.pop(TARGET_NODES))
        return {
            "features": tf.cast(sources, tf.float32),
            "target_features": tf.cast(target_features, tf.float32),
            **rest,
        }

    def _local_replica(self) -> int:
        if len(self._copies) == 1:
            return 0
        context = tf.distribute.get_replica_context()
        number = tf.get_static_value(context.replica_id_in_sync_group)
        # Workers have equally many replicas each.
        return int(number) % len(self._copies)


def device_cache(
    cache: FeatureCache, strategy: tf.distribute.Strategy
) -> DeviceCache | None:
    """The cache on accelerators, or None where it is better on the host.

    It may take up to half of an accelerator's memory; the rest is for the
    training. A processor's memory is the host's: rows come as fast from
    there, and what TensorFlow once took for a cache it keeps, so that an
    experiment of many runs would grow with each.

    Args:
        cache: with trunk features.
        strategy: of the run.
    """
    nbytes = cache.features.nbytes + cache.targets.nbytes
    if not on_accelerators(strategy):
        return None
    for device in local_devices(strategy):
        if not _has_room(device, 2 * nbytes):
            logging.info(
                "The cache (%.1f GiB) would take more than half of the "
                "memory of %s; it is held on the host.",
                *(nbytes / 2**30, device or "the GPU"),
            )
            return None
    try:
        return DeviceCache(cache, strategy)
    except tf.errors.ResourceExhaustedError:
        # What is free need not be free in one piece.
        logging.info("The cache fits on no device; it is held on the host.")
        return None


def on_accelerators(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy computes on nothing but GPUs and their like."""
    return all(map(_is_accelerator, local_devices(strategy)))


def _is_accelerator(device: str) -> bool:
    if not device:
        return bool(tf.config.list_logical_devices("GPU"))
    return "CPU" not in device.upper().rsplit("DEVICE:", 1)[-1]


def _has_room(device: str, nbytes: int) -> bool:
    """Whether so many bytes can be taken now; nothing is kept."""
    try:
        with tf.device(device or None):
            blocks = [
                tf.zeros([min(_CHUNK_BYTES, nbytes - start)], tf.uint8)
                for start in range(0, nbytes, _CHUNK_BYTES)
            ]
            del blocks
    except tf.errors.ResourceExhaustedError:
        return False
    return True


def _placed(rows: np.ndarray | ShardedArray, device: str) -> tf.Variable:
    """A variable with these rows, copied a chunk at a time.

    A variable and not a constant: a constant of some gigabytes would be
    copied whole on the host before it is on the device.
    """
    # The caller may stand in the scope of a strategy, which would mirror it.
    with tf.device(device or None):
        variable = tf.Variable(
            lambda: tf.zeros(rows.shape, rows.dtype), trainable=False
        )
        step = max(_CHUNK_BYTES // max(rows[:1].nbytes, 1), 1)
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            # Not `variable[...].assign`: that copies the whole variable first.
            tf.raw_ops.ResourceStridedSliceAssign(
                ref=variable.handle,
                begin=[start],
                end=[start + len(chunk)],
                strides=[1],
                value=chunk,
            )
    return variable
