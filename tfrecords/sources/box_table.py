"""Boxes of millions of photographs in flat arrays, found by name.

What a file of annotations says stays in memory while photographs are read,
in each process. So nothing is kept as one Python object per photograph or
box: a box takes 33 bytes, a photograph its name and 32.
"""

import array
import functools
from collections.abc import Sequence

import numpy as np

# Far outside of any picture that is accepted; larger numbers are a fault.
MOST_PIXELS = 10**6


class Names:
    """Texts by number, and back; all are appended before any is looked for."""

    def __init__(self):
        self._block = bytearray()
        self._ends = array.array("q", [0])
        # Python's own hash: its 64 bits are compared within a process only.
        self._hashes = array.array("q")

    def append(self, name: str) -> None:
        """Adds a text; it may be there already."""
        self._block += name.encode(errors="surrogatepass")
        self._ends.append(len(self._block))
        self._hashes.append(hash(name))

    def __len__(self) -> int:
        """Returns the number of texts."""
        return len(self._hashes)

    def __getitem__(self, index: int) -> str:
        """Returns the text with the number `index`."""
        part = self._block[self._ends[index] : self._ends[index + 1]]
        return part.decode(errors="surrogatepass")

    def find(self, name: str) -> int:
        """Returns the first number of a text, -1 where there is none."""
        hashes, order = self._sorted
        place = np.searchsorted(hashes, hash(name))
        while place < len(hashes) and hashes[place] == hash(name):
            if self[order[place]] == name:
                return int(order[place])
            place += 1
        return -1

    def firsts(self) -> np.ndarray:
        """Returns for each text the first number of its like, [N] int64."""
        hashes, order = self._sorted
        firsts = np.arange(len(self))
        for place in np.flatnonzero(hashes[1:] == hashes[:-1]) + 1:
            # Other texts with this hash may lie between; hardly ever do.
            before = place - 1
            while before >= 0 and hashes[before] == hashes[place]:
                if self[order[before]] == self[order[place]]:
                    firsts[order[place]] = firsts[order[before]]
                    break
                before -= 1
        return firsts

    @functools.cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """The hashes in ascending order, and the number of each."""
        hashes = np.array(self._hashes, np.int64)
        order = np.argsort(hashes, kind="stable")
        return hashes[order], order


class BoxTable:
    """Boxes with their owners; all are appended before any is looked for."""

    def __init__(self):
        self._owners = array.array("q")
        self._numbers = array.array("f")
        self._labels = array.array("q")
        self._difficult = array.array("b")

    def append(
        self,
        owner: int,
        numbers: Sequence[float],
        label: int,
        is_difficult: bool,
    ) -> None:
        """Adds a box.

        Args:
            owner: whose it is, any 64-bit number.
            numbers: 4 numbers that single precision can hold, in the file's
                own convention.
            label: any 64-bit number.
            is_difficult: VOC's flag.
        """
        self._owners.append(owner)
        self._numbers.extend(numbers)
        self._labels.append(label)
        self._difficult.append(is_difficult)

    @property
    def owners(self) -> np.ndarray:
        """The owner of each box, [B] int64, as appended or assigned."""
        return np.array(self._owners, np.int64)

    @property
    def labels(self) -> np.ndarray:
        """The label of each box, [B] int64."""
        return np.array(self._labels, np.int64)

    def assign(self, owners: np.ndarray) -> None:
        """Gives the boxes other owners, [B] int64, in their order."""
        self._owners = array.array("q", np.asarray(owners, np.int64).tobytes())

    def of(self, owner: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns one owner's boxes in the order in which they came.

        Returns:
            Numbers [G, 4] float32, labels [G] int64, difficult [G] bool.
        """
        owners, numbers, labels, difficult = self._sorted
        part = slice(*np.searchsorted(owners, [owner, owner + 1]))
        return numbers[part], labels[part], difficult[part]

    @functools.cached_property
    def _sorted(self) -> tuple[np.ndarray, ...]:
        """All columns by owner; they take the place of the growing ones."""
        order = np.argsort(self.owners, kind="stable")
        columns = (
            self.owners[order],
            np.array(self._numbers, np.float32).reshape(-1, 4)[order],
            self.labels[order],
            np.array(self._difficult, bool)[order],
        )
        self._owners, self._numbers, self._labels, self._difficult = columns
        return columns
