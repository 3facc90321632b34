"""The source's own boxes as proposals: the paper's "BBox" (section 4.3)."""

import numpy as np

from tfrecords import boxes
from tfrecords.errors import InputError
from tfrecords.image_record import ImageRecord
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.proposals.proposals import Proposals


def propose_ground_truth(
    image: np.ndarray,
    record: ImageRecord,
    options: ProposalOptions,
    rng: np.random.Generator,
) -> Proposals:
    """Returns the record's usable boxes, difficult ones too, cut to size.

    The largest `boxes_per_image` are kept, largest first. Where the record
    brings its own pairs, all boxes are kept in its order, since the pairs
    are indices into them.

    Args:
        image: [H, W, 3] uint8; only its size is used.
        record: boxes and labels; a box that cannot be used is left out.
        options: `boxes_per_image`, 0 for all.
        rng: not used.

    Returns:
        Proposals with the record's labels and the score 1.

    Raises:
        InputError: if the record has pairs and one of its boxes is unusable.
    """
    size = image.shape[:2]
    reasons = boxes.faults(record.boxes, size)
    if record.pairs is not None and any(reasons):
        raise InputError(
            f"{record.key.image_id}: its pairs point at boxes of which some "
            f"cannot be used: {', '.join(sorted(set(filter(None, reasons))))}"
            ". Correct the boxes, or give no pairs."
        )
    chosen = np.flatnonzero([not reason for reason in reasons])
    cut = boxes.clip(record.boxes[chosen].reshape(-1, 4), size)
    if record.pairs is None:
        order = np.argsort(-boxes.area(cut), kind="stable")
        if options.boxes_per_image:
            order = order[: options.boxes_per_image]
        chosen, cut = chosen[order], cut[order]
    return Proposals(
        boxes=cut,
        scores=np.ones(len(cut), np.float32),
        labels=tuple(record.labels[index] for index in chosen),
    )
