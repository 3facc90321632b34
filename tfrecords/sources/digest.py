"""What decides a source's content, as one short text.

Pictures count by their sizes: there may be a terabyte of them. Labels count
by their bytes, since a corrected number is often as long as the wrong one.
"""

import hashlib
import pathlib
from collections.abc import Iterable

from tfrecords.errors import InputError
from tfrecords.sources.folder import path_inside
from tfrecords.sources.source_file import file_size
from tfrecords.sources.source_file import read_file

_BLOCK_BYTES = 1 << 20


def content_digest(
    name: str, lines: Iterable[str], paths: Iterable[pathlib.Path] = ()
) -> str:
    """Returns the SHA-256 (hex) of a source's name, lines and whole files.

    Raises:
        InputError: if one of the files cannot be read.
    """
    digest = hashlib.sha256(name.encode())
    for line in lines:
        digest.update(f"\n{line}".encode(errors="surrogatepass"))
    for path in paths:
        try:
            with open(path, "rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror})."
            ) from error
    return digest.hexdigest()


def label_digest(data_dir: pathlib.Path, name: str, most_bytes: int) -> str:
    """Returns what stands for a file of labels in a source's digest.

    Args:
        data_dir: the source's folder.
        name: of the file, relative to it.
        most_bytes: how large a file the source reads.

    Returns:
        The SHA-256 (hex) of its bytes, or what cannot be that: its size
        where it is too large, "-1" where it may or can not be read.
    """
    try:
        path = path_inside(data_dir, name)
        size = file_size(path)
        if not 0 <= size <= most_bytes:
            return str(size)
        content = read_file(path, "file of labels", most_bytes)
    except InputError:
        return "-1"
    return hashlib.sha256(content).hexdigest()
