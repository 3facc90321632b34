import json

import numpy as np
import pytest

from scn_tf.evaluation.average_precision import all_forms
from scn_tf.evaluation.average_precision import FORMS
from scn_tf.evaluation.linear_svm import compare
from scn_tf.evaluation.linear_svm import evaluate_linear_svm
from scn_tf.evaluation.linear_svm import prepared
from scn_tf.evaluation.linear_svm import svm_scores
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
    normalized = prepared("features", features, normalize=True)
    assert normalized.dtype == np.float64
    np.testing.assert_allclose(normalized, [[0.6, 0.8], [0, 0], [-1, 0]])
    untouched = prepared("features", features, normalize=False)
    assert untouched.dtype == np.float64
    np.testing.assert_array_equal(untouched, features)


def test_without_normalization_the_scale_of_the_features_counts(noisy_parts):
    train, targets, test, test_targets = noisy_parts
    protocol = LinearSvmProtocol(c_grid=(0.1,), normalize=False)

    def scores(factor):
        features = factor * train, targets, factor * test, test_targets
        return svm_scores(*features, CLASSES, protocol)[0]

    assert np.abs(scores(7) - scores(1)).max() > 0.01


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


def test_the_means_of_all_forms_stand_beside_scikit_learns(noisy_parts):
    scores, result = svm_scores(*noisy_parts, CLASSES, PROTOCOL)
    assert scores.shape == (90, 3)
    assert result["by_form"] == all_forms(noisy_parts[3], scores, CLASSES)
    scikit_learn = result["by_form"]["scikit_learn"]
    assert scikit_learn["mean"] == result["mean"]
    assert scikit_learn["per_class"] == result["per_class"]
    assert len({values["mean"] for values in result["by_form"].values()}) == 3
    assert evaluate_linear_svm(*noisy_parts, CLASSES, PROTOCOL) == result


def test_too_few_positives_fix_c_and_say_so(parts):
    train, targets, test, test_targets = parts
    one_left = np.where(np.cumsum(targets[:, 0]) > 1, -1, targets[:, 0])
    targets = np.stack([one_left, targets[:, 1], targets[:, 2]], axis=1)
    protocol = LinearSvmProtocol(c_grid=(0.5, 0.6))
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
    scores, result = svm_scores(
        train, targets, test, test_targets, CLASSES, PROTOCOL
    )
    assert np.isnan(scores[:, 0]).all()
    assert np.isfinite(scores[:, 1:]).all()
    assert result["left_out"] == ["cat", "cow"]
    assert result["C"]["cat"] is None
    assert result["per_class"]["cat"] is result["per_class"]["cow"] is None
    assert result["per_class"]["dog"] == pytest.approx(100)
    assert result["mean"] == pytest.approx(100)
    area = result["by_form"]["area"]
    assert area["mean"] == pytest.approx(100)
    assert area["per_class"]["cat"] is None


def test_no_rows_at_all_leave_every_class_out():
    features = np.zeros((0, 4), np.float32)
    targets = np.zeros((0, 3), np.int8)
    result = evaluate_linear_svm(
        features, targets, features, targets, CLASSES, PROTOCOL
    )
    assert result["mean"] is None
    assert result["left_out"] == CLASSES


def test_the_result_is_plain_json(parts):
    result = evaluate_linear_svm(*parts, CLASSES, PROTOCOL)
    assert json.loads(json.dumps(result)) == result


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


FORMS_AT = list(enumerate(FORMS))


def test_every_form_has_its_difference():
    def with_forms(mean, cat):
        forms = {form: result_of(mean + i, cat=cat) for i, form in FORMS_AT}
        return result_of(mean, cat=cat) | {"by_form": forms}

    difference = compare(with_forms(60.0, 50.0), with_forms(62.5, None))[
        "difference"
    ]
    assert list(difference["by_form"]) == list(FORMS)
    for values in difference["by_form"].values():
        assert values == {"mean": 2.5, "per_class": {"cat": None}}


def test_results_on_other_classes_are_not_compared():
    with pytest.raises(ValueError, match="same classes"):
        compare(result_of(1.0, cat=1.0), result_of(1.0, dog=1.0))
