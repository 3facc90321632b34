"""The record builder against its limits.

Builds records of photographs several times and prints ratios: two workers
against one; one worker's images/s against the bare sum of its unavoidable
parts (read the file, decode it, EdgeBoxes) on one thread; bytes of the
records against bytes of the picture files; and the peak memory of the largest
process, for few images and for all. Both sides of a ratio run in turns on
the same photographs. Takes the flags of tfrecords.options besides its own.

    python -m benchmarks.build_records --data_dir=DATA --limit_images=1200
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import dataclasses
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import cv2
import numpy as np
from absl import app
from absl import flags

from tfrecords import options as build_options
from tfrecords.images import decode
from tfrecords.options import BuildOptions
from tfrecords.plan import sample_keys
from tfrecords.proposals import PROPOSERS
from tfrecords.sources import open_source

_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each side.")
_FEW_IMAGES = flags.DEFINE_integer(
    "few_images", 500, "Images of the smaller build whose memory is measured."
)
# The one line that GNU time's place is taken by: peak memory of any child.
_PEAK = (
    "import resource, runpy, sys; "
    "sys.argv = sys.argv[1:]; "
    "import atexit; atexit.register(lambda: print('PEAK', max("
    "resource.getrusage(who).ru_maxrss for who in "
    "(resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))); "
    "runpy.run_module('tfrecords.build', run_name='__main__')"
)


@dataclasses.dataclass(frozen=True)
class Measured:
    """One build: seconds from the first image on, all seconds, memory."""

    seconds: float
    peak_megabytes: float
    record_bytes: int


def main(arguments: Sequence[str]) -> None:
    """Measures all sides and prints the tables."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    options = build_options.options_from_flags(flags.FLAGS)
    source = open_source(options.source, options.data_dir, options.seed)
    keys = sample_keys(source.keys(), options.limit_images, options.seed)
    bare, one, two = [], [], []
    for _ in range(_ROUNDS.value):
        bare.append(_bare_seconds(options, source, keys))
        one.append(_build(1))
        two.append(_build(2))
    few = _build(2, limit_images=_FEW_IMAGES.value)
    picture_bytes = sum(
        pathlib.Path(source.read(key).image).stat().st_size for key in keys
    )
    _print_speed(len(keys), bare, one, two)
    print()
    size = one[0].record_bytes / picture_bytes
    print(f"records / picture files: {size:.4f} of {picture_bytes:,} bytes")
    print(
        f"peak memory of the largest process: {few.peak_megabytes:.0f} MB for "
        f"{_FEW_IMAGES.value} images, {two[0].peak_megabytes:.0f} MB for "
        f"{len(keys)}: {two[0].peak_megabytes / few.peak_megabytes:.2f}"
    )


def _bare_seconds(options: BuildOptions, source, keys) -> float:
    """Seconds to read, decode and propose on one thread, and no more."""
    cv2.setNumThreads(1)
    propose = PROPOSERS[options.proposals].propose
    records = [source.read(key) for key in keys]
    begin = time.perf_counter()
    for record in records:
        pixels = decode(pathlib.Path(record.image).read_bytes())
        rng = np.random.default_rng(0)
        propose([pixels], [record], options.proposal_options, [rng])
    return time.perf_counter() - begin


def _build(num_workers: int, **changes: object) -> Measured:
    """Builds in a process of its own, as a user would."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="build_records"))
    values = {
        flag.name: flag.value
        for flag in flags.FLAGS.flags_by_module_dict()["tfrecords.options"]
        if not flag.using_default_value
    }
    values.update(changes, num_workers=num_workers, records_dir=folder / "r")
    command = [sys.executable, "-c", _PEAK, "build"]
    command += [f"--{name}={value}" for name, value in values.items()]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - begin
    peak = float(re.search(r"PEAK (\d+)", done.stdout)[1]) / 1024
    record_bytes = sum(
        path.stat().st_size for path in (folder / "r").glob("*.tfrecord")
    )
    shutil.rmtree(folder)
    return Measured(seconds, peak, record_bytes)


def _print_speed(
    number: int, bare: list[float], one: list[Measured], two: list[Measured]
) -> None:
    """Prints medians, and ratios of the rounds' pairs."""
    start = _start_seconds()
    seconds = {
        "bare read + decode + proposals, 1 thread": bare,
        "builder, 1 worker": [m.seconds - start for m in one],
        "builder, 2 workers": [m.seconds - start for m in two],
    }
    print(
        f"{number} images, {_ROUNDS.value} rounds, medians; {os.cpu_count()} "
        f"cores; {start:.1f} s of start subtracted from builders, of which "
        "children have the same again, not subtracted"
    )
    for name, values in seconds.items():
        middle = statistics.median(values)
        print(f"  {name:<42} {number / middle:7.1f} images/s")
    bare_s, one_s, two_s = (statistics.median(v) for v in seconds.values())
    whole = statistics.median(m.seconds for m in one) / statistics.median(
        m.seconds for m in two
    )
    print(f"  1 worker / bare: {bare_s / one_s:.3f}")
    print(f"  2 workers / 1 worker: {one_s / two_s:.3f}")
    print(f"  the same, start of the program included: {whole:.3f}")


def _start_seconds() -> float:
    """Seconds the builder takes to start and do nothing."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import tfrecords.build"], check=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    build_options.define_flags()
    flags.adopt_module_key_flags(build_options)
    app.run(main)
