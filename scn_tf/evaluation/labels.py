"""Object annotations of a pair graph -> what a classifier shall answer.

In: the object arrays of a `PairGraph`. Out: int8 targets, one column per
class: 1 for yes, 0 for no, -1 for "left out of training and of scores".
What is left out follows the PASCAL VOC devkit: an object marked difficult
counts neither for nor against.
"""

import numpy as np

from tfrecords.pair_graph import PairGraph


def image_targets(
    object_labels: np.ndarray,
    object_image: np.ndarray,
    object_difficult: np.ndarray,
    num_images: int,
    num_classes: int,
) -> np.ndarray:
    """Returns which classes each photograph shows.

    An object of unknown class (-1) says nothing and changes nothing.

    Args:
        object_labels: [G] int64 class of each object, -1 where unknown.
        object_image: [G] int64 index of the photograph of each object.
        object_difficult: [G] bool, VOC's flag.
        num_images: I, photographs with no object included.
        num_classes: C.

    Returns:
        [I, C] int8: 1 where a non-difficult object of the class is there,
        -1 where only difficult ones are, 0 where there is none.

    Raises:
        ValueError: if lengths differ, or an index is out of its range.
    """
    _check_labels(object_labels, object_difficult, num_classes)
    if object_image.shape != object_labels.shape:
        raise ValueError(
            "`object_image` must name one photograph per object. Received: "
            f"object_image.shape={object_image.shape}, "
            f"object_labels.shape={object_labels.shape}."
        )
    _check_range("object_image", object_image, 0, num_images)
    targets = np.zeros((num_images, num_classes), np.int8)
    known = object_labels >= 0
    difficult = object_difficult.astype(bool)
    # Sure objects are written last, so that they win over difficult ones.
    for chosen, value in ((known & difficult, -1), (known & ~difficult, 1)):
        targets[object_image[chosen], object_labels[chosen]] = value
    return targets


def object_targets(
    object_labels: np.ndarray,
    object_difficult: np.ndarray,
    num_classes: int,
) -> np.ndarray:
    """Returns the class of each object as a row.

    Args:
        object_labels: [G] int64 class of each object, -1 where unknown.
        object_difficult: [G] bool, VOC's flag.
        num_classes: C.

    Returns:
        [G, C] int8 one-hot rows; a row of a difficult or unknown object
        is -1 throughout.

    Raises:
        ValueError: if lengths differ, or a label is out of its range.
    """
    _check_labels(object_labels, object_difficult, num_classes)
    targets = np.zeros((len(object_labels), num_classes), np.int8)
    left_out = (object_labels < 0) | object_difficult.astype(bool)
    rows = np.flatnonzero(~left_out)
    targets[rows, object_labels[rows]] = 1
    targets[left_out] = -1
    return targets


def targets_of(graph: PairGraph, kind: str, num_classes: int) -> np.ndarray:
    """Returns the targets of all patches of a kind.

    Args:
        graph: of the photographs.
        kind: "objects" or "images".
        num_classes: C.

    Returns:
        [N, C] int8 as `object_targets` or `image_targets` gives them.
    """
    if kind == "objects":
        return object_targets(
            graph.object_labels, graph.object_difficult, num_classes
        )
    return image_targets(
        graph.object_labels,
        graph.object_image,
        graph.object_difficult,
        len(graph.image_ids),
        num_classes,
    )


def _check_labels(
    labels: np.ndarray, difficult: np.ndarray, num_classes: int
) -> None:
    if labels.ndim != 1 or difficult.shape != labels.shape:
        raise ValueError(
            "`object_labels` and `object_difficult` must both be [G]. "
            f"Received: object_labels.shape={labels.shape}, "
            f"object_difficult.shape={difficult.shape}."
        )
    _check_range("object_labels", labels, -1, num_classes)


def _check_range(name: str, values: np.ndarray, low: int, end: int) -> None:
    outside = (values < low) | (values >= end)
    if outside.any():
        raise ValueError(
            f"`{name}` must lie in [{low}, {end}). Received: "
            f"{values[outside][0]} at row {np.flatnonzero(outside)[0]}."
        )
