"""Scores and targets -> average precision (AP) per class and their mean.

Three forms of AP are in use; on one set they differ by a point or more, so
a number says which one it is:

- `eleven_point`: VOC2007's, the mean of the interpolated precision at
  recall 0, 0.1, ... 1 (Everingham et al., IJCV 2010, section 4.2; the
  loop over `t=0:0.1:1` in VOCevalcls.m of the VOC2007 devkit).
  The paper's Table 4 is of VOC2007 and names no form.
- `area`: VOC2010's and later ones', the area under the interpolated curve
  (VOCap.m of the VOC2010 devkit).
- `scikit_learn`: no interpolation, precision times the step in recall
  (`sklearn.metrics.average_precision_score`).

Difficult: in the devkit's cls files a photograph is 1 (shows the class), -1
(does not) or 0 (shows difficult objects of it alone), and 0 is ignored:
training takes `gt>0` and `gt<0`, VOCevalcls.m counts `gt(si)>0` as true and
`gt(si)<0` as false positives. A row with 0 therefore moves neither recall
nor precision, as if it were not there. Here the same rows are marked -1
and taken out.

Equal scores are one threshold, as in scikit-learn: their rows enter
together, so AP does not depend on the order of the rows. The devkit sorts
stably (`sort(-out)`) and lets the order in the file decide; without ties
between a positive and a negative both are the same. Recall is compared with
0.1, 0.2, ... in whole numbers: 3 of 10 reach 0.3, which in binary fractions
is a matter of the last bit.
"""

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np


def eleven_point(hits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """VOC2007: mean over r = 0, 0.1, ... 1 of max precision at recall >= r.

    Args:
        hits: [T, ...] int, positives at or above each falling threshold;
            the last are all positives, at least one.
        rows: [T, ...] int, rows at or above each threshold.

    Returns:
        [...] float64 AP in [0, 1].
    """
    best = _interpolated(hits, rows)
    total = hits[-1]
    at_recall = []
    for tenths in range(11):
        first = np.sum(10 * hits < tenths * total, axis=0)
        at_recall.append(np.take_along_axis(best, first[None], axis=0)[0])
    return np.mean(at_recall, axis=0)


def area(hits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """VOC2010: sum of step in recall times max precision from there on.

    Args:
        hits: as in `eleven_point`.
        rows: as in `eleven_point`.

    Returns:
        [...] float64 AP in [0, 1].
    """
    return _area_below(_interpolated(hits, rows), hits)


def scikit_learn(hits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Sum of step in recall times the precision there.

    Args:
        hits: as in `eleven_point`.
        rows: as in `eleven_point`.

    Returns:
        [...] float64 AP in [0, 1].
    """
    return _area_below(_precision(hits, rows), hits)


FORMS = {
    "eleven_point": eleven_point,
    "area": area,
    "scikit_learn": scikit_learn,
}


def average_precisions(
    targets: np.ndarray,
    scores: np.ndarray,
    classes: Sequence[str],
    form: str = "scikit_learn",
) -> dict[str, float | None]:
    """Returns the AP of each class.

    Args:
        targets: [N, C] 1 for yes, 0 for no, -1 for left out.
        scores: [N, C] float; larger means yes. What stands in rows that are
            left out is not looked at.
        classes: C names.
        form: one of FORMS.

    Returns:
        AP in percent by class name, in the order of `classes`; None where
        no positive or no negative is left, for then it measures nothing.

    Raises:
        ValueError: if shapes differ, a score is not finite, or the form is
            unknown.
    """
    if form not in FORMS:
        raise ValueError(
            f"Unknown form of AP {form!r}. Known forms: {', '.join(FORMS)}."
        )
    return _by_form(targets, scores, classes, [form])[form]


def all_forms(
    targets: np.ndarray, scores: np.ndarray, classes: Sequence[str]
) -> dict[str, dict]:
    """Returns the AP of each class and their mean in each of FORMS.

    Args:
        targets: as in `average_precisions`.
        scores: as in `average_precisions`.
        classes: C names.

    Returns:
        By form: "mean", in percent, None where no class is measured, and
        "per_class" as `average_precisions` returns it.

    Raises:
        ValueError: if shapes differ or a score is not finite.
    """
    return {
        form: {
            "mean": mean_average_precision(per_class)[0],
            "per_class": per_class,
        }
        for form, per_class in _by_form(
            targets, scores, classes, list(FORMS)
        ).items()
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


def thresholds(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the order of falling score and where each threshold ends.

    Args:
        score: [N] float, N at least one.

    Returns:
        [N] int64 rows by falling score; [T] int64 places in that order, the
        last of each run of equal scores.

    Raises:
        ValueError: if a score is not finite.
    """
    if not np.isfinite(score).all():
        raise ValueError(
            "Scores must be finite to be ranked. Received: "
            f"{np.sum(~np.isfinite(score))} of {len(score)} that are NaN or "
            "infinite."
        )
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))


def _by_form(
    targets: np.ndarray,
    scores: np.ndarray,
    classes: Sequence[str],
    forms: Sequence[str],
) -> dict[str, dict[str, float | None]]:
    if targets.shape != scores.shape or targets.shape[1:] != (len(classes),):
        raise ValueError(
            "`targets` and `scores` must both be [N, number of classes]. "
            f"Received: targets.shape={targets.shape}, "
            f"scores.shape={scores.shape}, {len(classes)} classes."
        )
    result = {form: {} for form in forms}
    for column, name in enumerate(classes):
        kept = targets[:, column] >= 0
        positive = targets[kept, column] == 1
        one_sided = positive.all() or not positive.any()
        if not one_sided:
            order, ends = thresholds(scores[kept, column])
            hits, rows = np.cumsum(positive[order])[ends], ends + 1
        for form in forms:
            result[form][name] = (
                None if one_sided else 100.0 * float(FORMS[form](hits, rows))
            )
    return result


def _precision(hits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    # No row at all in a resampled set: nothing is found there.
    return hits / np.maximum(rows, 1)


def _interpolated(hits: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """[T, ...] the largest precision at this recall or a higher one."""
    precision = _precision(hits, rows)
    return np.maximum.accumulate(precision[::-1], axis=0)[::-1]


def _area_below(precision: np.ndarray, hits: np.ndarray) -> np.ndarray:
    steps = np.diff(hits, axis=0, prepend=np.zeros_like(hits[:1]))
    return np.sum(steps * precision, axis=0) / hits[-1]
