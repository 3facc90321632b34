"""Several arrays, usually files mapped into memory, read as one.

In: arrays whose rows follow one another. Out: an array-like that gives the
rows that are asked for, and only those, as an ordinary array.
"""

import math
import mmap
from collections.abc import Sequence

import numpy as np


class ShardedArray:
    """The concatenation of `shards` along the first axis.

    Indices are an integer, a slice, or an array of integers of any shape, in
    any order and with repeats, as in NumPy; what comes back is an ordinary
    array (of one shard's rows perhaps a view). `numpy.asarray` reads all.

    Args:
        shards: at least one array [n, ...]; all but the last have equally
            many rows.

    Attributes:
        shape: of the whole.
        dtype: of the whole.

    Raises:
        ValueError: if shards do not fit together.
    """

    def __init__(self, shards: Sequence[np.ndarray]) -> None:
        kinds = {(shard.shape[1:], shard.dtype) for shard in shards}
        lengths = [len(shard) for shard in shards]
        if len(kinds) != 1 or set(lengths[:-1]) - {lengths[0]}:
            raise ValueError(
                "`shards` must be arrays of equal rows, all but the last "
                "equally long. Received: "
                f"{[(shard.shape, str(shard.dtype)) for shard in shards]}."
            )
        self._shards = tuple(shards)
        self._rows_per_shard = max(lengths[0], 1)
        self.shape = (sum(lengths), *shards[0].shape[1:])
        self.dtype = shards[0].dtype

    def __len__(self) -> int:
        """Number of rows."""
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __array__(
        self, dtype: np.dtype | None = None, copy: bool | None = None
    ) -> np.ndarray:
        """Reads all rows into one array."""
        if copy is False:
            raise ValueError("All rows of several shards need a copy.")
        out = np.empty(self.shape, dtype or self.dtype)
        for start, shard in self._starts():
            out[start : start + len(shard)] = shard
        return out

    def __getitem__(self, index: int | slice | np.ndarray) -> np.ndarray:
        """Reads the rows that `index` names."""
        if isinstance(index, slice):
            rows = range(*index.indices(len(self)))
            if rows.step == 1:
                return self._range(rows.start, max(rows.start, rows.stop))
            index = np.arange(rows.start, rows.stop, rows.step)
        index = np.asarray(index)
        if not np.issubdtype(index.dtype, np.integer):
            if index.size:
                raise IndexError(
                    "Rows are named by integers or a slice. Received: an "
                    f"index of {index.dtype}; of a mask take np.flatnonzero."
                )
            index = index.astype(np.int64)
        rows = index.ravel()
        outside = (rows < -len(self)) | (rows >= len(self))
        if outside.any():
            raise IndexError(
                f"Row {rows[outside][0]} is outside of {len(self)} rows."
            )
        taken = self._take(np.where(rows < 0, rows + len(self), rows))
        return taken.reshape(index.shape + self.shape[1:])

    def _starts(self) -> list[tuple[int, np.ndarray]]:
        return [
            (number * self._rows_per_shard, shard)
            for number, shard in enumerate(self._shards)
        ]

    def _range(self, start: int, stop: int) -> np.ndarray:
        parts = [
            shard[max(start - first, 0) : stop - first]
            for first, shard in self._starts()
            if first < stop and start < first + len(shard)
        ]
        if not parts:
            return self._shards[0][:0]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _take(self, rows: np.ndarray) -> np.ndarray:
        """Rows [n], not negative; each shard is visited once, in order."""
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
        shards, first = np.unique(
            rows // self._rows_per_shard, return_index=True
        )
        groups = []
        for number, start, stop in zip(
            shards, first, [*first[1:], len(rows)], strict=False
        ):
            inside = rows[start:stop] - number * self._rows_per_shard
            groups.append((self._shards[number], inside, order[start:stop]))
        for shard, inside, _ in groups:
            _fetch_ahead(shard, inside)
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for shard, inside, places in groups:
            out[places] = shard[inside]
        return out


def _fetch_ahead(shard: np.ndarray, rows: np.ndarray) -> None:
    """Has the disk read rows side by side; copying waits for each in turn.

    Args:
        shard: mapped, or in memory, where nothing needs to be done.
        rows: [n] int64, rising.
    """
    mapping = getattr(shard, "_mmap", None)
    if mapping is None or not hasattr(mmap, "MADV_WILLNEED"):
        return
    row_bytes = shard.nbytes // len(shard)
    start = len(mapping) - shard.nbytes  # behind the file's header
    for row in np.unique(rows).tolist():
        first = start + row * row_bytes
        page = first - first % mmap.PAGESIZE
        mapping.madvise(mmap.MADV_WILLNEED, page, first + row_bytes - page)
