"""What a folder of records holds: counts, digests, skips and options.

In: the results of a build. Out: `manifest.json` beside the shards, and back.
It is written last, so a folder that has one is complete.
"""

import dataclasses
import json
import os
import pathlib

from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.schema import SCHEMA_VERSION

MAX_NOTED = 100  # image ids per note

_NAME = "manifest.json"


@dataclasses.dataclass(frozen=True)
class Shard:
    """One record file: its name, SHA-256, size in bytes, and images."""

    file: str
    sha256: str
    bytes: int
    images: int


@dataclasses.dataclass(frozen=True)
class Split:
    """Counts of one split, and its shards in order."""

    images: int
    proposals: int
    pairs: int
    objects: int
    shards: tuple[Shard, ...]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The contents of `manifest.json`.

    Attributes:
        schema_version: of the records.
        source: name of the source.
        source_digest: digest of what the source read.
        classes: class names; a label is an index into them.
        options: the options that decide the content.
        splits: the splits by name.
        skipped: one dict `image_id`, `split`, `reason` per image left out.
        notes: how often something was changed, dropped or missing.
        versions: of Python and of the libraries that made the records.
        digest: SHA-256 over the shards' digests: the digest of the data.
        label_leak: which labels were used to find the proposals; "" if none
            were.
        noted: of every note the ids of its images, sorted, at most
            `MAX_NOTED` of them.
    """

    schema_version: int
    source: str
    source_digest: str
    classes: tuple[str, ...]
    options: dict
    splits: dict[str, Split]
    skipped: tuple[dict, ...]
    notes: dict[str, int]
    versions: dict[str, str]
    digest: str
    label_leak: str = ""
    noted: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def write_manifest(manifest: Manifest, records_dir: str | os.PathLike) -> None:
    """Writes `manifest.json` into `records_dir`, whole or not at all."""
    text = json.dumps(dataclasses.asdict(manifest), indent=1)
    with replacing(pathlib.Path(records_dir) / _NAME) as path:
        path.write_text(text + "\n", encoding="utf-8")


def read_manifest(records_dir: str | os.PathLike) -> Manifest:
    """Returns the manifest of a finished folder of records.

    Raises:
        InputError: if there is none, if it cannot be read, or if it is of
            another schema version.
    """
    path = pathlib.Path(records_dir) / _NAME
    again = "Build the records again in another --records_dir."
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{path} is not there, so {records_dir} holds no finished "
            "records. Build them (python -m tfrecords.build), or name the "
            "folder that holds them (--records_dir)."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as JSON ({error}). {again}"
        ) from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} is of schema version {version}; {SCHEMA_VERSION} was "
            f"wanted. {again}"
        )
    try:
        return _from_json(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} lacks a part of a manifest ({error}). {again}"
        ) from error


def _from_json(values: dict) -> Manifest:
    splits = {}
    for name, split in values["splits"].items():
        shards = tuple(Shard(**shard) for shard in split["shards"])
        splits[name] = Split(**{**split, "shards": shards})
    return Manifest(
        **{
            **values,
            "classes": tuple(values["classes"]),
            "skipped": tuple(values["skipped"]),
            "splits": splits,
            "noted": {
                note: tuple(image_ids)
                for note, image_ids in values["noted"].items()
            },
        }
    )
