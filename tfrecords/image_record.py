"""The one form in which every source hands over a photograph."""

import dataclasses
import pathlib

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class ImageKey:
    """Names one photograph of a source, before it is read.

    Attributes:
        split: the split it belongs to, such as "train" or "val".
        image_id: unique within the source; a relative path or a stem.
    """

    split: str
    image_id: str


@dataclasses.dataclass(frozen=True)
class ImageRecord:
    """One photograph with what is known about it.

    Attributes:
        key: its split and name.
        image: path of the picture file, or the encoded picture itself.
        boxes: [G, 4] float32 object boxes (y0, x0, y1, x1) in pixels, as
            the source states them; they may still lie outside the picture.
        labels: G class names; empty strings where the class is unknown.
        difficult: [G] bool, VOC's flag for objects left out of scores.
        pairs: [P, 2] int64 (source, target) indices into the proposals
            where the source fixes them, else None.
        size: (height, width) of the upright picture in pixels, before the
            builder scales it, where the source states it, else None. Boxes
            of a source refer to this size; the builder scales them with the
            picture, and fills in what is None.
    """

    key: ImageKey
    image: pathlib.Path | bytes
    boxes: np.ndarray
    labels: tuple[str, ...]
    difficult: np.ndarray
    pairs: np.ndarray | None = None
    size: tuple[int, int] | None = None
