"""Scores and targets -> average precision (AP) per class and their mean.

The AP is scikit-learn's `average_precision_score`: the sum of precision
times the step in recall, without interpolation. It is neither VOC2007's
11-point form nor VOC2010's interpolated area; on one set the three differ
by about a point, so the printed name says which one it is.
"""

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import average_precision_score

METRIC_NAME = "average precision, scikit-learn (no interpolation), in %"


def average_precisions(
    targets: np.ndarray, scores: np.ndarray, classes: Sequence[str]
) -> dict[str, float | None]:
    """Returns the AP of each class.

    Args:
        targets: [N, C] 1 for yes, 0 for no, -1 for left out.
        scores: [N, C] float; larger means yes.
        classes: C names.

    Returns:
        AP in percent by class name, in the order of `classes`; None where
        no positive or no negative is left, for then it measures nothing.

    Raises:
        ValueError: if shapes differ or a score is not finite.
    """
    if targets.shape != scores.shape or targets.shape[1:] != (len(classes),):
        raise ValueError(
            "`targets` and `scores` must both be [N, number of classes]. "
            f"Received: targets.shape={targets.shape}, "
            f"scores.shape={scores.shape}, {len(classes)} classes."
        )
    return {
        name: _average_precision(targets[:, column], scores[:, column])
        for column, name in enumerate(classes)
    }


def mean_average_precision(
    per_class: Mapping[str, float | None],
) -> tuple[float | None, list[str]]:
    """Returns the mean AP and the classes that had none and are left out.

    Args:
        per_class: AP by class name, None where it could not be measured.

    Returns:
        The mean over the measured classes (None if there is none) and the
        names of the others.
    """
    measured = [value for value in per_class.values() if value is not None]
    left_out = [name for name, value in per_class.items() if value is None]
    return (float(np.mean(measured)) if measured else None), left_out


def _average_precision(target: np.ndarray, score: np.ndarray) -> float | None:
    kept = target >= 0
    positive = target[kept] == 1
    if positive.all() or not positive.any():
        return None
    return 100.0 * float(average_precision_score(positive, score[kept]))
