"""Command line: reads a folder of records back and says what is wrong.

    python -m tfrecords.validate RECORDS [--stats]

Every record is read to its last byte: checksums, numbers, picture. What is
wrong is named with its file and record, and the command ends with status 1.
`--stats` also says what is inside, as text and as a picture.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import collections
import dataclasses
import hashlib
import os
import pathlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf
from absl import app
from absl import flags
from tqdm import tqdm

from tfrecords.console import print_any_text
from tfrecords.errors import InputError
from tfrecords.images import decode
from tfrecords.manifest import Manifest
from tfrecords.manifest import read_manifest
from tfrecords.manifest import Shard
from tfrecords.pair_graph import structure_fault
from tfrecords.record_file import frame
from tfrecords.record_file import FramedRecord
from tfrecords.record_file import read_records
from tfrecords.schema import parse_structure
from tfrecords.statistics import draw_statistics
from tfrecords.statistics import measure
from tfrecords.statistics import statistics_text

_RECORDS_AT_ONCE = 256
_SHOWN_FAULTS = 50
_PICTURE = "statistics.png"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        file: name of the record file, or of the manifest.
        record: index of the record in it, or -1.
        offset: byte at which the record's frame begins, or -1.
        text: what is wrong.
    """

    file: str
    record: int
    offset: int
    text: str

    def __str__(self) -> str:
        """Returns one line for a person."""
        if self.record < 0:
            return f"{self.file}: {self.text}"
        return f"{self.file}, record {self.record} at byte {self.offset}: " + (
            self.text
        )


def validate(
    records_dir: str | os.PathLike, progress: bool = False
) -> list[Fault]:
    """Reads all records of a folder back.

    Checked are the checksums of every frame, the digest and size of every
    file, schema version, boxes inside of their pictures, pairs in range,
    pictures that decode to the size stated, ids that stand once, the
    manifest's counts, and files that the manifest does not name.

    Args:
        records_dir: the folder.
        progress: whether to show a progress bar.

    Returns:
        What is wrong, file by file; empty if nothing is.

    Raises:
        InputError: if there is no manifest that can be read.
    """
    folder = pathlib.Path(records_dir)
    manifest = read_manifest(folder)
    faults = _folder_faults(folder, manifest)
    total = sum(split.images for split in manifest.splits.values())
    image_ids = collections.Counter()
    with (
        tqdm(
            total=total,
            desc="records",
            unit="image",
            mininterval=0.5 if sys.stderr.isatty() else 10,
            disable=not progress,
        ) as bar,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for name, split in manifest.splits.items():
            counts = collections.Counter()
            for shard in pool.map(
                lambda shard: _ShardReading(folder / shard.file, shard, bar),
                split.shards,
            ):
                faults += shard.faults
                counts.update(shard.counts)
                image_ids.update(shard.image_ids)
            for what in ("images", "proposals", "pairs", "objects"):
                stated = getattr(split, what)
                if counts[what] != stated:
                    faults.append(
                        _of_manifest(
                            f"{name} has {counts[what]} {what}, {stated} are "
                            "stated"
                        )
                    )
    faults += [
        _of_manifest(f"the image {name!r} is there {number} times")
        for name, number in image_ids.items()
        if number > 1
    ]
    return faults


def _of_manifest(text: str) -> Fault:
    return Fault("manifest.json", -1, -1, text)


def _folder_faults(folder: pathlib.Path, manifest: Manifest) -> list[Fault]:
    """Holds the files that are there against those that the manifest names."""
    shards = [s for split in manifest.splits.values() for s in split.shards]
    named = {shard.file for shard in shards}
    there = {path.name for path in folder.glob("*.tfrecord")}
    faults = [
        Fault(name, -1, -1, "it is not named by the manifest")
        for name in sorted(there - named)
    ]
    digests = "".join(shard.sha256 for shard in shards)
    if hashlib.sha256(digests.encode()).hexdigest() != manifest.digest:
        faults.append(_of_manifest("its digest is not that of its shards"))
    return faults


class _ShardReading:
    """One file read back: what is wrong with it, and what it holds.

    Attributes:
        faults: what is wrong.
        counts: of images, proposals, pairs and objects.
        image_ids: of all records that could be read.
    """

    def __init__(self, path: pathlib.Path, shard: Shard, bar: tqdm) -> None:
        self.faults = []
        self.counts = collections.Counter()
        self.image_ids = []
        self._shard = shard
        is_name = pathlib.PurePath(shard.file).name == shard.file
        if not is_name or not path.is_file():
            self._add("it is missing")
            return
        digest = hashlib.sha256()
        num_records = 0
        pending = []
        for record in read_records(path):
            num_records += 1
            digest.update(frame(record.content))
            if record.fault:
                self._add(record.fault, record)
            else:
                pending.append(record)
            if len(pending) == _RECORDS_AT_ONCE:
                self._check(pending, bar)
                pending = []
        self._check(pending, bar)
        self._check_file(path.stat().st_size, num_records, digest.hexdigest())

    def _check_file(
        self, num_bytes: int, num_records: int, sha256: str
    ) -> None:
        shard = self._shard
        if num_bytes != shard.bytes:
            self._add(f"it has {num_bytes:,} bytes, not {shard.bytes:,}")
        if num_records != shard.images:
            self._add(f"it has {num_records} records, not {shard.images}")
        if not self.faults and sha256 != shard.sha256:
            self._add("it is whole, but not the file the manifest describes")

    def _check(self, records: list[FramedRecord], bar: tqdm) -> None:
        """Checks whole records, one by one where not all can be parsed."""
        if not records:
            return
        parsed = None
        try:
            parsed = parse_structure([record.content for record in records])
            fault = structure_fault(parsed)
        except (InputError, tf.errors.InvalidArgumentError) as error:
            fault = f"it is not one of our records ({error})"
        if fault and len(records) > 1:
            for record in records:
                self._check([record], bar)
            return
        if fault:
            self._add(fault, records[0])
        if parsed is None:
            return
        self.counts["images"] += len(records)
        self.counts["proposals"] += len(parsed["proposal_boxes"].flat_values)
        self.counts["pairs"] += len(parsed["pairs"].flat_values)
        self.counts["objects"] += len(parsed["object_boxes"].flat_values)
        for record, image_id, size in zip(
            records,
            parsed["image_id"].numpy(),
            parsed["size"].numpy().astype(int).tolist(),
            strict=True,
        ):
            self.image_ids.append(image_id.decode(errors="replace"))
            self._check_picture(record, size)
            bar.update()

    def _check_picture(self, record: FramedRecord, size: list[int]) -> None:
        example = tf.train.Example.FromString(record.content)
        encoded = example.features.feature["image/encoded"].bytes_list.value
        try:
            height, width = decode(encoded[0] if encoded else b"").shape[:2]
        except InputError as error:
            self._add(str(error), record)
            return
        if [height, width] != size:
            self._add(
                f"its picture has {height} x {width} pixels (height x "
                f"width), {size[0]} x {size[1]} are stated",
                record,
            )

    def _add(self, text: str, record: FramedRecord | None = None) -> None:
        index, offset = (record.index, record.offset) if record else (-1, -1)
        self.faults.append(Fault(self._shard.file, index, offset, text))


def main(arguments: Sequence[str]) -> None:
    """Validates the folder that the command line names."""
    if len(arguments) != 2:
        raise app.UsageError("Wanted: one folder of records.")
    print_any_text()
    records_dir = pathlib.Path(arguments[1])
    try:
        faults = validate(records_dir, progress=True)
        for fault in faults[:_SHOWN_FAULTS]:
            print(fault)
        if len(faults) > _SHOWN_FAULTS:
            print(f"... and {len(faults) - _SHOWN_FAULTS} more.")
        if flags.FLAGS.stats:
            statistics = measure(records_dir)
            print(statistics_text(statistics))
            draw_statistics(statistics, records_dir / _PICTURE)
            print(f"Drawn in {records_dir / _PICTURE}")
    except InputError as error:
        sys.exit(f"Error: {error}")
    if faults:
        sys.exit(f"{len(faults)} faults in {records_dir}")
    print(f"All is well with {records_dir}")


if __name__ == "__main__":
    flags.DEFINE_bool("stats", False, "Also say and draw what is inside.")
    app.run(main)
