"""On which devices and machines a run trains.

In: names of devices, and TF_CONFIG of the environment. Out: a strategy: none
for one device, mirrored on several, multi-worker where TF_CONFIG names
several processes. Keras 3's own `fit` does not work under the last (Keras
issue 20585); our loop does.
"""

import functools
import json
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from absl import logging

from tfrecords.errors import InputError

# What collective operations raise once a process that takes part is gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_DRIVER = pathlib.Path("/proc/driver/nvidia/version")


def make_strategy(devices: Sequence[str]) -> tf.distribute.Strategy:
    """Returns the strategy of this process; call it before anything else.

    Args:
        devices: such as "GPU:0"; empty for all GPUs, or the CPU. With
            TF_CONFIG, all devices of every worker are taken, and none named.

    Raises:
        InputError: if TF_CONFIG is no cluster, or a device is not there or
            named beside TF_CONFIG.
    """
    if num_workers() > 1:
        if devices:
            raise InputError(
                f"--devices={','.join(devices)}: a worker of TF_CONFIG takes "
                "all devices that it sees. Leave the flag out, and hide the "
                "others from it: CUDA_VISIBLE_DEVICES=0."
            )
        strategy = tf.distribute.MultiWorkerMirroredStrategy(
            communication_options=_communication()
        )
        logging.info(
            "Worker %d of %d, %d replicas.",
            worker_index(),
            num_workers(),
            strategy.num_replicas_in_sync,
        )
        return strategy
    there = tf.config.list_logical_devices()
    gpus = [device.name for device in there if device.device_type == "GPU"]
    chosen = list(devices) or gpus or ["CPU:0"]
    known = {device.name.removeprefix("/device:") for device in there}
    for name in devices:
        if name.removeprefix("/device:") not in known:
            raise InputError(
                f"--devices={','.join(devices)}: there is no {name}. Known "
                f"here: {', '.join(sorted(known))}."
            )
    if not (gpus or devices) and _DRIVER.exists():
        logging.warning(
            "This machine has NVIDIA's driver, but TensorFlow finds no GPU. "
            "Are its CUDA libraries installed (BUILD.md, 'On a machine with "
            "NVIDIA GPUs'), and does CUDA_VISIBLE_DEVICES hide none?"
        )
    logging.info("Training on %s.", ", ".join(chosen))
    if len(chosen) > 1:
        return _mirrored(tuple(chosen))
    if devices:
        return tf.distribute.OneDeviceStrategy(f"/device:{_short(chosen[0])}")
    return tf.distribute.get_strategy()


def _communication() -> tf.distribute.experimental.CommunicationOptions:
    """How workers add up gradients: on GPUs by NVIDIA's NCCL.

    Left to itself TensorFlow takes its own ring through the hosts' memory.
    """
    kinds = tf.distribute.experimental.CommunicationImplementation
    gpus = tf.config.list_physical_devices("GPU")
    return tf.distribute.experimental.CommunicationOptions(
        implementation=kinds.NCCL if gpus else kinds.AUTO
    )


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """One per process, as an experiment needs, which makes run after run.

    Two strategies on the same devices number their collective operations
    alike, and TensorFlow then takes those of the second for the first's.
    """
    return tf.distribute.MirroredStrategy(devices)


def _short(device: str) -> str:
    return device.removeprefix("/device:")


def num_workers() -> int:
    """Number of processes that TF_CONFIG names; 1 without it.

    Raises:
        InputError: if TF_CONFIG is not what TensorFlow reads.
    """
    return len(_cluster()[0])


def worker_index() -> int:
    """Number of this process among them, from 0."""
    return _cluster()[1]


def is_chief() -> bool:
    """Whether this process writes what one of all has to write."""
    return worker_index() == 0


def _cluster() -> tuple[list[str], int]:
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        return ["here"], 0
    try:
        values = json.loads(text)
        cluster = values["cluster"]
        # TensorFlow counts a "chief" before the workers.
        names = [*cluster.get("chief", []), *cluster.get("worker", [])]
        index = int(values["task"]["index"])
        if values["task"]["type"] == "worker":
            index += len(cluster.get("chief", []))
        if not 0 <= index < len(names):
            raise ValueError(f"task {index} of {len(names)}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"TF_CONFIG={text!r} is not a cluster ({error}). Wanted: "
            '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": '
            '"worker", "index": 0}}; or unset it to train on this machine '
            "alone."
        ) from error
    return names, index


def agree(strategy: tf.distribute.Strategy, value: float) -> list[float]:
    """Returns what each replica of all workers gives, and waits for all.

    Args:
        strategy: of the run.
        value: of this worker.
    """
    return gather(strategy, [value])[:, 0].tolist()


def gather(
    strategy: tf.distribute.Strategy, values: Sequence[float]
) -> np.ndarray:
    """Returns what each replica of all workers gives, and waits for all.

    Args:
        strategy: of the run.
        values: [n] of this worker; n is at least 1 and the same on all.

    Returns:
        [R, n] float64, the chief's first.
    """
    values = np.asarray([values], np.float64)
    if num_workers() == 1:
        return values
    collected = _collector(strategy)(tf.constant(values))
    return np.asarray(strategy.experimental_local_results(collected)[0])


@functools.lru_cache(maxsize=1)  # traced once, it is called all the time
def _collector(
    strategy: tf.distribute.Strategy,
) -> Callable[[tf.Tensor], tf.Tensor]:
    def own(values: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        # A tensor of its own per replica: one that all share is gathered once.
        return context.all_gather(tf.identity(values), axis=0)

    @tf.function
    def collect(values: tf.Tensor) -> tf.Tensor:
        return strategy.run(own, args=(values,))

    return collect


@contextmanager
def workers_watched() -> Iterator[None]:
    """Says in plain words that another worker is gone.

    Raises:
        InputError: if one was lost in the block.
    """
    try:
        yield
    except _LOST as error:
        if num_workers() == 1:
            raise
        raise InputError(
            "Another worker was lost, or what all do together failed here, so "
            "this one ends. What was saved is kept: give the same command on "
            "all workers again and they continue from the last checkpoint. "
            f"({_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
