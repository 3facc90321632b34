"""Square crops at random places: the paper's "Random" (section 4.3)."""

import numpy as np

from tfrecords.image_record import ImageRecord
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.proposals.proposals import Proposals


def propose_uniform(
    image: np.ndarray,
    record: ImageRecord,
    options: ProposalOptions,
    rng: np.random.Generator,
) -> Proposals:
    """Returns crops of one size, every whole-pixel place equally likely.

    Args:
        image: [H, W, 3] uint8; only its size is used.
        record: not used.
        options: `uniform_crops` (the paper: 5) and `uniform_side` (64
            pixels; the picture's shorter side where that is smaller), and
            at most `boxes_per_image` of them, 0 for all.
        rng: draws the places.

    Returns:
        Proposals without labels, score 1.
    """
    height, width = image.shape[:2]
    side = min(options.uniform_side, height, width)
    limits = (height - side, width - side)
    start = rng.integers(0, limits, (options.uniform_crops, 2), endpoint=True)
    if options.boxes_per_image:
        start = start[: options.boxes_per_image]
    return Proposals(
        boxes=np.concatenate([start, start + side], 1).astype(np.float32),
        scores=np.ones(len(start), np.float32),
        labels=("",) * len(start),
    )
