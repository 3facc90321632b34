"""EdgeBoxes: boxes that wholly enclose contours (section 4.3's "EdgeBox").

Pixels in, the best-scored boxes out. Zitnick and Dollar, "Edge boxes:
locating object proposals from edges" (ECCV 2014), as OpenCV's ximgproc has
it. The edges come from color gradients, or from OpenCV's structured edge
detector where its model file is named.
"""

import functools
import pathlib

import cv2
import numpy as np

from tfrecords import boxes
from tfrecords.errors import InputError
from tfrecords.image_record import ImageRecord
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.proposals.proposals import Proposals
from tfrecords.proposals.suppression import diverse_order

# OpenCV's remap counts pixels in 16 bits with a sign, and one is for itself.
MOST_SIDE = 32_766
# EdgeBoxes leaves out weaker edges; its own value is for structured edges.
_STRUCTURED_MIN_MAGNITUDE = 0.1
# For gradients. These two, the square root in `gradient_edges` and the
# defaults of `edge_beta` and `nms_iou` were chosen on up to 300 VOC2007 train
# photographs of 320 pixels; docs/measurements.md, "Proposals", has the sweep.
_BLUR_SIGMA = 2.5  # pixels
_GRADIENT_MIN_MAGNITUDE = 0.15
# The strongest half percent of the contours may vary; the rest is scaled.
_FULL_EDGE_PERCENTILE = 99.5
# Scharr's answer to a blurred step of about 4 gray levels: weaker ones are
# noise, also where nothing stronger is in the picture.
_FAINT_EDGE = 25.0
_SEARCH_LIMITS = {"edge_alpha": (0.2, 0.9), "edge_beta": (0.1, 1.0)}
_MODEL_OPTIONS = (
    "stride",
    "shrinkNumber",
    "patchSize",
    "patchInnerSize",
    "numberOfGradientOrientations",
    "selfsimilarityGridSize",
    "numberOfTrees",
    "numberOfTreesToEvaluate",
)
# One row per tree; the first four have an entry per tree node.
_MODEL_TABLES = (
    "childs",
    "featureIds",
    "thresholds",
    "edgeBoundaries",
    "edgeBins",
)


def propose_edge_boxes(
    image: np.ndarray,
    record: ImageRecord,
    options: ProposalOptions,
    rng: np.random.Generator,
) -> Proposals:
    """Returns the boxes with the highest EdgeBoxes score.

    Args:
        image: [H, W, 3] uint8 RGB.
        record: not used.
        options: `min_score`, `max_aspect_ratio`, `min_box_area`,
            `boxes_per_image` (0 for all), `edge_alpha`, `edge_beta`,
            `nms_iou` and `edge_model`.
        rng: not used.

    Returns:
        Proposals without labels, best first. Every box has at least
        `min_score` by EdgeBoxes' count; the scores given are that, lessened
        where a box overlaps a better one (`diverse_order`).

    Raises:
        InputError: if `edge_model` is missing or does not fit, or if
            `edge_alpha` or `edge_beta` would stop EdgeBoxes.
    """
    _check_search(options)
    if options.edge_model:
        edges, orientations = _structured_edges(image, options.edge_model)
        min_magnitude = _STRUCTURED_MIN_MAGNITUDE
    else:
        edges, orientations = gradient_edges(image)
        min_magnitude = _GRADIENT_MIN_MAGNITUDE
    detector = cv2.ximgproc.createEdgeBoxes(
        alpha=options.edge_alpha,
        beta=options.edge_beta,
        minScore=options.min_score,
        edgeMinMag=min_magnitude,
        maxAspectRatio=options.max_aspect_ratio,
        minBoxArea=options.min_box_area,
    )
    rows, scores = detector.getBoundingBoxes(edges, orientations)
    x, y, width, height = np.reshape(rows, (-1, 4)).astype(np.float32).T
    # OpenCV counts pixels from 1 here, as the original did for MATLAB, and
    # its width is last less first: pixels x - 1 to x - 1 + width, inclusive.
    found = np.stack([y - 1, x - 1, y + height, x + width], axis=-1)  # [N, 4]
    found = boxes.clip(found, image.shape[:2])
    scores = np.reshape(scores, -1).astype(np.float32)
    # EdgeBoxes moves the sides after it has checked shape and size.
    fit = _fitting(found, options) & (scores >= options.min_score)
    found, scores = found[fit], scores[fit]
    order, scores = diverse_order(
        found, scores, options.nms_iou, options.boxes_per_image
    )
    return Proposals(
        boxes=found[order], scores=scores, labels=("",) * len(order)
    )


def gradient_edges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns thin contours from the strongest color gradient.

    The gradient is that of the square roots of the values: it weighs the
    dark parts of a picture more nearly like the bright ones, and finds
    somewhat more objects at 8, 100 and 1000 boxes.

    Args:
        image: [H, W, 3] uint8 RGB.

    Returns:
        [H, W] float32 edge strength in [0, 1], 0 off the ridge of an edge;
        and [H, W] float32 direction across the edge in [0, pi), 0 along x.
    """
    roots = np.sqrt(255 * image.astype(np.float32))  # Again in [0, 255].
    smooth = cv2.GaussianBlur(roots, (0, 0), _BLUR_SIGMA)
    dx = cv2.Scharr(smooth, cv2.CV_32F, 1, 0)
    dy = cv2.Scharr(smooth, cv2.CV_32F, 0, 1)
    strongest = np.argmax(dx * dx + dy * dy, axis=-1)[..., None]
    dx = np.take_along_axis(dx, strongest, -1)[..., 0]
    dy = np.take_along_axis(dy, strongest, -1)[..., 0]
    strength = np.hypot(dx, dy)
    edges = _thinned(strength, dx, dy)
    ridge = edges[edges > 0]
    full = np.percentile(ridge, _FULL_EDGE_PERCENTILE) if ridge.size else 0
    edges = np.minimum(edges / max(full, _FAINT_EDGE), 1)
    orientations = np.arctan2(dy, dx) % np.pi
    # In float32 the remainder of a tiny negative angle rounds up to pi.
    orientations[orientations >= np.pi] = 0
    return edges.astype(np.float32), orientations.astype(np.float32)


def _thinned(
    strength: np.ndarray, dx: np.ndarray, dy: np.ndarray
) -> np.ndarray:
    """Keeps strength [H, W] where no neighbor across the edge is stronger."""
    height, width = strength.shape
    length = np.maximum(strength, 1e-6)
    across_x, across_y = dx / length, dy / length
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    ahead, behind = (
        cv2.remap(
            strength,
            x + step * across_x,
            y + step * across_y,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for step in (1, -1)
    )
    return np.where((strength >= ahead) & (strength >= behind), strength, 0)


def _check_search(options: ProposalOptions) -> None:
    """Refuses what OpenCV divides by zero or never ends on."""
    for name, (least, most) in _SEARCH_LIMITS.items():
        value = getattr(options, name)
        if not least <= value <= most:
            raise InputError(
                f"--{name}={value} cannot be used. Wanted: a number between "
                f"{least} and {most}. Correct it, or leave the flag out."
            )


def _fitting(found: np.ndarray, options: ProposalOptions) -> np.ndarray:
    heights = found[:, 2] - found[:, 0]
    widths = found[:, 3] - found[:, 1]
    longest = np.maximum(heights, widths)
    shortest = np.minimum(heights, widths)
    return (
        (shortest > 0)
        & (longest <= options.max_aspect_ratio * shortest)
        & (boxes.area(found) >= options.min_box_area)
    )


def _structured_edges(
    image: np.ndarray, model_path: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns edges and orientations as `gradient_edges` does."""
    detector = _structured_detector(model_path)
    edges = detector.detectEdges(image.astype(np.float32) / 255)
    orientations = detector.computeOrientation(edges)
    return detector.edgesNms(edges, orientations), orientations


@functools.cache
def _structured_detector(
    model_path: str,
) -> cv2.ximgproc.StructuredEdgeDetection:
    """Loads OpenCV's model once per process; it takes seconds."""
    if not pathlib.Path(model_path).is_file():
        raise InputError(
            f"The edge model {model_path} does not exist. Wanted: OpenCV's "
            "structured edge model (model.yml.gz of opencv_extra). Correct "
            "--edge_model, or leave it empty for color gradients."
        )
    fault = _model_fault(model_path)
    if fault:
        raise InputError(
            f"{model_path} is not OpenCV's structured edge model: {fault}. "
            "Correct --edge_model, or leave it empty for color gradients."
        )
    return cv2.ximgproc.createStructuredEdgeDetection(model_path)


def _model_fault(model_path: str) -> str:
    """Says what an edge model lacks; OpenCV would end the process on it."""
    try:
        storage = cv2.FileStorage(model_path, cv2.FILE_STORAGE_READ)
    except (cv2.error, SystemError) as error:
        return f"it cannot be parsed ({error})"
    if not storage.isOpened():
        return "it cannot be parsed"
    options = storage.getNode("options")
    if options.empty() or not options.isMap():
        return "it has no options"
    for name in _MODEL_OPTIONS:
        node = options.getNode(name)
        if not node.isInt() or node.real() < 1:
            return f"its option {name} is missing or not positive"
    lengths = {name: _length(storage.getNode(name)) for name in _MODEL_TABLES}
    for name, length in lengths.items():
        wanted = 1 if name == "edgeBins" else max(1, lengths["childs"])
        if length < wanted:
            return f"its table {name} has {length} entries, not {wanted}"
    return ""


def _length(table: cv2.FileNode) -> int:
    """Returns the number of entries in all rows of a table."""
    if not table.isSeq():
        return 0
    return sum(table.at(row).size() for row in range(table.size()))
