"""What a run says while it works: metrics.jsonl, TensorBoard, progress.

In: numbers by name. Out: one JSON object per line, scalars in TensorBoard.
"""

import contextlib
import functools
import json
import math
import os
import pathlib
import resource
import sys
import time
from collections.abc import Iterator
from typing import TextIO

import tensorflow as tf
from absl import logging

from tfrecords.files import full_disk_named
from tfrecords.files import replacing

_KILOBYTE = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss


def progress_interval() -> float:
    """Seconds between progress lines: often on a terminal, rarely in a log."""
    return 0.2 if sys.stderr.isatty() else 10.0


class RunLog:
    """Appends to `metrics.jsonl` and `tensorboard/` of a run folder.

    Args:
        run_dir: the run's folder.
        writes: whether this process writes; of several workers one does.
    """

    def __init__(self, run_dir: str | os.PathLike, writes: bool = True) -> None:
        self._path = pathlib.Path(run_dir) / "metrics.jsonl"
        self._folder = pathlib.Path(run_dir) / "tensorboard"
        self._writes = writes

    @functools.cached_property
    def _writer(self) -> tf.summary.SummaryWriter:
        """Made at the first write: by then, no file is rewritten."""
        if not self._writes:
            return tf.summary.create_noop_writer()
        return tf.summary.create_file_writer(str(self._folder))

    def write(self, event: str, step: int | None = None, **values) -> None:
        """Writes one line; with a step, numbers go to TensorBoard too."""
        if not self._writes:
            return
        line = {"event": event, **values}
        if step is not None:
            line["step"] = step
            self._write_scalars(event, step, values)
        with full_disk_named(self._path):
            with open(self._path, "a+", encoding="utf-8") as file:
                file.write(_line_break(file) + json.dumps(line) + "\n")

    def _write_scalars(self, event: str, step: int, values: dict) -> None:
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(f"{event}/{name}", value, step=step)
        self._writer.flush()

    def picture(self, tag: str, path: pathlib.Path, step: int) -> None:
        """Shows a PNG file in TensorBoard."""
        image = tf.io.decode_png(path.read_bytes(), channels=3)
        with self._writer.as_default():
            tf.summary.image(tag, image[None], step=step)
        self._writer.flush()

    def history(self, event: str) -> list[dict]:
        """All lines of one event, oldest first, without torn last lines."""
        if not self._path.is_file():
            return []
        lines = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                logging.warning("%s: skipped a torn line", self._path)
        return [line for line in lines if line["event"] == event]

    def epochs_done(self) -> int:
        """How many epochs the run has had so far."""
        lines = self.history("epoch")
        return max((line["epoch"] for line in lines), default=0)

    def rewind(self, step: int) -> None:
        """Drops what later steps wrote, and torn lines: they come again."""
        if not self._writes:
            return
        self._rewind_curves(step)
        if not self._path.is_file():
            return
        lines = self._path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _step(line) <= step]
        if len(kept) < len(lines):
            with replacing(self._path) as path:
                path.write_text("".join(f"{line}\n" for line in kept))

    def _rewind_curves(self, step: int) -> None:
        """Drops the events of later steps from TensorBoard's files.

        Marking a restart in them would not do: of the programs that read
        them, some take no notice.
        """
        for path in self._folder.glob("events.out.tfevents.*"):
            events = list(_events(path))
            kept = [event for event in events if event.step <= step]
            if len(kept) < len(events):
                with (
                    replacing(path) as temporary,
                    tf.io.TFRecordWriter(str(temporary)) as file,
                ):
                    for event in kept:
                        file.write(event.SerializeToString())

    @contextlib.contextmanager
    def profile(self) -> Iterator[None]:
        """Writes a trace of the block for TensorBoard's profiler (xprof)."""
        if not self._writes:
            yield
            return
        with tf.profiler.experimental.Profile(str(self._folder)):
            yield
        logging.info("A profile was written to %s.", self._folder)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage and logs its seconds and the peak memory so far."""
        logging.info("Stage %s begins.", name)
        start = time.perf_counter()
        yield
        seconds = round(time.perf_counter() - start, 2)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        peak = usage.ru_maxrss * _KILOBYTE
        self.write("stage", name=name, seconds=seconds, peak_memory=peak)
        logging.info("Stage %s took %.1f s.", name, seconds)


def _line_break(file: TextIO) -> str:
    """Returns what must come before a new line: something after a torn one."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - 1, 0))  # The lines are of ASCII.
    return "" if file.read() in ("", "\n") else "\n"


def _events(path: pathlib.Path) -> Iterator[tf.compat.v1.Event]:
    """Yields the events of a file, without a torn last one."""
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    with contextlib.suppress(tf.errors.DataLossError):
        for record in records:
            yield tf.compat.v1.Event.FromString(record)


def _step(line: str) -> float:
    """Returns the step of a line of metrics.jsonl; 0 where it has none."""
    try:
        return int(json.loads(line).get("step", 0))
    except (ValueError, AttributeError):
        return math.inf  # A torn line.
