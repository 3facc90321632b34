"""Patches through the frozen networks into shards, on all devices at once.

In: numbers of shards, patches in order, networks, each on a device. Out: the
shards on disk. Patches are read once, in one stream; each batch goes to the
next device that is free. What a batch gives depends neither on which of equal
devices takes it nor on when, so the shards have the same bytes whatever the
number of processors. (GPUs may round otherwise in every process.)
"""

import queue
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np
import tensorflow as tf
import tqdm
from absl import logging

from scn_tf.background import Background
from scn_tf.cache_shards import CacheShards
from scn_tf.frozen_pass import FrozenPass
from scn_tf.run_log import progress_interval
from tfrecords.errors import InputError

# Batches that are read ahead, and that each device has at a time: while one
# is copied from it the next is computed. As many shards wait to be written.
_AHEAD = 2


def fill_shards(
    shards: CacheShards,
    numbers: Sequence[int],
    networks: Sequence[FrozenPass],
    read: Callable[[range], tf.data.Dataset],
    batch: int,
    num_there: int = 0,
) -> None:
    """Computes some shards; reading, computing and writing run side by side.

    Args:
        shards: of the cache.
        numbers: of the shards, rising.
        networks: one per device; calls of one never overlap.
        read: consecutive indices of patches -> these patches in order, as
            elements [n, S, S, 3] uint8.
        batch: patches per call of a network; divides a shard's rows.
        num_there: patches that the progress bar counts as done before.

    Raises:
        InputError: if the disk is full, a feature does not fit the dtype, or
            there are fewer patches than expected. What was finished stays.
    """
    todo = sum(len(shards.ranges()[number]) for number in numbers)
    pending = _AHEAD * len(networks)
    begin = time.perf_counter()
    with (
        tqdm.tqdm(
            total=num_there + todo,
            initial=num_there,
            desc=f"feature cache, {shards.folder.name.partition('-')[0]}",
            unit="patch",
            mininterval=progress_interval(),
        ) as progress,
        Background(_AHEAD) as writing,
        Background(pending, num_threads=pending) as computing,
    ):
        compute = _computation(networks, progress)
        batches = _batches(shards, numbers, read, batch)
        for number in numbers:
            arrays = shards.empty(number)
            parts = [
                computing.submit(compute, next(batches), arrays, start)
                for start in range(0, len(shards.ranges()[number]), batch)
            ]
            writing.submit(_write, shards, number, arrays, parts)
    seconds = time.perf_counter() - begin
    logging.info(
        "Cached %d patches in %d of %d shards, %.1f patches/s.",
        *(todo, len(numbers), len(shards.ranges()), todo / seconds),
    )


def _batches(
    shards: CacheShards,
    numbers: Sequence[int],
    read: Callable[[range], tf.data.Dataset],
    batch: int,
) -> Iterator[tf.Tensor]:
    """Yields the patches of shards; no batch has patches of two."""
    ranges = shards.ranges()
    for run in _runs(numbers):
        rows = range(ranges[run[0]].start, ranges[run[-1]].stop)
        dataset = read(rows).rebatch(batch).prefetch(_AHEAD)
        batches = iter(dataset)
        for start in range(rows.start, rows.stop, batch):
            patches = next(batches, ())
            expected = rows[start - rows.start :][:batch]
            _check_number(patches, expected, shards.num_rows)
            yield patches


def _runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Splits rising numbers into runs without gaps."""
    splits = np.flatnonzero(np.diff(numbers) > 1) + 1
    for run in np.split(numbers, splits):
        yield run.tolist()


def _check_number(patches: Sequence, rows: range, num_patches: int) -> None:
    """Raises InputError if the records gave fewer patches than `rows`."""
    if len(patches) < len(rows):
        raise InputError(
            f"The records ended at patch {rows.start + len(patches)}, "
            f"{num_patches} were expected. Delete the records folder and "
            "build it again."
        )


def _computation(
    networks: Sequence[FrozenPass], progress: tqdm.tqdm
) -> Callable[[tf.Tensor, dict[str, np.ndarray], int], None]:
    """Returns what is done with a batch, by several threads side by side."""
    free = queue.SimpleQueue()
    for network in networks:
        free.put(network)
    lock = threading.Lock()

    def compute(
        patches: tf.Tensor, arrays: dict[str, np.ndarray], start: int
    ) -> None:
        network = free.get()
        try:
            # A GPU only has the work queued now, and another batch may queue
            # behind it; a processor has done it.
            outputs = network(patches)
        finally:
            free.put(network)
        _store(arrays, start, outputs)
        with lock:
            progress.update(len(patches))

    return compute


def _store(
    arrays: dict[str, np.ndarray], start: int, outputs: dict[str, tf.Tensor]
) -> None:
    """Copies what a batch gave into its shard's arrays."""
    for name, array in arrays.items():
        values = outputs[name].numpy()
        if not np.isfinite(values).all():
            raise InputError(
                f"One of the {name} does not fit {array.dtype}. Give "
                "--cache_dtype=float32 --precision=float32, or check the "
                "weights."
            )
        array[start : start + len(values)] = values


def _write(
    shards: CacheShards,
    number: int,
    arrays: dict[str, np.ndarray],
    parts: Sequence[Future],
) -> None:
    """Writes a shard once all its parts are there; raises if one failed."""
    for part in parts:
        part.result()
    shards.write(number, arrays)
