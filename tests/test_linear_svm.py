import json
import warnings

import numpy as np
import pytest

from scn_tf.evaluation import linear_svm
from scn_tf.evaluation import svm_protocol
from scn_tf.evaluation.linear_svm import compare
from scn_tf.evaluation.linear_svm import evaluate_linear_svm
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from tfrecords.errors import InputError

CLASSES = ["cat", "cow", "dog"]
PROTOCOL = LinearSvmProtocol(seed=1)


def clusters(rng, num_rows, spread=0.2, num_features=12):
    """Unit clusters along the first axes, one class each."""
    labels = np.arange(num_rows) % len(CLASSES)
    features = np.eye(num_features)[labels]
    features = features + spread * rng.standard_normal(features.shape)
    return features.astype(np.float32), np.eye(3, dtype=np.int8)[labels]


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    return (*clusters(rng, 60), *clusters(rng, 90))


@pytest.fixture
def noisy_parts():
    rng = np.random.default_rng(2)
    return (*clusters(rng, 60, spread=1.0), *clusters(rng, 90, spread=1.0))


def test_separable_clusters_get_100(parts):
    result = evaluate_linear_svm(*parts, CLASSES, PROTOCOL)
    assert result["mean"] == pytest.approx(100)
    assert result["per_class"] == pytest.approx(dict.fromkeys(CLASSES, 100))
    assert result["left_out"] == result["fixed_c"] == []
    assert result["not_converged"] == 0


def test_permuted_training_labels_are_near_chance(parts):
    train, targets, test, test_targets = parts
    means = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(targets))
        result = evaluate_linear_svm(
            train, targets[order], test, test_targets, CLASSES, PROTOCOL
        )
        means.append(result["mean"])
    # A third of the test rows is positive; a random order scores about 1/3.
    assert 20 < np.mean(means) < 55


def test_scaling_all_features_changes_nothing(noisy_parts):
    train, targets, test, test_targets = noisy_parts
    plain = evaluate_linear_svm(*noisy_parts, CLASSES, PROTOCOL)
    scaled = evaluate_linear_svm(
        7 * train, targets, 7 * test, test_targets, CLASSES, PROTOCOL
    )
    assert scaled["C"] == plain["C"]
    assert 50 < plain["mean"] < 99
    assert scaled["mean"] == pytest.approx(plain["mean"], abs=1e-6)


def test_every_row_is_normalized_on_its_own_and_zero_rows_stay_zero():
    features = np.array([[3, 4], [0, 0], [-5, 0]], np.float32)
    normalized = linear_svm._normalized("features", features)
    assert normalized.dtype == np.float64
    np.testing.assert_allclose(normalized, [[0.6, 0.8], [0, 0], [-1, 0]])


def test_rows_left_out_change_nothing(noisy_parts):
    rng = np.random.default_rng(3)
    plain = evaluate_linear_svm(*noisy_parts, CLASSES, PROTOCOL)
    train, targets, test, test_targets = noisy_parts
    extra = rng.standard_normal((7, 12)).astype(np.float32)
    ignored = -np.ones((7, 3), np.int8)
    with_extra = evaluate_linear_svm(
        np.concatenate([train, extra]),
        np.concatenate([targets, ignored]),
        np.concatenate([extra, test]),
        np.concatenate([ignored, test_targets]),
        CLASSES,
        PROTOCOL,
    )
    assert with_extra == plain


def test_two_runs_are_equal_to_the_last_bit_on_any_number_of_threads(
    noisy_parts, monkeypatch
):
    first = evaluate_linear_svm(*noisy_parts, CLASSES, PROTOCOL)
    assert evaluate_linear_svm(*noisy_parts, CLASSES, PROTOCOL) == first
    monkeypatch.setattr(linear_svm, "_MAX_WORKERS", 1)
    assert evaluate_linear_svm(*noisy_parts, CLASSES, PROTOCOL) == first


def test_too_few_positives_fix_c_and_say_so(parts):
    train, targets, test, test_targets = parts
    one_left = np.where(np.cumsum(targets[:, 0]) > 1, -1, targets[:, 0])
    targets = np.stack([one_left, targets[:, 1], targets[:, 2]], axis=1)
    protocol = LinearSvmProtocol(c_grid=(0.5,))
    result = evaluate_linear_svm(
        train, targets, test, test_targets, CLASSES, protocol
    )
    assert result["C"] == {"cat": 1.0, "cow": 0.5, "dog": 0.5}
    assert result["fixed_c"] == ["cat"]
    assert result["per_class"]["cat"] > 90


def test_a_class_that_cannot_be_fitted_or_scored_is_left_out_and_named(parts):
    train, targets, test, test_targets = parts
    targets[:, 0] = 0
    test_targets[:, 1] = 0
    result = evaluate_linear_svm(
        train, targets, test, test_targets, CLASSES, PROTOCOL
    )
    assert result["left_out"] == ["cat", "cow"]
    assert result["C"]["cat"] is None
    assert result["per_class"]["cat"] is result["per_class"]["cow"] is None
    assert result["per_class"]["dog"] == pytest.approx(100)
    assert result["mean"] == pytest.approx(100)


def test_no_rows_at_all_leave_every_class_out():
    features = np.zeros((0, 4), np.float32)
    targets = np.zeros((0, 3), np.int8)
    result = evaluate_linear_svm(
        features, targets, features, targets, CLASSES, PROTOCOL
    )
    assert result["mean"] is None
    assert result["left_out"] == CLASSES


def test_fits_that_do_not_converge_are_counted_and_make_no_warning(
    noisy_parts, monkeypatch
):
    monkeypatch.setattr(svm_protocol, "_MAX_ITERATIONS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = evaluate_linear_svm(*noisy_parts, CLASSES, PROTOCOL)
    # Three classes, each 3 folds x 4 values of C and the final fit.
    assert result["not_converged"] == 3 * (3 * 4 + 1)


def test_the_result_is_plain_json(parts):
    result = evaluate_linear_svm(*parts, CLASSES, PROTOCOL)
    assert json.loads(json.dumps(result)) == result


def test_progress_counts_every_fit_on_stderr(parts, capsys):
    evaluate_linear_svm(*parts, CLASSES, PROTOCOL, progress="SVM before")
    error = capsys.readouterr().err
    assert "SVM before: 100%" in error
    assert "39/39" in error
    evaluate_linear_svm(*parts, CLASSES, PROTOCOL)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("part", [0, 2])
def test_features_that_are_not_finite_are_refused_with_a_cause(parts, part):
    parts[part][4, 1] = np.nan
    with pytest.raises(InputError, match=r"1 of \d+ rows.*row 4.*diverged"):
        evaluate_linear_svm(*parts, CLASSES, PROTOCOL)


def test_shapes_that_do_not_fit_are_refused(parts):
    with pytest.raises(ValueError, match=r"train_targets.*\[N, 2\]"):
        evaluate_linear_svm(*parts, CLASSES[:2], PROTOCOL)
    train, targets, test, test_targets = parts
    with pytest.raises(ValueError, match="test_features"):
        evaluate_linear_svm(
            train, targets, test[:5], test_targets, CLASSES, PROTOCOL
        )


def result_of(mean, **per_class):
    return {"mean": mean, "per_class": per_class}


def test_a_difference_is_after_minus_before_with_its_sign():
    before = result_of(60.0, cat=50.0, dog=70.0, cow=None)
    after = result_of(55.5, cat=61.0, dog=50.0, cow=None)
    compared = compare(before, after)
    assert compared["before"] is before and compared["after"] is after
    assert compared["difference"] == {
        "mean": -4.5,
        "per_class": {"cat": 11.0, "dog": -20.0, "cow": None},
    }


def test_results_on_other_classes_are_not_compared():
    with pytest.raises(ValueError, match="same classes"):
        compare(result_of(1.0, cat=1.0), result_of(1.0, dog=1.0))
