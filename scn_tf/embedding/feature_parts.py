"""Features on their way: what an interrupted run has finished.

In: features of some pictures. Out: `.NAME.parts/KEY/*.npz`, and back. KEY is
made of the module and of the pictures, so that another module, or other
pictures, never take these for theirs.
"""

import dataclasses
import hashlib
import json
import pathlib
import shutil
import zipfile

import numpy as np

from tfrecords.files import replacing

_VERSION = 1
_KEY_LENGTH = 32


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """The features of some pictures.

    Attributes:
        rows: [n] int64 indices of the pictures, rising.
        features: [n, D] float32.
        bad_rows: [m] int64 indices of pictures without features.
        reasons: [m] why, texts.
    """

    rows: np.ndarray
    features: np.ndarray
    bad_rows: np.ndarray
    reasons: np.ndarray


def features_key(module: str, image_size: int, pictures: str) -> str:
    """Returns the name of the features that a module gives of pictures.

    Args:
        module: digest of the module.
        image_size: of the pictures that it is given.
        pictures: digest of the pictures.
    """
    content = json.dumps([_VERSION, module, image_size, pictures])
    return hashlib.sha256(content.encode()).hexdigest()[:_KEY_LENGTH]


class FeatureParts:
    """The finished parts of one embedding.

    Args:
        folder: such as `.features.npy.parts`; made at the first write.
        key: what `features_key` returns.
    """

    def __init__(self, folder: pathlib.Path, key: str) -> None:
        self.key = key
        self._parts_dir = folder
        self._folder = folder / key

    def read(self, pictures: range, num_features: int) -> Part | None:
        """Returns the part of these pictures; None if it is not there whole."""
        try:
            with (
                open(self._path(pictures), "rb") as file,
                np.load(file, allow_pickle=False) as arrays,
            ):
                part = Part(**{name: arrays[name] for name in arrays.files})
        except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile):
            return None
        rows = np.concatenate([part.rows, part.bad_rows])
        is_whole = (
            part.features.shape == (len(part.rows), num_features)
            and len(part.reasons) == len(part.bad_rows)
            and np.array_equal(np.sort(rows), pictures)
        )
        return part if is_whole else None

    def write(self, pictures: range, part: Part) -> None:
        """Keeps a part, whole or not at all."""
        with replacing(self._path(pictures)) as path, open(path, "wb") as file:
            np.savez(file, **vars(part))

    def remove(self) -> None:
        """Removes all parts, those of other keys too."""
        shutil.rmtree(self._parts_dir, ignore_errors=True)

    def _path(self, pictures: range) -> pathlib.Path:
        return self._folder / f"{pictures.start:09d}-{pictures.stop:09d}.npz"
