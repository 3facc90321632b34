"""Features and targets -> what a linear SVM makes of them, in mAP.

In: features of a training and of a test part, int8 targets from `labels`.
Out: a dict that goes into `verdict.json` as it is. This is the paper's
section 4.3 (Table 2): one linear SVM per class on L2-normalized features.
The paper does not give C; here each class chooses its own by stratified
cross-validation on the training part, so no test label is looked at.
"""

from collections.abc import Sequence

import numpy as np

from scn_tf.evaluation.average_precision import all_forms
from scn_tf.evaluation.average_precision import mean_average_precision
from scn_tf.evaluation.svm_fits import fit_svms
from scn_tf.evaluation.svm_fits import FittedSvms
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.unit_length import of_unit_length
from tfrecords.errors import InputError


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
        "per_class": AP in percent by name, None where not measurable;
        "mean": mAP in percent over the measured classes, or None, both in
        scikit-learn's form; "by_form": "mean" and "per_class" in each of
        `average_precision.FORMS`; "C" by name, None where nothing could be
        fitted; "left_out": names without a value; "fixed_c": names whose C
        was set for want of positives; "not_converged": number of fits that
        ran out of iterations.

    Raises:
        InputError: if a feature is not finite.
        ValueError: if the shapes do not fit each other.
    """
    _, result = svm_scores(
        train_features,
        train_targets,
        test_features,
        test_targets,
        classes,
        protocol,
        progress,
    )
    return result


def svm_scores(
    train_features: np.ndarray,
    train_targets: np.ndarray,
    test_features: np.ndarray,
    test_targets: np.ndarray,
    classes: Sequence[str],
    protocol: LinearSvmProtocol,
    progress: str = "",
) -> tuple[np.ndarray, dict]:
    """Fits one SVM per class; returns the scores of the test part as well.

    Args:
        train_features: [N, D] float32.
        train_targets: [N, C] 1 for yes, 0 for no, -1 for left out.
        test_features: [M, D] float32.
        test_targets: [M, C], as `train_targets`.
        classes: C names.
        protocol: how the SVMs are fitted.
        progress: title of the progress bar on stderr; no bar if empty.

    Returns:
        [M, C] float64 scores, NaN in the column of a class that could not
        be fitted; what `evaluate_linear_svm` returns.

    Raises:
        InputError: if a feature is not finite.
        ValueError: if the shapes do not fit each other.
    """
    _check_shapes("train", train_features, train_targets, classes)
    _check_shapes("test", test_features, test_targets, classes)
    length = protocol.normalize
    train = prepared("train_features", train_features, length)
    test = prepared("test_features", test_features, length)
    fitted = fit_svms(train, train_targets, protocol, progress)
    scores = np.full(test_targets.shape, np.nan)
    if fitted.weights:
        weights = np.stack(list(fitted.weights.values()), axis=1)  # [D, F]
        scores[:, list(fitted.weights)] = test @ weights
    return scores, _result(fitted, scores, test_targets, classes)


def prepared(name: str, features: np.ndarray, normalize: bool) -> np.ndarray:
    """Returns features as the SVMs take them.

    Args:
        name: of the features, for the message.
        features: [N, D] of any float type.
        normalize: makes rows of length one; zero rows stay zero.

    Returns:
        [N, D] float64.

    Raises:
        InputError: if a feature is not finite.
    """
    # liblinear computes in float64: converted once, not at every fit.
    features = np.ascontiguousarray(features, np.float64)
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise InputError(
            f"`{name}` holds {bad.sum()} of {len(bad)} rows that are not "
            f"finite; the first is row {np.flatnonzero(bad)[0]}. The "
            "training has probably diverged: lower its learning rate."
        )
    return of_unit_length(features) if normalize else features


def compare(before: dict, after: dict) -> dict:
    """Returns two results of `evaluate_linear_svm` and their difference.

    Args:
        before: result with the features as they came.
        after: result with the trained features, on the same classes.

    Returns:
        "before", "after", and "difference" with "mean" and "per_class" in
        points of AP, after minus before: negative is a loss; None where
        either is not measured. Where both results have "by_form", so has
        the difference.

    Raises:
        ValueError: if the classes differ.
    """
    if list(before["per_class"]) != list(after["per_class"]):
        raise ValueError(
            "Only results on the same classes can be compared. Received: "
            f"{list(before['per_class'])} and {list(after['per_class'])}."
        )
    difference = _differences(before, after)
    if "by_form" in before and "by_form" in after:
        difference["by_form"] = {
            form: _differences(values, after["by_form"][form])
            for form, values in before["by_form"].items()
        }
    return {"before": before, "after": after, "difference": difference}


def _result(
    fitted: FittedSvms,
    scores: np.ndarray,
    targets: np.ndarray,
    classes: Sequence[str],
) -> dict:
    # A class without an SVM has no row to be scored on, so no AP.
    by_form = all_forms(
        np.where(np.isnan(scores), -1, targets), scores, classes
    )
    per_class = by_form["scikit_learn"]["per_class"]
    mean, left_out = mean_average_precision(per_class)
    return {
        "per_class": per_class,
        "C": {name: fitted.c.get(i) for i, name in enumerate(classes)},
        "mean": mean,
        "by_form": by_form,
        "left_out": left_out,
        "fixed_c": [classes[column] for column in fitted.fixed],
        "not_converged": fitted.failures,
    }


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


def _differences(before: dict, after: dict) -> dict:
    return {
        "mean": _difference(before["mean"], after["mean"]),
        "per_class": {
            name: _difference(value, after["per_class"][name])
            for name, value in before["per_class"].items()
        },
    }


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
