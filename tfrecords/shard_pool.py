"""Builds many shards in parallel, going on where an earlier build ended.

In: the shards to write. Out: the files, with a progress bar. Beside every
finished file a note is kept of what is in it and of what it was made from;
only a file whose note fits is taken as finished.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import multiprocessing
import os
import pathlib
import sys
import time
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool

import cv2
from absl import logging
from tqdm import tqdm

from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.shard import build_shard
from tfrecords.shard import file_digest
from tfrecords.shard import ShardResult
from tfrecords.shard import ShardTask

NOTES_DIR = ".parts"

_SECONDS_BETWEEN_LOOKS = 0.2
# A new process imports TensorFlow first.
_SECONDS_TO_START = 5.0


class _TakesLongError(Exception):
    """Ends a shard that other processes shall build."""


def build_shards(
    tasks: Sequence[ShardTask], identity: dict, num_workers: int, progress: bool
) -> list[ShardResult]:
    """Writes the files of `tasks` that are not there yet.

    Args:
        tasks: the shards, all in one folder that exists.
        identity: all that decides their content, for JSON; a file made
            from anything else is removed.
        num_workers: processes; 1 stays in this one, 0 takes one per core
            if there is work for more than some seconds.
        progress: whether to show a progress bar.

    Returns:
        One result per task.

    Raises:
        InputError: if the disk is full or a process dies. What is finished
            stays.
    """
    notes_dir = tasks[0].path.parent / NOTES_DIR
    notes = {_key(task, identity): task for task in tasks}
    done = _finished(notes_dir, notes)
    missing = [task for task in tasks if task.path not in done]
    if done and progress:
        print(f"{len(done)} of {len(tasks)} shards are there from before.")

    def keep(task: ShardTask, result: ShardResult) -> None:
        done[task.path] = result
        note = {**dataclasses.asdict(result), "key": _key(task, identity)}
        with replacing(notes_dir / f"{task.path.name}.json") as path:
            path.write_text(json.dumps(note), encoding="utf-8")

    start = time.monotonic()
    _build_missing(missing, keep, num_workers, progress)
    if missing:
        results = [done[task.path] for task in missing]
        _report(missing, results, time.monotonic() - start)
    return [done[task.path] for task in tasks]


def _build_missing(
    missing: Sequence[ShardTask],
    keep: Callable[[ShardTask, ShardResult], None],
    num_workers: int,
    progress: bool,
) -> None:
    with tqdm(
        total=sum(len(task.keys) for task in missing),
        desc="records",
        unit="image",
        mininterval=0.5 if sys.stderr.isatty() else 10,
        disable=not progress,
    ) as bar:
        if not num_workers:
            missing = _build_for_a_while(missing, keep, bar)
        num_workers = min(num_workers or _count_cores(), len(missing))
        if num_workers <= 1:
            for task in missing:
                keep(task, build_shard(task, bar.update))
        else:
            _build_in_processes(missing, keep, num_workers, bar)


def _report(
    tasks: Sequence[ShardTask], results: Sequence[ShardResult], seconds: float
) -> None:
    num_images = sum(len(task.keys) for task in tasks)
    logging.info(
        "%d images in %.0f s (%.1f images/s); %d shards, %s bytes, %d images "
        "skipped",
        num_images,
        seconds,
        num_images / seconds,
        len(tasks),
        f"{sum(result.bytes for result in results):,}",
        sum(len(result.skipped) for result in results),
    )


def _finished(
    notes_dir: pathlib.Path, notes: dict[str, ShardTask]
) -> dict[pathlib.Path, ShardResult]:
    """Returns the results of finished shards; removes files of other builds."""
    done = {}
    for note_path in sorted(notes_dir.glob("*.json")):
        shard_path = notes_dir.parent / note_path.stem
        try:
            values = json.loads(note_path.read_text(encoding="utf-8"))
            task = notes[values.pop("key")]
            result = ShardResult(**values)
            if file_digest(task.path) != result.sha256:
                raise ValueError(f"{task.path} has changed.")
            done[task.path] = result
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            note_path.unlink()
            shard_path.unlink(missing_ok=True)
    # A process that was killed could not remove what it had begun.
    for task in notes.values():
        for begun in task.path.parent.glob(f".{task.path.name}.*.tmp"):
            begun.unlink()
    return done


def _key(task: ShardTask, identity: dict) -> str:
    keys = [dataclasses.astuple(key) for key in task.keys]
    words = json.dumps([identity, task.path.name, keys], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()


def _count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _build_for_a_while(
    tasks: Sequence[ShardTask],
    keep: Callable[[ShardTask, ShardResult], None],
    bar: tqdm,
) -> Sequence[ShardTask]:
    """Builds in this process, as long as others would need to start.

    Returns:
        The tasks that are left; one that was begun is among them.
    """
    end = time.monotonic() + _SECONDS_TO_START

    def on_image() -> None:
        if time.monotonic() > end:
            raise _TakesLongError
        bar.update()

    for position, task in enumerate(tasks):
        before = bar.n
        try:
            keep(task, build_shard(task, on_image))
        except _TakesLongError:
            bar.update(before - bar.n)
            return tasks[position:]
    return []


def _build_in_processes(
    tasks: Sequence[ShardTask],
    keep: Callable[[ShardTask, ShardResult], None],
    num_workers: int,
    bar: tqdm,
) -> None:
    # Forking a process in which TensorFlow runs can hang.
    context = multiprocessing.get_context("spawn")
    num_images = context.Value("q", 0)
    stopping = context.Event()
    num_before = bar.n
    with concurrent.futures.ProcessPoolExecutor(
        num_workers, context, _start_worker, (num_images, stopping)
    ) as pool:
        tasks_of = {pool.submit(_build_in_worker, task): task for task in tasks}
        pending = set(tasks_of)
        try:
            while pending:
                ready, pending = concurrent.futures.wait(
                    pending,
                    timeout=_SECONDS_BETWEEN_LOOKS,
                    return_when=concurrent.futures.FIRST_COMPLETED,
                )
                for future in ready:
                    keep(tasks_of[future], future.result())
                bar.update(num_before + num_images.value - bar.n)
        except BrokenProcessPool as error:
            raise InputError(
                f"One of {num_workers} building processes died, which most "
                "often means that memory ran out. Finished shards are kept: "
                "give the same command again with a smaller --num_workers."
            ) from error
        finally:
            stopping.set()
            pool.shutdown(cancel_futures=True)


def _start_worker(num_images, stopping) -> None:
    """Prepares a process: one thread, no GPU, and a way to be stopped."""
    cv2.setNumThreads(1)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    _build_in_worker.num_images = num_images
    _build_in_worker.stopping = stopping


def _build_in_worker(task: ShardTask) -> ShardResult:
    def on_image() -> None:
        with _build_in_worker.num_images.get_lock():
            _build_in_worker.num_images.value += 1
        if _build_in_worker.stopping.is_set():
            raise concurrent.futures.CancelledError

    return build_shard(task, on_image)
