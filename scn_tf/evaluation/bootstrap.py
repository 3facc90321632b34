"""How sure is a difference of two mAPs? A paired bootstrap over the test set.

In: targets and two score matrices of the same test rows. Out: the difference
of mAP and its 95 % interval. A draw takes as many photographs as there are,
with repetition, and computes both mAPs on them (Efron and Tibshirani 1993,
percentile interval). What varies is the test set alone: neither another
training part nor another seed of the training is in the interval.

A draw is a count per row. Repeated rows have equal scores, so the ranking
stays as it is and only the counts along it change: each class is sorted once,
for all draws.
"""

from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from scn_tf.evaluation.average_precision import average_precisions
from scn_tf.evaluation.average_precision import FORMS
from scn_tf.evaluation.average_precision import mean_average_precision
from scn_tf.evaluation.average_precision import thresholds

_CHUNK = 32  # draws at a time: their counts stay in the processor's cache
_INTERVAL = (2.5, 97.5)  # percentiles


def bootstrap_difference(
    targets: np.ndarray,
    scores_before: np.ndarray,
    scores_after: np.ndarray,
    classes: Sequence[str],
    groups: np.ndarray | None = None,
    draws: int = 1000,
    seed: int = 0,
    *,
    form: str = "scikit_learn",
    keep_draws: bool = False,
) -> dict:
    """Returns mAP after minus before, and how far it varies with the rows.

    Args:
        targets: [M, C] 1 for yes, 0 for no, -1 for left out.
        scores_before: [M, C] float, as `linear_svm.svm_scores` returns
            them; a class with NaN in either matrix is left out of both.
        scores_after: as `scores_before`, of the same rows.
        classes: C names.
        groups: [M] int, the photograph of each row; the crops of one are
            drawn together, for they are not independent. None: every row
            is its own.
        draws: number of resampled test sets.
        seed: of the draws; draw i takes the photographs
            `default_rng(seed).integers(G, size=(draws, G))[i]`.
        form: of AP, one of `average_precision.FORMS`.
        keep_draws: return the draws' own differences as well.

    Returns:
        "difference": mAP after minus before of the rows as they are, in
        points; "mean" and "interval" (2.5th and 97.5th percentile) of the
        draws; "draws": how many had a class to measure; "groups": G; "form".
        A class without a positive or a negative in a draw is out of it.
        Where no class can be measured the first three are None. With
        `keep_draws` also "draw_differences", one per draw, None where no
        class had an AP.

    Raises:
        ValueError: if shapes differ.
    """
    _check(targets, scores_before, scores_after, groups)
    unfitted = np.isnan(scores_before) | np.isnan(scores_after)
    targets = np.where(unfitted.any(axis=0), -1, targets)
    before = _mean(targets, scores_before, classes, form)
    after = _mean(targets, scores_after, classes, form)
    if groups is None:
        groups = np.arange(len(targets))
    ids, group = np.unique(groups, return_inverse=True)
    rest = {"groups": len(ids), "form": form}
    if before is None or after is None:
        return {"difference": None, **_summary(np.empty(0)), **rest}
    both = (scores_before, scores_after)
    rankings = [_rankings(targets, scores) for scores in both]
    drawn = _drawn(len(ids), draws, seed)
    differences = np.concatenate(
        [_difference(rankings, counts[group], form) for counts in drawn]
    )
    rest |= {"draw_differences": _kept(differences)} if keep_draws else {}
    return {"difference": after - before, **_summary(differences), **rest}


def difference_of_gains(gain: dict, other: dict) -> dict | None:
    """Returns how much larger one gain is than another, draw by draw.

    Both are over the same features and of the same rows, so they were drawn
    with the same photographs: what is common to both is not in the interval.

    Args:
        gain: what `bootstrap_difference` returned with `keep_draws`.
        other: likewise, of the same rows and `seed`.

    Returns:
        As `bootstrap_difference`, without "form"; None where draws were not
        kept or nothing was measured.

    Raises:
        ValueError: if they are of different photographs or draws.
    """
    both = [g.get("draw_differences") for g in (gain, other)]
    if None in both:
        return None
    if len(both[0]) != len(both[1]) or gain["groups"] != other["groups"]:
        raise ValueError(
            "Gains of the same photographs and draws can be compared. "
            f"Received: {len(both[0])} and {len(both[1])} draws of "
            f"{gain['groups']} and {other['groups']} photographs."
        )
    first, second = (np.array(draws, float) for draws in both)  # None is NaN
    return {
        "difference": gain["difference"] - other["difference"],
        **_summary(first - second),
        "groups": gain["groups"],
    }


def _kept(differences: np.ndarray) -> list[float | None]:
    """As JSON has them: a few digits, and no NaN."""
    return [
        round(difference, 4) if np.isfinite(difference) else None
        for difference in differences.tolist()
    ]


class _Ranking:
    """The rows of one class by falling score, ready to be counted anew."""

    def __init__(self, target: np.ndarray, score: np.ndarray) -> None:
        kept = np.flatnonzero(target >= 0)
        order, ends = thresholds(score[kept])
        positive = target[kept[order]] == 1
        hits = np.cumsum(positive)[ends]
        # A threshold without a positive raises no recall and lowers the
        # precision: no form of AP sees it, whatever the counts.
        seen = np.diff(hits, prepend=0) > 0
        self._rows = kept[order]  # [K]
        self._positives = self._rows[positive]  # [P]
        self._row_ends = ends[seen]  # [T]
        self._hit_ends = hits[seen] - 1  # [T], places among the positives

    def precisions(self, counts: np.ndarray, form: str) -> np.ndarray:
        """[B] AP in percent for counts [M, B], NaN where it has none."""
        rows = np.cumsum(counts[self._rows], axis=0, dtype=np.int32)
        hits = np.cumsum(counts[self._positives], axis=0, dtype=np.int32)
        one_sided = (hits[-1] == 0) | (hits[-1] == rows[-1])
        hits, rows = hits[self._hit_ends], rows[self._row_ends]
        with np.errstate(invalid="ignore"):
            return np.where(one_sided, np.nan, 100 * FORMS[form](hits, rows))


def _drawn(num_groups: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yields [G, B] int32 counts of all draws, some at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, _CHUNK):
        yield _counts(rng, num_groups, min(_CHUNK, draws - start))


def _counts(
    rng: np.random.Generator, num_groups: int, number: int
) -> np.ndarray:
    """[G, number] int32, how often each draw takes each group."""
    taken = rng.integers(num_groups, size=(number, num_groups))
    counts = np.zeros((number, num_groups), np.int32)
    for row, groups in zip(counts, taken, strict=True):
        row[:] = np.bincount(groups, minlength=num_groups)
    return np.ascontiguousarray(counts.T)


def _mean(
    targets: np.ndarray, scores: np.ndarray, classes: Sequence[str], form: str
) -> float | None:
    per_class = average_precisions(targets, scores, classes, form)
    return mean_average_precision(per_class)[0]


def _rankings(targets: np.ndarray, scores: np.ndarray) -> list[_Ranking]:
    """Those of the classes that have positives and negatives."""
    return [
        _Ranking(target, score)
        for target, score in zip(targets.T, scores.T, strict=True)
        if {0, 1} <= set(np.unique(target).tolist())
    ]


def _difference(
    rankings: Sequence[Sequence[_Ranking]], counts: np.ndarray, form: str
) -> np.ndarray:
    """[B] mAP of the second rankings minus that of the first."""
    first, second = (_means(one, counts, form) for one in rankings)
    return second - first


def _means(
    rankings: Sequence[_Ranking], counts: np.ndarray, form: str
) -> np.ndarray:
    """[B] mAP over the classes that have an AP; NaN where none has."""
    values = np.stack([one.precisions(counts, form) for one in rankings])
    measured = np.isfinite(values)  # [C, B]
    with np.errstate(invalid="ignore"):
        total = np.where(measured, values, 0.0).sum(axis=0)
        return total / measured.sum(axis=0)


def _summary(differences: np.ndarray) -> dict:
    measured = differences[np.isfinite(differences)]
    if not len(measured):
        return {"mean": None, "interval": None, "draws": 0}
    low, high = np.percentile(measured, _INTERVAL)
    return {
        "mean": float(measured.mean()),
        "interval": [float(low), float(high)],
        "draws": len(measured),
    }


def _check(
    targets: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    groups: np.ndarray | None,
) -> None:
    same = targets.shape == before.shape == after.shape
    if not same or (groups is not None and groups.shape != targets.shape[:1]):
        raise ValueError(
            "`targets`, `scores_before` and `scores_after` must be [M, C], "
            f"`groups` [M]. Received: {targets.shape}, {before.shape}, "
            f"{after.shape}, {None if groups is None else groups.shape}."
        )
