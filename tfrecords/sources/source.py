"""What every source of pictures offers to the record builder."""

from typing import Protocol

from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord


class Source(Protocol):
    """Photographs with what is known about them.

    A source is cheap to construct and picklable: worker processes get their
    own copy. Constructing it checks that there is something to read.

    Attributes:
        name: its key in `tfrecords.sources.SOURCES`.
        classes: all class names that its labels can take, sorted; empty if
            it has no labels.
    """

    name: str
    classes: tuple[str, ...]

    def digest(self) -> str:
        """Returns a SHA-256 (hex) of what decides the source's content.

        For files: relative names and sizes, not times, so that a copy of a
        folder has the same digest.
        """

    def keys(self) -> list[ImageKey]:
        """Returns the keys of all photographs, in an order that is fixed."""

    def read(self, key: ImageKey) -> ImageRecord:
        """Returns what is known about one photograph.

        Raises:
            InputError: if this photograph cannot be used; names the file
                and the fault. Others may be fine.
        """
