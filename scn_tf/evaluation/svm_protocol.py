"""One class's targets -> folds, the choice of C, and the weights of an SVM.

The rules that `svm_fits` applies to every class. In: prepared features
[N, D] float64 and a target [N] with 1 for yes, 0 for no, -1 for left out.
Out: row numbers, a C, weights [D].
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from tfrecords.errors import InputError

FIXED_C = 1.0  # where there are too few positives to choose
_MAX_ITERATIONS = 1000


@dataclasses.dataclass(frozen=True)
class LinearSvmProtocol:
    """How the SVM of each class is fitted.

    Attributes:
        c_grid: values of C to choose from; on a tie the smaller wins. A
            single value is taken as it is: nothing is cross-validated.
        folds: parts of the cross-validation that chooses.
        seed: makes the folds.
        normalize: features are divided by their length (L2).
    """

    c_grid: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    folds: int = 3
    seed: int = 0
    normalize: bool = True

    def __post_init__(self) -> None:
        """Refuses what cannot choose a C.

        Raises:
            InputError: if `c_grid` is empty or not positive, or `folds` is
                below two.
        """
        if not self.c_grid or min(self.c_grid) <= 0 or self.folds < 2:
            raise InputError(
                "An SVM protocol needs positive values of C and two or more "
                f"folds. Received: c_grid={self.c_grid}, folds={self.folds}."
            )

    @property
    def chooses(self) -> bool:
        """Whether there is more than one value of C."""
        return len(set(self.c_grid)) > 1

    def describe_c(self) -> str:
        """Returns one line on how C is chosen, for the verdict."""
        if not self.chooses:
            return f"{self.c_grid[0]:g} for every class"
        grid = ", ".join(f"{c:g}" for c in sorted(self.c_grid))
        return (
            f"per class from {grid} by {self.folds}-fold stratified "
            "cross-validation of AP on the rows of the training part, crops "
            "of one photograph in any folds; a tie takes the smaller; C = "
            f"{FIXED_C:g} below two positives"
        )


@dataclasses.dataclass(frozen=True)
class Fold:
    """One part of the cross-validation of one class.

    Attributes:
        column: the class, as a column of the targets.
        train: [n] int64 rows to fit on.
        held_out: [m] int64 rows to score.
    """

    column: int
    train: np.ndarray
    held_out: np.ndarray


def make_folds(
    target: np.ndarray, column: int, protocol: LinearSvmProtocol
) -> list[Fold]:
    """Returns the folds of one class, each with positives and negatives.

    Args:
        target: [N] 1 for yes, 0 for no, -1 for left out.
        column: the class, passed on.
        protocol: number of folds and seed.

    Returns:
        `protocol.folds` folds, or as many as the rarer side has members;
        none if that is below two or there is no C to choose.
    """
    if not protocol.chooses:
        return []
    rows = np.flatnonzero(target >= 0)
    positive = target[rows] == 1
    rarer = int(min(positive.sum(), (~positive).sum()))
    if rarer < 2:
        return []
    splitter = StratifiedKFold(
        min(protocol.folds, rarer), shuffle=True, random_state=protocol.seed
    )
    return [
        Fold(column, rows[train], rows[held_out])
        for train, held_out in splitter.split(rows, positive)
    ]


def choose_c(
    precisions: Sequence[Sequence[float]], protocol: LinearSvmProtocol
) -> float:
    """Returns the C with the best mean AP over the folds of one class.

    It is the only C of the grid, or FIXED_C, where there are no folds.

    Args:
        precisions: [folds, values of C in rising order] AP in percent; no
            folds at all where there were too few positives.
        protocol: the grid of C.
    """
    if not protocol.chooses:
        return protocol.c_grid[0]
    if not len(precisions):
        return FIXED_C
    # Rounded, so that the last bit of a sum does not break a tie.
    mean = np.round(np.mean(precisions, axis=0), 6)
    return sorted(protocol.c_grid)[int(np.argmax(mean))]


def fit_weights(
    features: np.ndarray, target: np.ndarray, c: float
) -> tuple[np.ndarray, bool]:
    """Fits one SVM: L2 penalty, squared hinge loss, bias.

    Args:
        features: [N, D] float64.
        target: [N] 1 for yes, 0 for no; both must be there.
        c: weight of the loss against the penalty.

    Returns:
        Weights [D] float64 and whether the fit ran out of iterations. The
        bias is dropped: a constant does not change a ranking.
    """
    # The dual solver draws from one generator that all threads of the
    # process share: with it every run would give other results.
    machine = LinearSVC(C=c, dual=False, max_iter=_MAX_ITERATIONS)
    machine.fit(features, target == 1)
    return machine.coef_[0], bool(machine.n_iter_ >= _MAX_ITERATIONS)
