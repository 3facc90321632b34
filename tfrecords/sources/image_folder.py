"""A folder of pictures in; photographs without boxes or labels out."""

import functools
import pathlib

import numpy as np

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.sources import folder
from tfrecords.sources.digest import content_digest
from tfrecords.sources.splits import filled_splits
from tfrecords.sources.splits import told_splits
from tfrecords.sources.splits import VAL_SHARE


class ImageFolder:
    """All pictures in a folder and the folders in it, by relative path.

    Hidden files and folders are left out, and so are links that lead
    outside of the folder; a warning names those. So are runs and records that
    were written among the pictures. Folders named train, val and test tell
    the splits, see `splits.told_splits`. Where none does, a picture's split
    depends on its relative path alone: adding pictures moves no other one
    between the splits.
    """

    name = "image_folder"
    classes: tuple[str, ...] = ()

    def __init__(
        self, data_dir: str, seed: int = 0, val_share: float = VAL_SHARE
    ):
        """Looks whether the folder is there.

        Args:
            data_dir: the folder.
            seed: unused; folders, or the names, decide the split.
            val_share: share of the pictures that go to "val" where no folder
                tells, in [0, 1].

        Raises:
            InputError: if the folder is missing.
        """
        self._data_dir = folder.existing_folder(
            data_dir, "a folder of pictures"
        )
        self._arguments = str(self._data_dir), seed, val_share
        self._val_share = val_share

    def __reduce__(self):
        """Leaves behind what was listed; a copy opens the folder anew."""
        return type(self), self._arguments

    @staticmethod
    def is_here(data_dir: pathlib.Path) -> bool:
        """Says whether `data_dir` is a folder at all."""
        return data_dir.is_dir()

    def digest(self) -> str:
        """Returns a SHA-256 of splits, relative names and file sizes."""
        return content_digest(
            self.name,
            (
                f"{key.split} {key.image_id} "
                f"{folder.size_inside(self._data_dir, key.image_id)}"
                for key in self.keys()
            ),
        )

    def keys(self) -> list[ImageKey]:
        """Returns all pictures, sorted by relative path.

        Raises:
            InputError: if there is none, or a folder cannot be read.
        """
        splits = filled_splits(
            self._names, told_splits(self._names), self._val_share
        )
        return list(map(ImageKey, splits, self._names))

    def read(self, key: ImageKey) -> ImageRecord:
        """Returns one picture's path, without boxes.

        Raises:
            InputError: if the file is not there, its name is not valid
                UTF-8, or it leads outside of the folder.
        """
        return ImageRecord(
            key=key,
            image=folder.picture_inside(self._data_dir, key.image_id),
            boxes=np.zeros((0, 4), np.float32),
            labels=(),
            difficult=np.zeros(0, bool),
        )

    @functools.cached_property
    def _names(self) -> list[str]:
        names = folder.list_pictures(self._data_dir)
        if not names:
            raise InputError(
                f"No picture in {self._data_dir} or the folders in it. "
                "Looked for names ending in "
                f"{', '.join(folder.PICTURE_SUFFIXES)} (upper or lower case)."
            )
        return names
