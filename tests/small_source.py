"""A source of tiny pictures in memory, and options to build it fast."""

import dataclasses
import io
import os

import numpy as np
from PIL import Image

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.options import BuildOptions
from tfrecords.proposals.proposals import ProposalOptions


def small_options(**changes):
    values = dict(
        source="small",
        data_dir="",
        proposals="uniform",
        proposal_options=ProposalOptions(uniform_crops=3, uniform_side=8),
        limit_images=0,
        seed=0,
        num_shards=2,
    )
    return BuildOptions(**{**values, **changes})


def picture(index, height=24, width=32, **save):
    rng = np.random.default_rng(index)
    pixels = rng.integers(0, 256, [height, width, 3], np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **{"format": "JPEG", **save})
    return buffer.getvalue()


@dataclasses.dataclass
class SmallSource:
    """Pictures by number; some may be bad, or end the process."""

    num_train: int = 5
    num_val: int = 3
    bad: tuple = ()
    deadly: tuple = ()
    boxes: tuple = ((2, 3, 12, 23), (10, 4, 20, 30))
    labels: tuple = ("dog", "")
    pairs: tuple | None = None
    save: tuple = ()
    size: tuple | None = None

    name = "small"
    classes = ("cat", "dog")

    def digest(self):
        return repr(self)

    def keys(self):
        splits = ["train"] * self.num_train + ["val"] * self.num_val
        return [ImageKey(split, str(i)) for i, split in enumerate(splits)]

    def read(self, key):
        index = int(key.image_id)
        if index in self.deadly:
            os._exit(1)
        if index in self.bad:
            raise InputError(f"picture {index} is bad")
        return ImageRecord(
            key=key,
            image=picture(index, **dict(self.save)),
            boxes=np.array(self.boxes, np.float32).reshape(-1, 4),
            labels=self.labels,
            difficult=np.arange(len(self.boxes)) % 2 == 1,
            pairs=None if self.pairs is None else np.array(self.pairs),
            size=self.size,
        )
