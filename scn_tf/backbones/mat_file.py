"""Reads MATLAB files of version 5 to 7: cells, structs, texts and numbers.

In: a `.mat` file and the names of the variables wanted. Out: their values as
lists, dicts, str and arrays, or an InputError that says what is wrong. The
layout is that of MathWorks' "MAT-File Format"; a variable may be compressed.

Not scipy.io.loadmat: one changed byte in a weights file made scipy 1.17 end
the process, and so did a small file of cells within cells. Here an element
ends where it says, within what it lies in, and not too deep.
"""

import io
import math
import os
import pathlib
import struct
import zlib
from collections.abc import Collection
from typing import BinaryIO

import numpy as np

from tfrecords.errors import InputError

_DEEPEST = 16  # A network's layers{i}.weights{j} takes four.
_LONGEST_NAMES = 1 << 20
_PIECE = 1 << 18
_HEADER = 128
# Types of elements, and classes of the arrays made of them.
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _OPAQUE = 1, 2, 4, 17
_NUMBER_CLASSES = range(6, 16)
_REFUSED = {3: "an object", 5: "a sparse matrix", 16: "a function"}
_COMPLEX = 0x800
_NUMBERS = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4"},
    **{9: "f8", 12: "i8", 13: "u8"},
}
_TEXTS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8"}
_TEXTS |= {17: "utf-16", 18: "utf-32"}

Value = dict[str, "Value"] | list["Value"] | str | np.ndarray


class _NotPlainError(ValueError):
    """What is in the file is neither data nor made of data."""


def read_variables(
    path: pathlib.Path, wanted: Collection[str]
) -> dict[str, Value | None]:
    """Reads some variables of a file.

    Args:
        path: the file.
        wanted: names of variables; those that are not there are left out.

    Returns:
        Name of each variable in the file -> its value, None if not wanted.
        A cell array is a list and a struct a dict; an array of structs is a
        list of dicts, both in MATLAB's order; numbers keep the type in which
        they are stored.

    Raises:
        InputError: not such a file, cut short, of another version, or with
            something besides cells, structs, texts and real numbers.
    """
    try:
        with open(path, "rb") as file:
            order = _byte_order(file.read(_HEADER), path)
            return _read(file, order, wanted)
    except _NotPlainError as error:
        raise InputError(
            f"{path} holds {error}; only cells, structs, texts and real "
            "numbers are read. Save it without that in MATLAB, for instance: "
            "net.meta = struct('normalization', net.meta.normalization); "
            "save('new.mat', '-struct', 'net', '-v7')."
        ) from error
    except (
        *(OSError, EOFError, ValueError, MemoryError),
        *(struct.error, zlib.error),
    ) as error:
        raise InputError(
            f"The weights file {path} cannot be read as a MATLAB file: "
            f"{error or type(error).__name__}. It may have been cut short: "
            "fetch or save it again."
        ) from error


def _byte_order(header: bytes, path: pathlib.Path) -> str:
    """Returns the file's byte order as `struct` writes it."""
    order = {b"IM": "<", b"MI": ">"}.get(header[126:])
    version = struct.unpack(f"{order}H", header[124:126])[0] if order else 0
    if version == 0x0200:
        raise InputError(
            f"{path} is a MATLAB file of version 7.3, which is not read here. "
            "Save it once more in MATLAB: net = load('old.mat'); "
            "save('new.mat', '-struct', 'net', '-v7')."
        )
    if version != 0x0100:
        raise InputError(
            f"{path} is no MATLAB file of version 5 to 7: its first "
            f"{_HEADER} bytes are of something else. Fetch it again."
        )
    return order


def _read(
    file: BinaryIO, order: str, wanted: Collection[str]
) -> dict[str, Value | None]:
    """Goes from variable to variable."""
    values = {}
    size = os.fstat(file.fileno()).st_size
    while file.tell() < size:
        elements = _Elements(file, order)
        kind, count, _ = elements.tag()
        end = file.tell() + count
        if end > size:
            raise EOFError(f"{end - size} bytes are missing at its end")
        if kind == _COMPRESSED:
            inflating = io.BufferedReader(_Inflating(file, count), _PIECE)
            elements = _Elements(inflating, order)
            kind, count, _ = elements.tag()
        if kind != _MATRIX:
            raise ValueError(f"a variable has the type {kind}")
        name, value = elements.variable(count, wanted)
        values[name] = value
        file.seek(end)
    return values


class _Inflating(io.RawIOBase):
    """What `count` bytes of a file are once decompressed."""

    def __init__(self, file: BinaryIO, count: int) -> None:
        self._file = file
        self._count = count
        self._inflater = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail
            if not packed:
                packed = self._file.read(min(self._count, _PIECE))
                self._count -= len(packed)
            data = self._inflater.decompress(packed, len(buffer))
            if data or not packed:
                buffer[: len(data)] = data
                return len(data)
        return 0


class _Elements:
    """The elements of a stream, one after the other."""

    def __init__(self, stream: BinaryIO, order: str) -> None:
        self._stream = stream
        self._order = order
        self._position = 0

    def tag(self) -> tuple[int, int, bytes | None]:
        """Returns type, length and, where it stands in the tag, the data."""
        tag = bytes(self._bytes(8))
        kind, count = struct.unpack(f"{self._order}II", tag)
        if kind >> 16:
            if kind >> 16 > 4:
                raise ValueError("an element is longer than its place")
            return kind & 0xFFFF, kind >> 16, tag[4 : 4 + (kind >> 16)]
        return kind, count, None

    def variable(
        self, count: int, wanted: Collection[str]
    ) -> tuple[str, Value | None]:
        """Returns name and, if it is wanted, value of a variable."""
        end = self._position + count
        flags, sizes, name = self._header(end)
        if name not in wanted:
            return name, None
        return name, self._value(flags, sizes, end, depth=1)

    def _header(self, end: int) -> tuple[int, tuple[int, ...], str]:
        """Returns flags, sizes and name of an array."""
        _, flags = self._data(end)
        if len(flags) != 8:
            raise ValueError("an array has no flags")
        (flags,) = self._integers(flags[:4])
        if flags & 0xFF == _OPAQUE:  # What follows is laid out otherwise.
            return flags, (), ""
        sizes = self._integers(self._data(end, 4 * 64)[1])
        name = self._data(end, _LONGEST_NAMES)[1]
        return flags, sizes, name.decode("latin1")

    def _value(
        self, flags: int, sizes: tuple[int, ...], end: int, depth: int
    ) -> Value:
        """Returns what stands between an array's name and its end."""
        kind = flags & 0xFF
        if kind in (_CELL, _STRUCT):
            value = self._items(kind, sizes, end, depth)
        elif kind == _CHAR:
            stored, data = self._data(end)
            if stored not in _TEXTS:
                raise ValueError(f"a text has the type {stored}")
            coding = _TEXTS[stored]
            if coding in ("utf-16", "utf-32"):
                coding += "-le" if self._order == "<" else "-be"
            value = data.decode(coding, errors="replace")
        elif kind in _NUMBER_CLASSES:
            if flags & _COMPLEX:
                raise _NotPlainError("complex numbers")
            stored, data = self._data(end)
            if stored not in _NUMBERS:
                raise ValueError(f"numbers have the type {stored}")
            numbers = np.frombuffer(data, self._order + _NUMBERS[stored])
            value = numbers.reshape(sizes, order="F")
        else:
            raise _NotPlainError(_REFUSED.get(kind, f"an object ({kind})"))
        if self._position != end:
            raise ValueError("an array does not end where it should")
        return value

    def _items(
        self, kind: int, sizes: tuple[int, ...], end: int, depth: int
    ) -> list[Value] | dict[str, Value]:
        """Returns the items of a cell array, or of an array of structs."""
        count = math.prod(sizes)
        names = None
        if kind == _STRUCT:
            (length,) = self._integers(self._data(end, 4)[1]) or (0,)
            names = self._data(end, _LONGEST_NAMES)[1]
            if length < 1:
                raise ValueError("a struct has names without length")
            names = [
                names[i : i + length].split(b"\0")[0].decode("latin1")
                for i in range(0, len(names) - length + 1, length)
            ]
        items = []
        while self._position < end:
            items.append(self._array(end, depth + 1))
        if len(items) != count * (1 if names is None else len(names)):
            raise ValueError("an array has more or fewer items than places")
        if names is None:
            return items
        if not names:  # Its structs take no room: they may be any number.
            return {}
        rows = zip(*[iter(items)] * len(names), strict=True)
        structs = [dict(zip(names, row, strict=True)) for row in rows]
        return structs[0] if len(structs) == 1 else structs

    def _array(self, parents_end: int, depth: int) -> Value:
        """Returns an array that lies in another one."""
        kind, count, data = self.tag()
        end = self._position + count
        if kind != _MATRIX or data is not None or end > parents_end:
            raise ValueError(f"an element of the type {kind} is no array")
        if not count:  # MATLAB writes an empty array without a header.
            return np.zeros((0, 0))
        if depth > _DEEPEST:
            raise ValueError(
                f"cells or structs lie more than {_DEEPEST} deep in each other"
            )
        flags, sizes, _ = self._header(end)
        return self._value(flags, sizes, end, depth)

    def _integers(self, data: bytes) -> tuple[int, ...]:
        """Returns numbers that are lengths."""
        numbers = struct.unpack(f"{self._order}{len(data) // 4}i", data)
        if min(numbers, default=0) < 0:
            raise ValueError(f"{min(numbers)} stands for a length")
        return numbers

    def _data(self, end: int, most: int | None = None) -> tuple[int, bytes]:
        """Returns type and bytes of an element that ends before `end`."""
        kind, count, data = self.tag()
        if data is not None:
            return kind, data
        if self._position + count > end or (most and count > most):
            raise ValueError(f"an element of {count} bytes is too long")
        data = self._bytes(count)
        self._bytes(-count % 8)
        return kind, data

    def _bytes(self, count: int) -> bytearray:
        """Reads in pieces: room is taken for what is there, not announced."""
        data = bytearray()
        while len(data) < count:
            piece = self._stream.read(min(count - len(data), _PIECE))
            if not piece:
                raise EOFError("it ends in the middle of an element")
            data += piece
        self._position += count
        return data
