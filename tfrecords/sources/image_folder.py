"""A folder of pictures in; photographs without boxes or labels out."""

import hashlib
import os
import pathlib

import numpy as np
from absl import logging

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_NAMED_LINKS = 10  # in a warning


class ImageFolder:
    """All pictures in a folder and the folders in it, by relative path.

    Hidden files and folders are left out, and so are links that lead
    outside of the folder; a warning names those. A picture's split depends
    on its relative path alone: adding pictures moves no other one between
    the splits.
    """

    name = "image_folder"
    classes: tuple[str, ...] = ()

    def __init__(self, data_dir: str, seed: int = 0, val_share: float = 0.1):
        """Lists the pictures.

        Args:
            data_dir: the folder.
            seed: unused; the names decide the split.
            val_share: share of the pictures that go to "val", in [0, 1].

        Raises:
            InputError: if the folder is missing or holds no picture.
        """
        self._data_dir = pathlib.Path(data_dir).absolute()
        if not self._data_dir.is_dir():
            raise InputError(
                f"The picture folder {data_dir} does not exist. Correct "
                "--data_dir."
            )
        paths, links = _picture_paths(self._data_dir)
        if links:
            more = ", ..." if len(links) > _NAMED_LINKS else ""
            logging.warning(
                "%d links lead outside of %s and are left out: %s%s. Copy "
                "what they lead to into the folder if it is wanted.",
                len(links),
                data_dir,
                ", ".join(map(repr, links[:_NAMED_LINKS])),
                more,
            )
        self._keys = [
            ImageKey("val" if _place(path) < val_share else "train", path)
            for path in paths
        ]
        if not self._keys:
            raise InputError(
                f"No picture in {data_dir} or the folders in it. Looked for "
                f"names ending in {', '.join(_SUFFIXES)} (upper or lower "
                "case)."
            )

    def digest(self) -> str:
        """Returns a SHA-256 of splits, relative names and file sizes."""
        digest = hashlib.sha256(self.name.encode())
        for key in self._keys:
            try:
                size = os.stat(self._data_dir / key.image_id).st_size
            except OSError:
                size = -1  # A link into nowhere, or deleted since.
            line = f"\n{key.split} {key.image_id} {size}"
            digest.update(os.fsencode(line))
        return digest.hexdigest()

    def keys(self) -> list[ImageKey]:
        """Returns all pictures, sorted by relative path."""
        return list(self._keys)

    def read(self, key: ImageKey) -> ImageRecord:
        """Returns one picture's path, without boxes.

        Raises:
            InputError: if the file is gone or its name is not valid UTF-8.
        """
        path = self._data_dir / key.image_id
        if not path.is_file():
            raise InputError(f"The picture is missing: {path}.")
        try:
            key.image_id.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"The file name {key.image_id!r} is not valid UTF-8. "
                "Rename the file."
            ) from error
        return ImageRecord(
            key=key,
            image=path,
            boxes=np.zeros((0, 4), np.float32),
            labels=(),
            difficult=np.zeros(0, bool),
        )


def _picture_paths(data_dir: pathlib.Path) -> tuple[list[str], list[str]]:
    """Returns relative paths, with "/" on every system, sorted.

    Returns:
        The pictures, and the links that lead outside.
    """
    found, links = [], []
    for folder, subfolders, files in os.walk(data_dir):
        subfolders[:] = [name for name in subfolders if name[0] != "."]
        for name in files:
            path = pathlib.Path(folder, name)
            if name[0] != "." and path.suffix.lower() in _SUFFIXES:
                outside = _leads_outside(path, data_dir)
                (links if outside else found).append(path)
        for name in subfolders:
            path = pathlib.Path(folder, name)
            if _leads_outside(path, data_dir):
                links.append(path)
    return _relative(found, data_dir), _relative(links, data_dir)


def _relative(paths: list[pathlib.Path], data_dir: pathlib.Path) -> list[str]:
    return sorted(path.relative_to(data_dir).as_posix() for path in paths)


def _leads_outside(path: pathlib.Path, data_dir: pathlib.Path) -> bool:
    if not path.is_symlink():
        return False
    end = pathlib.Path(os.path.realpath(path))
    return not end.is_relative_to(os.path.realpath(data_dir))


def _place(path: str) -> float:
    """Returns a number in [0, 1) that a relative path always has."""
    digest = hashlib.sha256(os.fsencode(path)).digest()
    return int.from_bytes(digest[:4], "big") / 2**32
