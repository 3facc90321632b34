"""Features -> one of several classes: a linear SVM per class, the best wins.

In: features and labels of a training and of a test part. Out: the predicted
labels. This is the accuracy of the paper's section 4.2 (Table 1); Tables 2
to 4 rank instead, see `linear_svm`. C is given, or chosen by the accuracy on
a part of the training rows.
"""

import warnings
from collections.abc import Sequence

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from scn_tf.evaluation.linear_svm import prepared

_HELD_OUT = 0.3
_MAX_ITERATIONS = 300


def predict_classes(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    c_grid: Sequence[float],
    groups: np.ndarray,
) -> tuple[np.ndarray, float, int]:
    """Fits the SVMs and returns what they say of the test part.

    Args:
        train_features: [N, D] float; rows are given unit length.
        train_labels: [N] int64.
        test_features: [M, D] float.
        c_grid: values of C; of several the one is taken that is right most
            often on the training rows of 30 % of the groups.
        groups: [N] int64, the photograph of each training row.

    Returns:
        [M] int64 labels, the C that was used, and how many of the classes'
        SVMs ran out of iterations.
    """
    train = prepared("train_features", train_features, True)
    test = prepared("test_features", test_features, True)
    c = c_grid[0]
    if len(c_grid) > 1:
        c = _best(train, train_labels, c_grid, groups)
    fitted = _fit(train, train_labels, c)
    # A class that all rows are of has no SVM.
    iterations = [getattr(svm, "n_iter_", 0) for svm in fitted.estimators_]
    failures = sum(number >= _MAX_ITERATIONS for number in iterations)
    return fitted.predict(test), float(c), failures


def _best(
    features: np.ndarray,
    labels: np.ndarray,
    c_grid: Sequence[float],
    groups: np.ndarray,
) -> float:
    drawn = np.random.default_rng(0).permutation(np.unique(groups))
    held_out = np.isin(groups, drawn[: round(_HELD_OUT * len(drawn))])
    scores = []
    for c in sorted(c_grid):
        fitted = _fit(features[~held_out], labels[~held_out], c)
        right = fitted.predict(features[held_out]) == labels[held_out]
        scores.append(right.mean())
    return sorted(c_grid)[int(np.argmax(scores))]


def _fit(
    features: np.ndarray, labels: np.ndarray, c: float
) -> OneVsRestClassifier:
    machine = LinearSVC(C=c, dual=False, max_iter=_MAX_ITERATIONS)
    # liblinear releases the interpreter's lock: threads share the features.
    with joblib.parallel_backend("threading"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return OneVsRestClassifier(machine, n_jobs=-1).fit(features, labels)
