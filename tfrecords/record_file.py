"""The TFRecord format: a file of records, each in a frame with checksums.

In: a path. Out: the records one by one with their places, and faults where
something is damaged; one record by its place. TensorFlow's own reader stops
at the first damaged record. This one names it and finds the next whole frame,
so that a damaged record costs that record.

A frame is 8 bytes of length, their checksum, the record, its checksum
(https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format
details"); a checksum is CRC-32C, masked, 4 bytes; all little-endian.
"""

import dataclasses
import functools
import os
import struct
from collections.abc import Iterator

import google_crc32c
import numpy as np

from tfrecords.errors import InputError

_LENGTH_BYTES = 8
_CHECKSUM_BYTES = 4
_HEADER_BYTES = _LENGTH_BYTES + _CHECKSUM_BYTES
FRAME_BYTES = _HEADER_BYTES + _CHECKSUM_BYTES
_SEARCH_BYTES = 1 << 20
# A process may open 1024 files by default; some are the libraries'.
_OPEN_FILES = 256


@dataclasses.dataclass(frozen=True)
class FramedRecord:
    """One record of a file, or what is wrong at its place.

    Attributes:
        index: its number in the file; damaged records count.
        offset: byte at which its frame begins.
        content: the record, or b"" if it is damaged.
        fault: what is wrong; "" if nothing is.
    """

    index: int
    offset: int
    content: bytes
    fault: str


def read_records(path: str | os.PathLike) -> Iterator[FramedRecord]:
    """Yields the records of a file in order, damaged ones too.

    After damage, where the next record begins is searched for; what lies
    between counts as one record.

    Raises:
        InputError: if the file cannot be opened or read.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            index = offset = 0
            while offset < size:
                record, offset = _next(file, index, offset, size)
                yield record
                index += 1
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror})."
        ) from error


def read_record(path: str, offset: int) -> bytes:
    """Returns the record whose frame begins at byte `offset` of a file.

    Files stay open for the next call; threads may call at the same time.

    Raises:
        InputError: if the file is gone, or damaged at that place.
    """
    try:
        status = os.stat(path)
        file = _opened(path, status.st_ino, status.st_mtime_ns)
        header = os.pread(file.descriptor, _HEADER_BYTES, offset)
        fault = _header_fault(header)
        if not fault:
            length = int.from_bytes(header[:_LENGTH_BYTES], "little")
            # A length that leads past the file's end could fill the memory.
            there = max(status.st_size - offset - _HEADER_BYTES, 0)
            rest = os.pread(
                file.descriptor,
                min(length + _CHECKSUM_BYTES, there),
                offset + _HEADER_BYTES,
            )
            content = rest[:length]
            fault = _content_fault(content, rest[length:], length)
    except OSError as error:
        fault = error.strerror
    if fault:
        raise InputError(
            f"{path} is damaged at byte {offset}: {fault}. python -m "
            "tfrecords.validate says what else is; build the records again, "
            "or leave damaged ones out with --on_bad_record=skip."
        )
    return content


def frame(content: bytes) -> bytes:
    """Returns a record in its frame, ready to be written."""
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


def _next(file, index: int, offset: int, size: int):
    """Returns the record at `offset`, and where the next one begins."""
    file.seek(offset)
    header = file.read(_HEADER_BYTES)
    fault = _header_fault(header)
    if fault:
        return FramedRecord(index, offset, b"", fault), _search(
            file, offset + 1, size
        )
    length = int.from_bytes(header[:_LENGTH_BYTES], "little")
    if offset + FRAME_BYTES + length > size:
        fault = f"the file ends within it, {length:,} bytes were promised"
        return FramedRecord(index, offset, b"", fault), _search(
            file, offset + _HEADER_BYTES, size
        )
    content = file.read(length)
    fault = _content_fault(content, file.read(_CHECKSUM_BYTES), length)
    end = offset + FRAME_BYTES + length
    if fault:
        # Where bytes are missing, the next record begins before that end.
        end = min(end, _search(file, offset + _HEADER_BYTES, end))
        content = b""
    return FramedRecord(index, offset, content, fault), end


def _header_fault(header: bytes) -> str:
    if len(header) < _HEADER_BYTES:
        return "the file ends within its header"
    if _checksum(header[:_LENGTH_BYTES]) != header[_LENGTH_BYTES:]:
        return "the checksum of its length is wrong"
    return ""


def _content_fault(content: bytes, checksum: bytes, length: int) -> str:
    if len(content) < length or len(checksum) < _CHECKSUM_BYTES:
        return "the file ends within it"
    if _checksum(content) != checksum:
        return "its checksum is wrong"
    return ""


def _search(file, start: int, size: int) -> int:
    """Returns where the next whole header begins, or the file's end."""
    while start + FRAME_BYTES <= size:
        file.seek(start)
        block = file.read(_SEARCH_BYTES + _HEADER_BYTES)
        places = _headers(np.frombuffer(block, np.uint8))
        if len(places):
            return start + int(places[0])
        start += max(len(block) - _HEADER_BYTES + 1, 1)
    return size


def _headers(block: np.ndarray) -> np.ndarray:
    """Returns where in a block of bytes [B] a header can begin."""
    number = len(block) - _HEADER_BYTES + 1
    table = _checksum_table()
    checksum = np.full(number, 0xFFFFFFFF, np.uint32)
    for place in range(_LENGTH_BYTES):
        byte = (checksum ^ block[place : place + number]) & 0xFF
        checksum = table[byte] ^ (checksum >> 8)
    checksum = ~checksum
    checksum = (checksum >> 15 | checksum << 17) + np.uint32(0xA282EAD8)
    stated = np.zeros(number, np.uint32)
    for place in range(_CHECKSUM_BYTES):
        start = _LENGTH_BYTES + place
        byte = block[start : start + number].astype(np.uint32)
        stated |= byte << (8 * place)
    return np.flatnonzero(checksum == stated)


@functools.cache
def _checksum_table() -> np.ndarray:
    """Returns CRC-32C of all bytes, [256], to compute many at a time."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ 0x82F63B78, table >> 1)
    return table.astype(np.uint32)


def _checksum(content: bytes) -> bytes:
    plain = google_crc32c.value(content)
    rotated = (plain >> 15 | plain << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


class _OpenFile:
    """A file open for reading, as long as anyone holds on to it."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


@functools.lru_cache(_OPEN_FILES)
def _opened(path: str, *version: int) -> _OpenFile:
    """Opens a file once as long as it is not replaced."""
    return _OpenFile(path)
