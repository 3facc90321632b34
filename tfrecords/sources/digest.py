"""What decides a source's content, as one short text."""

import hashlib
import pathlib
from collections.abc import Iterable

from tfrecords.errors import InputError

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
