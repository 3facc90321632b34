"""Command line: photographs in, sharded records and their manifest out.

    python -m tfrecords.build --data_dir=VOCdevkit --records_dir=records

A build that was interrupted goes on with the shards that are finished; one
that is complete is not done again.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import collections
import hashlib
import os
import pathlib
import platform
import sys
from collections.abc import Sequence

import apache_beam
import cv2
import numpy as np
import PIL
import tensorflow as tf
from absl import app
from absl import flags
from absl import logging

from tfrecords import options as build_options
from tfrecords.console import print_any_text
from tfrecords.errors import InputError
from tfrecords.manifest import Manifest
from tfrecords.manifest import MAX_NOTED
from tfrecords.manifest import read_manifest
from tfrecords.manifest import Shard
from tfrecords.manifest import Split
from tfrecords.manifest import write_manifest
from tfrecords.options import BuildOptions
from tfrecords.options import RunnerOptions
from tfrecords.parts import Parts
from tfrecords.path_flag import define_path
from tfrecords.pipeline import build_shards
from tfrecords.plan import plan_shards
from tfrecords.proposals import PROPOSERS
from tfrecords.schema import SCHEMA_VERSION
from tfrecords.shard import ShardResult
from tfrecords.shard import ShardTask
from tfrecords.sources import open_source
from tfrecords.sources.source import Source


def build(
    options: BuildOptions,
    records_dir: str | os.PathLike,
    runner: RunnerOptions | None = None,
) -> Manifest:
    """Builds the records of `options` in `records_dir`, or finds them there.

    Args:
        options: what to build.
        records_dir: folder for the shards and `manifest.json`; made if it
            is not there.
        runner: where to build; any writes the same bytes. None takes this
            machine.

    Raises:
        InputError: if no photograph can be used, if the folder holds other
            records or cannot be written, if another build is writing to it,
            if photographs were left out and `options.on_bad_image` is
            "stop", or if the disk is full.
    """
    runner = runner or RunnerOptions()
    folder = pathlib.Path(records_dir).resolve()
    _refuse_photographs(options, folder)
    source = open_source(options.source, options.data_dir, options.seed)
    identity = {
        "schema_version": SCHEMA_VERSION,
        "source": source.name,
        "source_digest": source.digest(),
        "options": options.content(source.name),
    }
    finished = _finished(folder, identity, options)
    if finished is not None:
        # Of a build that was killed at its very end.
        Parts(folder).remove_left()
        if runner.progress:
            print(f"Records are up to date: {folder}")
        return finished
    tasks = plan_shards(source, options, folder)
    if not tasks:
        raise InputError(
            f"There are no photographs in --data_dir={options.data_dir}."
        )
    PROPOSERS[options.proposals].check(
        options.proposal_options,
        [key.image_id for task in tasks for key in task.keys],
    )
    identity["versions"] = _versions()
    parts = Parts(folder, identity)
    with parts.held():
        # Another build may have ended since.
        manifest = _finished(folder, identity, options)
        if manifest is None:
            results = build_shards(tasks, parts, source, options, runner)
            manifest = _manifest(source, identity, tasks, results)
            _refuse_nothing(manifest, options)
            # Shards of an earlier command that left some out may be there.
            _refuse_skipped(manifest, options, folder)
            write_manifest(manifest, folder)
        parts.remove()
    return manifest


def main(arguments: Sequence[str]) -> None:
    """Builds what the flags say and prints what came of it."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    print_any_text()
    logging.get_absl_handler().setFormatter(None)  # a program's words
    values = flags.FLAGS
    try:
        manifest = build(
            build_options.options_from_flags(values),
            values.records_dir,
            build_options.runner_from_flags(values),
        )
    except InputError as error:
        sys.exit(f"Error: {error}")
    for name, split in manifest.splits.items():
        print(
            f"{name}: {split.images} images, {split.proposals} proposals, "
            f"{split.pairs} pairs, {split.objects} objects, "
            f"{sum(shard.bytes for shard in split.shards):,} bytes"
        )
    if not any(split.pairs for split in manifest.splits.values()):
        print(f"No pair to train on: {_why_no_pairs(manifest)}")
    for skip in manifest.skipped:
        print(f"skipped {skip['image_id']}: {skip['reason']}")
    for note, number in manifest.notes.items():
        print(f"{note}: {number}")
    print(f"Records {manifest.digest[:12]} lie in {values.records_dir}")


def _refuse_photographs(options: BuildOptions, folder: pathlib.Path) -> None:
    """Refuses to write among the photographs."""
    if options.data_dir and folder == pathlib.Path(options.data_dir).resolve():
        raise InputError(
            f"--records_dir={folder} is the folder of the photographs. Give "
            "records a folder of their own."
        )


def _why_no_pairs(manifest: Manifest) -> str:
    if manifest.options["proposals"] == "ground_truth":
        return (
            "--proposals=ground_truth takes labeled boxes, and no photograph "
            "has two. Choose others: --proposals=edge_boxes."
        )
    return "no photograph has two proposals. Lower --min_box_area."


def _finished(
    folder: pathlib.Path, identity: dict, options: BuildOptions
) -> Manifest | None:
    """Returns the manifest of these very records if they are complete.

    Raises:
        InputError: if the folder holds records of something else, or such
            as left out what `options` do not leave out.
    """
    if not (folder / "manifest.json").exists():
        return None
    manifest = read_manifest(folder)
    there = {**manifest.options, "source_digest": manifest.source_digest}
    wanted = {
        **identity["options"],
        "source_digest": identity["source_digest"],
    }
    differences = [
        f"{name} is {there.get(name)!r}, wanted was {wanted.get(name)!r}"
        for name in sorted(wanted | there)
        if there.get(name) != wanted.get(name)
    ]
    if differences:
        raise InputError(
            f"{folder} holds other records: {'; '.join(differences)}. "
            "Choose another --records_dir, or delete this folder; or, to take "
            "a run's records as they are, leave --data_dir empty."
        )
    shards = [
        shard for split in manifest.splits.values() for shard in split.shards
    ]
    for shard in shards:
        path = folder / shard.file
        if not path.is_file() or path.stat().st_size != shard.bytes:
            return None
    _refuse_skipped(manifest, options, folder)
    return manifest


def _manifest(
    source: Source,
    identity: dict,
    tasks: list[ShardTask],
    results: list[ShardResult],
) -> Manifest:
    counts = collections.defaultdict(collections.Counter)
    shards = collections.defaultdict(list)
    notes = collections.Counter()
    noted = collections.defaultdict(list)
    for task, result in zip(tasks, results, strict=True):
        counts[task.split].update(result.counts)
        notes.update(result.notes)
        for note, image_ids in result.noted.items():
            noted[note] += image_ids
        shards[task.split].append(
            Shard(
                task.path.name,
                result.sha256,
                result.bytes,
                result.counts["images"],
            )
        )
    digests = "".join(result.sha256 for result in results)
    return Manifest(
        **identity,
        classes=tuple(source.classes),
        label_leak=PROPOSERS[identity["options"]["proposals"]].label_leak,
        splits={
            split: Split(**counts[split], shards=tuple(shards[split]))
            for split in counts
        },
        skipped=tuple(skip for result in results for skip in result.skipped),
        notes=dict(sorted(notes.items())),
        digest=hashlib.sha256(digests.encode()).hexdigest(),
        noted={
            note: tuple(sorted(image_ids)[:MAX_NOTED])
            for note, image_ids in sorted(noted.items())
        },
    )


def _refuse_nothing(manifest: Manifest, options: BuildOptions) -> None:
    if any(split.images for split in manifest.splits.values()):
        return
    reasons = "; ".join(skip["reason"] for skip in manifest.skipped[:3])
    raise InputError(
        f"None of the {len(manifest.skipped)} photographs in --data_dir="
        f"{options.data_dir} can be used. The first reasons: {reasons}"
    )


def _refuse_skipped(
    manifest: Manifest, options: BuildOptions, folder: pathlib.Path
) -> None:
    """Refuses records that were built before "stop" was asked for."""
    if options.on_bad_image != "stop" or not manifest.skipped:
        return
    first = manifest.skipped[0]
    raise InputError(
        f"The records in {folder} leave out {len(manifest.skipped)} "
        f"photographs, the first is {first['image_id']}: {first['reason']} "
        "Mend or remove what cannot be used and build in another "
        "--records_dir, or take the records as they are with "
        "--on_bad_image=skip."
    )


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "beam": apache_beam.__version__,
        "tensorflow": tf.__version__,
    }


if __name__ == "__main__":
    build_options.define_flags()
    define_path("records_dir", None, "Folder for the records.", required=True)
    flags.adopt_module_key_flags(build_options)
    app.run(main)
