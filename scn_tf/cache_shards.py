"""The folder of one feature cache: its key, its shards, their checksums.

In: rows of some arrays, a shard at a time. Out: the shards that are whole,
and the arrays that they make up together.

    key.json             what the cache belongs to, written first
    features-00000.npy   so many rows of each array per shard
    targets-00000.npy
    shard-00000.json     checksums, written when a shard is finished
"""

import dataclasses
import json
import math
import os
import pathlib
import shutil
import threading
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import google_crc32c
import ml_dtypes
import numpy as np
from absl import logging

from scn_tf.sharded_array import ShardedArray
from tfrecords.files import replacing

CACHE_DTYPES = ("bfloat16", "float16", "float32")
# NumPy reads a file's header with Python's parser, which in Python 3.11 is not
# for several threads at a time ("AST constructor recursion depth mismatch").
_PARSER = threading.Lock()
# What reading a damaged file may raise.
_DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError)


@dataclasses.dataclass(frozen=True)
class CacheShards:
    """Shards of the rows of some arrays.

    Attributes:
        folder: of this cache and nothing else.
        num_rows: N, of every array.
        rows_per_shard: of every shard but the last, which may have fewer.
        row_shapes: by the name of each array.
        dtype: of all of them, one of CACHE_DTYPES.
    """

    folder: pathlib.Path
    num_rows: int
    rows_per_shard: int
    row_shapes: Mapping[str, tuple[int, ...]]
    dtype: str

    def begin(self, description: dict) -> None:
        """Makes the folder and says in it what it belongs to.

        A folder that says anything else is emptied: what it holds belongs to
        something else.
        """
        text = json.dumps(description, indent=1, sort_keys=True)
        path = self.folder / "key.json"
        try:
            if path.read_text() == text:
                return
        except (OSError, UnicodeDecodeError):
            pass
        # What another process is about to write here is hidden as yet.
        if any(name[0] != "." for name in _names(self.folder)):
            logging.warning("%s is no whole cache; it is made anew.", path)
            shutil.rmtree(self.folder)
        with replacing(path) as temporary:
            temporary.write_text(text)

    def ranges(self) -> list[range]:
        """The rows of each shard."""
        step = self.rows_per_shard
        return [
            range(start, min(start + step, self.num_rows))
            for start in range(0, self.num_rows, step)
        ]

    def missing(self, numbers: Sequence[int] | None = None) -> list[int]:
        """Numbers of the shards that are not there or damaged.

        Every byte is read and held against the checksums.

        Args:
            numbers: only of these shards.
        """
        if numbers is None:
            numbers = range(len(self.ranges()))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(self._fault, numbers)
            faults = dict(zip(numbers, results, strict=True))
        for number, fault in faults.items():
            if fault:
                logging.warning(
                    "Shard %d of %s is damaged (%s); it is computed again.",
                    *(number, self.folder, fault),
                )
        return [n for n, fault in faults.items() if fault is not None]

    def write(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes a shard: each array [n, ...] under its name.

        Raises:
            InputError: if the disk is full; what was finished stays.
        """
        checksums = {}
        for name, array in arrays.items():
            stored = _stored(array)
            checksums[name] = _checksum(stored)
            with replacing(self._path(name, number)) as temporary:
                _write(temporary, stored)
        with replacing(self._note(number)) as temporary:
            temporary.write_text(json.dumps(checksums))

    def empty(self, number: int) -> dict[str, np.ndarray]:
        """Arrays to be filled for a shard."""
        length = len(self.ranges()[number])
        return {
            name: np.empty((length, *shape), self.dtype)
            for name, shape in self.row_shapes.items()
        }

    def nbytes(self) -> int:
        """Bytes of all arrays."""
        row = sum(math.prod(shape) for shape in self.row_shapes.values())
        return self.num_rows * row * np.dtype(self.dtype).itemsize

    def open(self) -> dict[str, ShardedArray]:
        """The arrays by name, all shards being there.

        The files are mapped, and read when their rows are asked for.
        """
        arrays = {}
        for name, shape in self.row_shapes.items():
            shards = [
                self._map(name, number) for number in range(len(self.ranges()))
            ]
            if not shards:
                shards = [np.empty((0, *shape), self.dtype)]
            arrays[name] = ShardedArray(shards)
        return arrays

    def _path(self, name: str, number: int) -> pathlib.Path:
        return self.folder / f"{name}-{number:05}.npy"

    def _note(self, number: int) -> pathlib.Path:
        return self.folder / f"shard-{number:05}.json"

    def _map(self, name: str, number: int) -> np.ndarray:
        with _PARSER:
            stored = np.load(self._path(name, number), mmap_mode="r")
        return stored.view(self.dtype)

    def _fault(self, number: int) -> str | None:
        """What is wrong with a shard: None nothing, "" it is not there."""
        note = self._note(number)
        if not note.is_file():
            return ""
        try:
            checksums = json.loads(note.read_text())
            length = len(self.ranges()[number])
            for name, shape in self.row_shapes.items():
                array = self._map(name, number)
                if array.shape != (length, *shape):
                    return f"{name} has the shape {array.shape}"
                if _checksum(_stored(array)) != checksums[name]:
                    return f"the checksum of {name} is wrong"
        except _DAMAGE as error:
            return f"{type(error).__name__}: {error}"
        return None


def _names(folder: pathlib.Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def _stored(array: np.ndarray) -> np.ndarray:
    """The .npy format does not know bfloat16: its bits are stored."""
    is_bfloat16 = array.dtype == ml_dtypes.bfloat16
    return array.view(np.uint16) if is_bfloat16 else array


def _checksum(array: np.ndarray) -> int:
    # It takes only what cannot be written to.
    readable = array.reshape(-1).view(np.uint8)
    readable.flags.writeable = False
    return google_crc32c.value(readable)


def _write(path: pathlib.Path, array: np.ndarray) -> None:
    """Writes .npy; `numpy.save` would not tell a full disk by its number."""
    with open(path, "wb") as file:
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(memoryview(array).cast("B"))
