"""What a consumer of a module is asked, and what it answers."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np


class ConsumerError(Exception):
    """A consumer loaded the module but it did not behave."""


class NotCheckedError(Exception):
    """A consumer cannot be asked here, or not of this module; says why."""


@dataclasses.dataclass(frozen=True)
class Consumed:
    """What a consumer made of a module.

    Attributes:
        features: of the images; [B, D] float32.
        note: what else was seen.
        run: images -> features once more, for a stopwatch; None where that
            would not be the same work.
        path: the file or folder that was loaded.
    """

    features: np.ndarray
    note: str
    run: Callable[[], object] | None
    path: pathlib.Path


# The folder of a module, [B, H, W, 3] float32 images in [0, 1], and a folder
# for what is to be written -> what came of it.
Consumer = Callable[[pathlib.Path, np.ndarray, pathlib.Path], Consumed]
