"""Features in a file: .npy with a .json beside it, .csv or .parquet.

In: the names of pictures, what else is known of them, their features. Out: a
file under its final name, whole or not at all; of .npy and .json, back. No
file holds pickled objects.
"""

import csv
import dataclasses
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Iterable
from types import ModuleType

import numpy as np

from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.sources.source_file import file_size
from tfrecords.sources.source_file import is_missing

_FLOAT32 = "%.9g"  # nine digits tell any two of them apart
_ROWS_AT_ONCE = 4096
_DIGEST = "features_sha256"  # by it a .json is known as ours
_HEAD_BYTES = 1 << 20  # of a .json, to see whose it is
# Of a larger one: one space before it, so it is no part of anything else.
_DIGEST_LINE = re.compile(rb'^ "features_sha256": "[0-9a-f]{64}",$', re.M)


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features with what they belong to.

    Attributes:
        names: N image ids.
        columns: N texts per name of a column.
        features: [N, D] float32.
        about: what they were made with, ready for JSON; "key" is that of
            `feature_parts`.
    """

    names: list[str]
    columns: dict[str, list[str]]
    features: np.ndarray
    about: dict


def check_output(path: str | os.PathLike) -> None:
    """Refuses what cannot be written, before anything is computed.

    Raises:
        InputError: if the suffix is unknown, there is a folder of that name,
            its folder cannot be written, the package for it is missing, or
            what would be written beside it would replace a file of others.
    """
    path = pathlib.Path(path)
    if path.suffix not in _WRITERS:
        raise InputError(
            f"--output={path} ends in {path.suffix or 'no suffix'!r}; wanted: "
            f"{', '.join(_WRITERS)}. Name such a file."
        )
    if path.is_dir():
        raise InputError(
            f"--output={path} is a folder; wanted: a file. Name one in it."
        )
    if path.suffix == ".parquet":
        _pyarrow()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(path.parent, os.W_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        raise InputError(
            f"--output={path} cannot be written: {path.parent} is no folder "
            "that you may write into. Name a file elsewhere."
        )
    beside = path.with_suffix(".json")
    if path.suffix == ".npy" and not (is_missing(beside) or _is_ours(beside)):
        raise InputError(
            f"--output={path} has {beside.name} written beside it, and there "
            f"is a {beside} that scn_tf.embed did not write, or that is "
            "damaged. Move it away, or name another .npy file."
        )


def write_features(table: FeatureTable, path: str | os.PathLike) -> None:
    """Writes a file in the format that its suffix says.

    Raises:
        InputError: as `check_output`, or if the disk is full.
    """
    check_output(path)
    path = pathlib.Path(path)
    _WRITERS[path.suffix](table, path)


def read_features(path: str | os.PathLike) -> FeatureTable:
    """Returns what `write_features` wrote as .npy.

    Raises:
        InputError: if it is not there, or not whole.
    """
    path = pathlib.Path(path)
    again = (
        "Make it with python -m scn_tf.embed --module=DIR --images=DIR "
        f"--output={path.with_suffix('.npy')}"
    )
    if path.suffix != ".npy":
        raise InputError(f"{path} is no .npy file of features. {again}")
    try:
        features = np.load(path, allow_pickle=False)
        text = path.with_suffix(".json").read_text(encoding="utf-8")
        about = json.loads(text)
        names, columns = about.pop("names"), about.pop("columns")
        digest = about.pop(_DIGEST)
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
    ) as error:
        raise InputError(
            f"{path}, with the .json beside it, cannot be read as features: "
            f"{error}. {again}"
        ) from error
    if digest != _digest(features) or len(names) != len(features):
        raise InputError(
            f"{path} and the .json beside it do not belong together. {again}"
        )
    return FeatureTable(names, columns, features, about)


def _is_ours(path: pathlib.Path) -> bool:
    """Says whether `write_features` wrote a .json; reads little of it."""
    size = file_size(path)
    if size < 0:  # A folder or a pipe would be replaced too.
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
            file.seek(max(size - 2, 0))
            end = file.read(2)
        if size > _HEAD_BYTES:
            return end == b"}\n" and bool(_DIGEST_LINE.search(head))
        content = json.loads(head)
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and _DIGEST in content


def _write_npy(table: FeatureTable, path: pathlib.Path) -> None:
    features = np.ascontiguousarray(table.features, np.float32)
    content = {
        # At the beginning, where `_is_ours` looks for it.
        _DIGEST: _digest(features),
        **table.about,
        "names": table.names,
        "columns": table.columns,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, features, allow_pickle=False)
        with replacing(path.with_suffix(".json")) as beside:
            # A name's odd bytes become escapes, which JSON has as well.
            beside.write_text(text, "utf-8", errors="backslashreplace")


def _write_csv(table: FeatureTable, path: pathlib.Path) -> None:
    num_features = table.features.shape[1]
    header = ["image_id", *table.columns]
    header += [f"feature_{i}" for i in range(num_features)]
    columns = [column for _, column in _text_columns(table)]
    # What is no end of a line is not quoted.
    odd = any("\r" in text for column in columns for text in column)
    with (
        replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\r\n" if odd else "\n")
        writer.writerow(header)
        for *row, numbers in zip(*columns, table.features, strict=True):
            writer.writerow([*row, *(_FLOAT32 % n for n in numbers.tolist())])


def _write_parquet(table: FeatureTable, path: pathlib.Path) -> None:
    pyarrow = _pyarrow()
    import pyarrow.parquet as parquet

    num_features = table.features.shape[1]
    columns = {
        name: pyarrow.array(values, pyarrow.string())
        for name, values in _text_columns(table)
    }
    columns["features"] = pyarrow.FixedSizeListArray.from_arrays(
        pyarrow.array(table.features.ravel()), num_features
    )
    about = {"scn_tf": json.dumps(table.about)}
    with replacing(path) as temporary:
        parquet.write_table(
            pyarrow.table(columns, metadata=about),
            temporary,
            row_group_size=_ROWS_AT_ONCE,
        )


_WRITERS = {
    ".npy": _write_npy,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}


def _text_columns(table: FeatureTable) -> Iterable[tuple[str, list[str]]]:
    return {"image_id": table.names, **table.columns}.items()


def _pyarrow() -> ModuleType:
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise InputError(
            "A .parquet file needs the package pyarrow, which is not "
            'installed: python -m pip install -e ".[parquet]" (or pip '
            "install pyarrow), or name a .npy or .csv file."
        ) from error
    return pyarrow


def _digest(features: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).data).hexdigest()
