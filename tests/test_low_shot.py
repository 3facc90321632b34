import json

import numpy as np
import pytest

from scn_tf.evaluation.linear_svm import evaluate_linear_svm
from scn_tf.evaluation.low_shot import low_shot_curves
from scn_tf.evaluation.low_shot import low_shot_targets
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from tfrecords.errors import InputError

CLASSES = ["cat", "cow", "dog"]
PROTOCOL = LinearSvmProtocol(c_grid=(1.0,), seed=1)
FEW = (1, 4, 16)


def clusters(rng, num_rows, spread=0.6):
    labels = np.arange(num_rows) % len(CLASSES)
    features = np.eye(8)[labels] + spread * rng.standard_normal((num_rows, 8))
    return features.astype(np.float32), np.eye(3, dtype=np.int8)[labels]


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    return (*clusters(rng, 120), *clusters(rng, 90))


def curves(parts, features=None, protocol=PROTOCOL, **options):
    train, train_targets, test, test_targets = parts
    features = features or {"before": (train, test)}
    options = {"num_examples": FEW, "num_draws": 3} | options
    return low_shot_curves(
        features, train_targets, test_targets, CLASSES, protocol, **options
    )


def test_a_class_is_given_n_positives_and_two_n_negatives_of_three():
    targets = clusters(np.random.default_rng(0), 120)[1]
    targets[::5, 1] = -1
    few = low_shot_targets(targets, 4, (1, 0))
    assert ((few == 1).sum(axis=0) == 4).all()
    assert ((few == 0).sum(axis=0) == 8).all()
    given = few >= 0
    np.testing.assert_array_equal(few[given], targets[given])


def test_rows_of_several_classes_may_serve_in_each():
    targets = np.ones((6, 3), np.int8)
    targets[3:] = 0
    few = low_shot_targets(targets, 3, (1, 0))
    np.testing.assert_array_equal(few[:3], 1)
    np.testing.assert_array_equal(few[3:], 0)


def test_draws_are_nested_and_differ_from_each_other():
    targets = clusters(np.random.default_rng(0), 120)[1]
    small, large, other = (
        low_shot_targets(targets, n, (1, draw))
        for n, draw in ((4, 0), (16, 0), (4, 1))
    )
    np.testing.assert_array_equal(large[small >= 0], small[small >= 0])
    assert (small != other).any()


def test_more_examples_than_there_are_take_all():
    targets = clusters(np.random.default_rng(0), 30)[1]
    np.testing.assert_array_equal(
        low_shot_targets(targets, 50, (0, 0)), targets
    )


def test_a_mean_is_that_of_svms_on_the_draws(parts):
    train, train_targets, test, test_targets = parts
    result = curves(parts, form="area")
    expected = [
        evaluate_linear_svm(
            train,
            low_shot_targets(train_targets, 4, (1, draw)),
            test,
            test_targets,
            CLASSES,
            PROTOCOL,
        )["by_form"]["area"]["mean"]
        for draw in range(3)
    ]
    curve = result["curves"]["before"]
    assert curve["draws"][1] == pytest.approx(expected)
    assert curve["mean"][1] == pytest.approx(np.mean(expected))
    assert curve["std"][1] == pytest.approx(np.std(expected, ddof=1))
    assert (result["C"], result["form"]) == (1.0, "area")


def test_more_examples_rank_better(parts):
    mean = curves(parts)["curves"]["before"]["mean"]
    assert mean[0] < mean[1] < mean[2]


def test_all_features_have_the_same_draws(parts):
    train, _, test, _ = parts
    features = {"before": (train, test), "after": (2 * train, 2 * test)}
    result = curves(parts, features)["curves"]
    assert result["after"]["draws"] == result["before"]["draws"]
    worse = curves(parts, {"noise": (train[::-1], test)})["curves"]["noise"]
    assert worse["mean"][2] < result["before"]["mean"][2]


def test_normalization_is_the_protocols(parts):
    train, _, test, _ = parts
    plain = LinearSvmProtocol(c_grid=(1.0,), seed=1, normalize=False)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (train, test)]
    first = curves(parts)["curves"]["before"]
    second = curves(parts, {"unit": unit}, plain)["curves"]["unit"]
    third = curves(parts, None, plain)["curves"]["before"]
    assert second["mean"] == pytest.approx(first["mean"], abs=0.1)
    assert third["mean"] != pytest.approx(first["mean"], abs=0.1)


def test_classes_with_fewer_rows_are_named_with_their_number(parts):
    targets = parts[1]
    for column, value, number in ((0, 1, 9), (2, 0, 20)):
        rows = np.flatnonzero(targets[:, column] == value)
        targets[rows[number:], column] = -1
    result = curves(parts)
    assert result["fewer_positives"] == {"cat": 9}
    assert result["fewer_negatives"] == {"dog": 20}
    assert None not in result["curves"]["before"]["mean"]


def test_a_class_without_positives_is_named_and_left_out_of_the_mean(parts):
    parts[1][:, 0] = 0
    result = curves(parts, num_examples=(1,))
    assert result["fewer_positives"] == {"cat": 0}
    assert result["curves"]["before"]["mean"][0] > 33


def test_nothing_to_measure_is_none(parts):
    parts[3][:] = 0
    curve = curves(parts, num_examples=(1,))["curves"]["before"]
    assert curve == {"mean": [None], "std": [None], "draws": [[None] * 3]}


def test_the_result_is_plain_json_and_a_function_of_the_seed(parts):
    result = curves(parts)
    assert json.loads(json.dumps(result)) == result
    assert curves(parts) == result
    other = LinearSvmProtocol(c_grid=(1.0,), seed=2)
    assert curves(parts, None, other) != result


def test_several_values_of_c_and_unknown_forms_are_refused(parts):
    with pytest.raises(ValueError, match="one value"):
        curves(parts, None, LinearSvmProtocol())
    with pytest.raises(ValueError, match="'voc'.*eleven_point"):
        curves(parts, form="voc")


def test_features_that_are_not_finite_are_named(parts):
    parts[2][4, 1] = np.nan
    with pytest.raises(InputError, match="before, test.*row 4"):
        curves(parts)


def test_progress_counts_every_draw_of_all_features(parts, capsys):
    curves(parts, progress="low-shot")
    assert "9/9" in capsys.readouterr().err
