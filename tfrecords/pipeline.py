"""The builder: one Apache Beam pipeline over the shards.

In: the shards to write. Out: the files. An element of the pipeline is the
name of a shard; what goes into it lies in its task file, so the pipeline
stays small whatever the number of photographs, and pictures never travel
between workers. By default Beam runs in this process and hands the work to
child processes; any other runner by `--beam_options` (Flink, Spark,
Dataflow), its workers seeing photographs and records under the same paths.
"""

import contextlib
import functools
import io
import logging as standard_logging
import os
import pathlib
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import apache_beam as beam
from absl import logging
from apache_beam.options.pipeline_options import DirectOptions
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.options.pipeline_options import StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from tqdm import tqdm

from tfrecords.errors import InputError
from tfrecords.local_pool import local_pool
from tfrecords.local_pool import stopped_by_interrupt
from tfrecords.options import BuildOptions
from tfrecords.options import RunnerOptions
from tfrecords.parts import Parts
from tfrecords.shard import ShardResult
from tfrecords.shard import ShardTask
from tfrecords.shard_worker import build_by_name
from tfrecords.shard_worker import one_thread
from tfrecords.sources.source import Source

# Images below which a second process costs more than it saves: each imports
# TensorFlow first.
_IMAGES_PER_WORKER = 150
# Shards are handed out in as many rows per worker, so that none is left
# with a long row at the end.
_ROWS_PER_WORKER = 4
_SECONDS_BETWEEN_LOOKS = 0.5


class BuildShard(beam.DoFn):
    """Name of a shard -> its file and its note.

    Args:
        parts: of the build.
        build: builds a shard by its name where Beam calls; None leaves that
            to a pool of processes on this machine, which has its own.
    """

    # Beam hands over copies of this object, but pools cannot be copied.
    pools: dict[str, Callable] = {}

    def __init__(
        self,
        parts: Parts,
        build: Callable[[str], None] | None = None,
    ) -> None:
        self._parts = parts
        self._build = build

    def setup(self) -> None:
        """Is called once per worker."""
        if self._build:
            one_thread()

    def process(self, name: str) -> None:
        """Builds one shard; after a fault the others are left."""
        if self._build:
            self._build(name)
            return
        call = self.pools.get(str(self._parts))
        if call is None:
            return  # The build was interrupted, its threads are ending.
        try:
            call(name)
        except InputError as error:
            self._parts.fail(name, str(error))


def build_shards(
    tasks: Sequence[ShardTask],
    parts: Parts,
    source: Source,
    options: BuildOptions,
    runner: RunnerOptions,
) -> list[ShardResult]:
    """Writes the files of `tasks` that are not there yet.

    Args:
        tasks: the shards, all in one folder that exists.
        parts: of this build, made.
        source: where the photographs are read.
        options: of the build.
        runner: where to build, and whether to show progress.

    Returns:
        One result per task.

    Raises:
        InputError: if the disk is full, a photograph stops the build, a
            process dies or Beam's options are wrong. What is finished stays.
    """
    parts.clean(tasks)
    done = parts.finished(tasks)
    missing = [task for task in tasks if task.path not in done]
    if not missing:
        return [done[task.path] for task in tasks]
    if done and runner.progress:
        print(f"{len(done)} of {len(tasks)} shards are there from before.")
    parts.begin(missing)
    start = time.monotonic()
    with _progress(missing, parts, runner.progress):
        _run(missing, parts, source, options, runner)
    if parts.fault():
        raise InputError(parts.fault())
    done = parts.finished(tasks)
    lost = [task.path.name for task in tasks if task.path not in done]
    if lost:
        raise InputError(
            f"{len(lost)} shards were not written, the first is {lost[0]}. "
            "Do all workers see --records_dir under the same path? Give the "
            "same command again to go on."
        )
    _report(missing, done, time.monotonic() - start)
    return [done[task.path] for task in tasks]


def _run(
    tasks: Sequence[ShardTask],
    parts: Parts,
    source: Source,
    options: BuildOptions,
    runner: RunnerOptions,
) -> None:
    names = [task.path.name for task in tasks]
    build = functools.partial(build_by_name, parts, source, options)
    if runner.beam_options:
        pipeline = _pipeline_elsewhere(runner.beam_options)
        _run_pipeline(pipeline, names, BuildShard(parts, build))
        return
    num_workers = _useful_workers(tasks, runner.num_workers)
    beam_options = PipelineOptions([])
    direct = beam_options.view_as(DirectOptions)
    direct.direct_running_mode = "multi_threading"
    direct.direct_num_workers = (
        1 if num_workers == 1 else num_workers * _ROWS_PER_WORKER
    )
    with (
        local_pool(num_workers, build) as call,
        stopped_by_interrupt(parts.stop),
        _beam_quiet(),
    ):
        BuildShard.pools[str(parts)] = call
        try:
            # Beam's default runner may download a program at its start.
            pipeline = beam.Pipeline(FnApiRunner(), beam_options)
            _run_pipeline(pipeline, names, BuildShard(parts))
        finally:
            BuildShard.pools.pop(str(parts))


def _pipeline_elsewhere(words: Sequence[str]) -> beam.Pipeline:
    """Returns an empty pipeline of the runner that Beam's flags name.

    Raises:
        InputError: if they name none, or Beam cannot read them. By itself it
            would pass over what it does not know and build here.
    """
    said = io.StringIO()
    try:
        # Its parser prints, and ends the program.
        with contextlib.redirect_stderr(said):
            options = PipelineOptions(list(words))
            options.get_all_options()
            named = options.view_as(StandardOptions).runner
            if named and all(word.startswith("--") for word in words):
                return beam.Pipeline(options=options)
        reason = "Flags of Beam begin with --, and --runner is one of them"
    except (AttributeError, ImportError, ValueError) as error:
        reason = str(error)
    except SystemExit:
        reason = said.getvalue().strip().rpartition("\n")[2]
    raise InputError(
        f"--beam_options={','.join(words)} cannot be used: {reason}. Wanted: "
        "flags of Beam with commas between, such as --beam_options="
        "--runner=FlinkRunner,--flink_master=HOST:PORT; without any, this "
        "machine builds."
    )


def _run_pipeline(
    pipeline: beam.Pipeline, names: Sequence[str], builder: BuildShard
) -> None:
    _ = (
        pipeline
        | "Shards" >> beam.Create(names)
        | "Spread" >> beam.Reshuffle()
        | "Build" >> beam.ParDo(builder)
    )
    pipeline.run().wait_until_finish()


def _useful_workers(tasks: Sequence[ShardTask], num_workers: int) -> int:
    num_images = sum(len(task.keys) for task in tasks)
    useful = max(1, num_images // _IMAGES_PER_WORKER)
    return min(num_workers or min(_count_cores(), useful), len(tasks))


@contextlib.contextmanager
def _beam_quiet() -> Iterator[None]:
    """Keeps back what Beam says of its own threads' ends."""
    logger = standard_logging.getLogger("apache_beam")
    level = logger.level
    logger.setLevel(standard_logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _progress(
    tasks: Sequence[ShardTask], parts: Parts, shown: bool
) -> Iterator[None]:
    """Shows how many images are done, as the workers' counts say."""
    sizes = {task.path.name: len(task.keys) for task in tasks}
    ended = threading.Event()
    with tqdm(
        total=sum(sizes.values()),
        desc="records",
        unit="image",
        mininterval=0.5 if sys.stderr.isatty() else 10,
        disable=not shown,
    ) as bar:

        def look() -> None:
            while not ended.wait(_SECONDS_BETWEEN_LOOKS):
                bar.update(parts.count(sizes) - bar.n)

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            bar.update(parts.count(sizes) - bar.n)


def _report(
    tasks: Sequence[ShardTask],
    done: dict[pathlib.Path, ShardResult],
    seconds: float,
) -> None:
    results = [done[task.path] for task in tasks]
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


def _count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
