"""Features and targets -> what a linear SVM makes of them, in mAP.

In: features of a training and of a test part, int8 targets from `labels`.
Out: a dict that goes into `verdict.json` as it is. This is the paper's
section 4.3 (Table 2): one linear SVM per class on L2-normalized features.
The paper does not give C; here each class chooses its own by stratified
cross-validation on the training part, so no test label is looked at.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import sys
import warnings
from collections.abc import Iterator
from collections.abc import Sequence

import joblib
import numpy as np
import tqdm
from sklearn.exceptions import ConvergenceWarning

from scn_tf.evaluation.average_precision import average_precisions
from scn_tf.evaluation.average_precision import mean_average_precision
from scn_tf.evaluation.svm_protocol import choose_c
from scn_tf.evaluation.svm_protocol import fit_weights
from scn_tf.evaluation.svm_protocol import Fold
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.evaluation.svm_protocol import make_folds
from tfrecords.errors import InputError

_MAX_WORKERS = 16  # each holds a copy of its fold of the features


@dataclasses.dataclass
class _Fitted:
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


def evaluate_linear_svm(
    train_features: np.ndarray,
    train_targets: np.ndarray,
    test_features: np.ndarray,
    test_targets: np.ndarray,
    classes: Sequence[str],
    protocol: LinearSvmProtocol,
    progress: str = "",
) -> dict:
    """Fits one SVM per class and returns how well they rank the test part.

    Args:
        train_features: [N, D] float32.
        train_targets: [N, C] 1 for yes, 0 for no, -1 for left out.
        test_features: [M, D] float32.
        test_targets: [M, C], as `train_targets`.
        classes: C names.
        protocol: how C is chosen.
        progress: title of the progress bar on stderr; no bar if empty.

    Returns:
        "per_class": AP in percent by name, None where not measurable; "C"
        by name, None where nothing could be fitted; "mean": mAP in percent
        over the measured classes, or None; "left_out": names without a
        value; "fixed_c": names whose C was set for want of positives;
        "not_converged": number of fits that ran out of iterations.

    Raises:
        InputError: if a feature is not finite.
        ValueError: if the shapes do not fit each other.
    """
    _check_shapes("train", train_features, train_targets, classes)
    _check_shapes("test", test_features, test_targets, classes)
    train = _normalized("train_features", train_features)
    test = _normalized("test_features", test_features)
    fitted = _fit_all(train, train_targets, protocol, progress)
    return _result(fitted, test, test_targets, classes)


def compare(before: dict, after: dict) -> dict:
    """Returns two results of `evaluate_linear_svm` and their difference.

    Args:
        before: result with the features as they came.
        after: result with the trained features, on the same classes.

    Returns:
        "before", "after", and "difference" with "mean" and "per_class" in
        points of AP, after minus before: negative is a loss; None where
        either is not measured.

    Raises:
        ValueError: if the classes differ.
    """
    if list(before["per_class"]) != list(after["per_class"]):
        raise ValueError(
            "Only results on the same classes can be compared. Received: "
            f"{list(before['per_class'])} and {list(after['per_class'])}."
        )
    per_class = {
        name: _difference(before["per_class"][name], after["per_class"][name])
        for name in before["per_class"]
    }
    mean = _difference(before["mean"], after["mean"])
    return {
        "before": before,
        "after": after,
        "difference": {"mean": mean, "per_class": per_class},
    }


def _fit_all(
    features: np.ndarray,
    targets: np.ndarray,
    protocol: LinearSvmProtocol,
    progress: str,
) -> _Fitted:
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
    fixed = [column for column in columns if not precisions[column]]
    return _Fitted(weights, chosen, fixed, failures)


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


def _result(
    fitted: _Fitted,
    features: np.ndarray,
    targets: np.ndarray,
    classes: Sequence[str],
) -> dict:
    scores = np.zeros(targets.shape)
    for column, weights in fitted.weights.items():
        scores[:, column] = features @ weights
    per_class = average_precisions(targets, scores, classes)
    for column, name in enumerate(classes):
        if column not in fitted.weights:
            per_class[name] = None
    mean, left_out = mean_average_precision(per_class)
    return {
        "per_class": per_class,
        "C": {name: fitted.c.get(i) for i, name in enumerate(classes)},
        "mean": mean,
        "left_out": left_out,
        "fixed_c": [classes[column] for column in fitted.fixed],
        "not_converged": fitted.failures,
    }


def _normalized(name: str, features: np.ndarray) -> np.ndarray:
    """Returns [N, D] float64 rows of length one; zero rows stay zero."""
    # liblinear computes in float64: converted once, not at every fit.
    features = np.ascontiguousarray(features, np.float64)
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise InputError(
            f"`{name}` holds {bad.sum()} of {len(bad)} rows that are not "
            f"finite; the first is row {np.flatnonzero(bad)[0]}. The "
            "training has probably diverged: lower its learning rate."
        )
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1.0)


def _check_shapes(
    part: str,
    features: np.ndarray,
    targets: np.ndarray,
    classes: Sequence[str],
) -> None:
    wanted = (len(features), len(classes))
    if features.ndim != 2 or targets.shape != wanted:
        raise ValueError(
            f"`{part}_features` must be [N, D] and `{part}_targets` [N, "
            f"{len(classes)}]. Received: {features.shape}, {targets.shape}."
        )


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


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
