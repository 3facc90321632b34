"""Features and targets of all classes -> one linear SVM per class.

In: prepared features [N, D] float64, int8 targets from `labels`, a protocol.
Out: the weights of every class, and what happened on the way.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import sys
import warnings
from collections.abc import Iterator

import joblib
import numpy as np
import tqdm
from sklearn.exceptions import ConvergenceWarning

from scn_tf.evaluation.average_precision import average_precisions
from scn_tf.evaluation.svm_protocol import choose_c
from scn_tf.evaluation.svm_protocol import fit_weights
from scn_tf.evaluation.svm_protocol import Fold
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.evaluation.svm_protocol import make_folds

_MAX_WORKERS = 16  # each holds a copy of its fold of the features


@dataclasses.dataclass
class FittedSvms:
    """The SVMs of all classes that have positives and negatives.

    Attributes:
        weights: [D] float64 by column of the targets.
        c: by column.
        fixed: columns with too few positives to choose C.
        failures: number of fits that ran out of iterations.
    """

    weights: dict[int, np.ndarray]
    c: dict[int, float]
    fixed: list[int]
    failures: int


def fit_svms(
    features: np.ndarray,
    targets: np.ndarray,
    protocol: LinearSvmProtocol,
    progress: str = "",
) -> FittedSvms:
    """Fits every class that has positives and negatives.

    Args:
        features: [N, D] float64.
        targets: [N, C] 1 for yes, 0 for no, -1 for left out.
        protocol: how C is chosen.
        progress: title of the progress bar on stderr; no bar if empty.
    """
    columns = [
        column
        for column in range(targets.shape[1])
        if {0, 1} <= set(np.unique(targets[:, column]).tolist())
    ]
    folds = [
        fold
        for column in columns
        for fold in make_folds(targets[:, column], column, protocol)
    ]
    num_c = len(protocol.c_grid)
    num_fits = len(folds) * num_c + len(columns)
    # liblinear releases the interpreter's lock, so threads suffice and the
    # features need not be copied to other processes.
    with _progress_bar(progress, num_fits) as bar, _quiet(), _pool() as pool:
        validate = functools.partial(_validate, features, targets, protocol)
        precisions = {column: [] for column in columns}
        failures = 0
        for fold, (row, failed) in zip(
            folds, pool.map(validate, folds), strict=True
        ):
            precisions[fold.column].append(row)
            failures += failed
            bar.update(num_c)
        chosen = {i: choose_c(precisions[i], protocol) for i in columns}
        refit = functools.partial(_refit, features, targets, chosen)
        weights = {}
        for column, (row, failed) in zip(
            columns, pool.map(refit, columns), strict=True
        ):
            weights[column] = row
            failures += failed
            bar.update()
    fixed = [
        column
        for column in columns
        if protocol.chooses and not precisions[column]
    ]
    return FittedSvms(weights, chosen, fixed, failures)


def _validate(
    features: np.ndarray,
    targets: np.ndarray,
    protocol: LinearSvmProtocol,
    fold: Fold,
) -> tuple[list[float], int]:
    """Returns the held-out AP for each rising C, and failed fits."""
    train = features[fold.train]
    held_out = features[fold.held_out]
    target = targets[:, fold.column]
    precisions = []
    failures = 0
    for c in sorted(protocol.c_grid):
        weights, failed = fit_weights(train, target[fold.train], c)
        scores = (held_out @ weights)[:, None]
        per_class = average_precisions(
            target[fold.held_out, None], scores, [""]
        )
        precisions.append(per_class[""])
        failures += failed
    return precisions, failures


def _refit(
    features: np.ndarray,
    targets: np.ndarray,
    chosen: dict[int, float],
    column: int,
) -> tuple[np.ndarray, bool]:
    target = targets[:, column]
    rows = np.flatnonzero(target >= 0)
    return fit_weights(features[rows], target[rows], chosen[column])


def _pool() -> concurrent.futures.ThreadPoolExecutor:
    num_workers = min(joblib.cpu_count(), _MAX_WORKERS)
    return concurrent.futures.ThreadPoolExecutor(num_workers)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # Around all threads at once: the filters belong to the whole process.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _progress_bar(title: str, total: int) -> tqdm.tqdm:
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm.tqdm(
        total=total,
        desc=title,
        unit="fit",
        file=sys.stderr,
        mininterval=interval,
        disable=not title,
    )
