"""What every source of pictures offers to the record builder."""

import pathlib
from typing import Protocol

from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord


class Source(Protocol):
    """Photographs with what is known about them.

    A source is cheap to construct, at any number of photographs: that checks
    that the folder is there and of this kind. It is listed and parsed on the
    first `keys`, `digest`, `classes` or `read` that needs it.

    A source is picklable, and its pickle is small: what was listed or parsed
    stays behind. Every worker process opens its own, once, and calls `read`
    on keys that another one listed. `read` lists and parses no more than it
    must: nothing, where the key tells where the photograph lies.

    Nothing outside of the folder is ever read. What a source's files get
    wrong about one photograph is that photograph's fault alone: it stays in
    `keys`, and `read` refuses it, so that the builder counts it.

    Attributes:
        name: its key in `tfrecords.sources.SOURCES`.
        classes: all class names that its labels can take, sorted; empty if
            it has no labels.
    """

    name: str
    classes: tuple[str, ...]

    @staticmethod
    def is_here(data_dir: pathlib.Path) -> bool:
        """Says by a cheap look whether a folder seems to be of this kind."""

    def digest(self) -> str:
        """Returns a SHA-256 (hex) of what decides the source's content.

        For files: relative names and splits, the sizes of pictures and the
        bytes of labels; not times, so that a copy of a folder has the same
        digest.

        Raises:
            InputError: if the source as a whole cannot be used.
        """

    def keys(self) -> list[ImageKey]:
        """Returns the keys of all photographs, in an order that is fixed.

        Raises:
            InputError: if there is none, or the source as a whole cannot be
                used; names the file and the fault.
        """

    def read(self, key: ImageKey) -> ImageRecord:
        """Returns what is known about one photograph.

        Raises:
            InputError: if this photograph cannot be used, or is none of
                this source; names the file and the fault. Others may be
                fine.
        """
