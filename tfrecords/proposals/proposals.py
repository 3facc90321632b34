"""What every proposal method takes and returns."""

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence

import numpy as np

from tfrecords.errors import InputError
from tfrecords.image_record import ImageRecord


@dataclasses.dataclass(frozen=True)
class ProposalOptions:
    """Numbers that proposal methods read; each is a flag.

    Attributes:
        boxes_per_image: most boxes kept per image; 0 keeps all.
        min_score: score of an EdgeBox or a YOLO region under which it is
            dropped (section 4.3).
        max_aspect_ratio: longest over shortest side, at most (spec: 3).
        min_box_area: smallest EdgeBox area in square pixels.
        edge_alpha: IoU of neighbors in EdgeBoxes' search.
        edge_beta: IoU over which EdgeBoxes drops the lesser of two boxes.
        nms_iou: IoU over which the lesser of two boxes loses score.
        uniform_crops: number of uniform crops per image (section 4.3: 5).
        uniform_side: their side in pixels (section 4.3: 64).
        edge_model: OpenCV's structured-edge model file, or "" for color
            gradients.
        yolo_weights: "pascalvoc" (downloaded), "none" (random) or a file.
        proposals_file: CSV file of boxes found elsewhere, or "".
        whole_image: the whole image is one more proposal, after the others.
    """

    boxes_per_image: int = 8
    min_score: float = 0.1
    max_aspect_ratio: float = 3.0
    min_box_area: float = 1000.0
    edge_alpha: float = 0.65
    edge_beta: float = 0.75
    nms_iou: float = 0.45
    uniform_crops: int = 5
    uniform_side: int = 64
    edge_model: str = ""
    yolo_weights: str = "pascalvoc"
    proposals_file: str = ""
    whole_image: bool = False


@dataclasses.dataclass(frozen=True)
class Proposals:
    """Object-like boxes of one image.

    Attributes:
        boxes: [N, 4] float32 (y0, x0, y1, x1) in pixels, inside the image.
        scores: [N] float32, best first where the method scores.
        labels: [N] class names; empty strings where unknown.
        dropped: why boxes were dropped that were given, one word per box.
        notes: what else is to be counted of the picture.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Proposer:
    """One proposal method, as the table of methods has it.

    Attributes:
        propose: pictures (uint8 [H, W, 3] RGB, of any sizes, left as they
            are), their records, the options and a generator for each ->
            Proposals for each. A picture's boxes depend on nothing but its
            own row of these, not on what else is in the batch.
        label_leak: one sentence on the labels that were used to find the
            boxes; "" if none were. Goes into manifest and verdict.
        check: the options and the ids of all pictures -> nothing, or an
            InputError before a build that would find no box at all.
        most_side: longest side of a picture that it takes, in pixels; 0
            takes any.
    """

    propose: Callable[
        [
            Sequence[np.ndarray],
            Sequence[ImageRecord],
            ProposalOptions,
            Sequence[np.random.Generator],
        ],
        list[Proposals],
    ]
    label_leak: str = ""
    check: Callable[[ProposalOptions, Collection[str]], None] = (
        lambda options, image_ids: None
    )
    most_side: int = 0

    def check_size(self, size: tuple[int, int]) -> None:
        """Refuses a picture that the method cannot take.

        Args:
            size: its (height, width) in pixels, as it is stored.

        Raises:
            InputError: if a side is longer than `most_side`.
        """
        if 0 < self.most_side < max(size):
            raise InputError(
                f"it is {size[1]} x {size[0]} pixels (width x height), and "
                "with these --proposals no side may have more than "
                f"{self.most_side}. Scale it down with --max_side."
            )


def one_by_one(
    function: Callable[
        [np.ndarray, ImageRecord, ProposalOptions, np.random.Generator],
        Proposals,
    ],
) -> Callable:
    """Makes a method for one picture into `Proposer.propose`."""

    def propose(
        images: Sequence[np.ndarray],
        records: Sequence[ImageRecord],
        options: ProposalOptions,
        rngs: Sequence[np.random.Generator],
    ) -> list[Proposals]:
        rows = zip(images, records, rngs, strict=True)
        return [function(image, row, options, rng) for image, row, rng in rows]

    return propose


def with_whole_image(proposals: Proposals, size: tuple[int, int]) -> Proposals:
    """Adds a box of the whole image, of score 1 and unknown class.

    Args:
        proposals: of the image.
        size: its (height, width) in pixels.
    """
    whole = np.array([[0, 0, *size]], np.float32)
    return dataclasses.replace(
        proposals,
        boxes=np.concatenate([proposals.boxes.reshape(-1, 4), whole]),
        scores=np.append(proposals.scores, np.float32(1)),
        labels=(*proposals.labels, ""),
    )
