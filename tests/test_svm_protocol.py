import numpy as np
import pytest

from scn_tf.evaluation.svm_protocol import choose_c
from scn_tf.evaluation.svm_protocol import fit_weights
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.evaluation.svm_protocol import make_folds
from tfrecords.errors import InputError

GRID = LinearSvmProtocol(c_grid=(3.0, 0.1, 1.0))


def test_the_best_mean_over_the_folds_wins():
    # Rising C: means 50, 65, 60.
    assert choose_c([[40, 70, 60], [60, 60, 60]], GRID) == 1.0


def test_a_tie_takes_the_smaller_c_also_across_the_last_bit():
    assert choose_c([[60, 60, 60]], GRID) == 0.1
    assert choose_c([[60, 60 + 1e-12, 60]], GRID) == 0.1
    assert choose_c([[50, 60, 60]], GRID) == 1.0


def test_without_folds_c_is_one():
    assert choose_c([], LinearSvmProtocol(c_grid=(0.5, 0.6))) == 1.0


def test_a_single_c_is_taken_without_folds():
    protocol = LinearSvmProtocol(c_grid=(0.5,))
    assert make_folds(np.arange(60) % 2, 0, protocol) == []
    assert choose_c([], protocol) == 0.5
    assert "0.5" in protocol.describe_c()
    assert "cross-validation" not in protocol.describe_c()


def test_folds_are_stratified_disjoint_and_free_of_left_out_rows():
    target = np.array([1, 0, -1] * 12)
    folds = make_folds(target, 7, LinearSvmProtocol())
    assert [fold.column for fold in folds] == [7, 7, 7]
    for fold in folds:
        assert not set(fold.train) & set(fold.held_out)
        assert (target[fold.held_out] == 1).sum() == 4
        assert (target[fold.held_out] == 0).sum() == 4
    held_out = np.sort(np.concatenate([fold.held_out for fold in folds]))
    np.testing.assert_array_equal(held_out, np.flatnonzero(target >= 0))


def test_folds_are_a_function_of_the_seed():
    target = np.arange(60) % 2

    def rows(seed):
        protocol = LinearSvmProtocol(seed=seed)
        return make_folds(target, 0, protocol)[0].held_out.tolist()

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


@pytest.mark.parametrize(
    ("num_positives", "num_folds"), [(0, 0), (1, 0), (2, 2), (3, 3), (9, 3)]
)
def test_few_positives_make_fewer_folds(num_positives, num_folds):
    target = np.array([1] * num_positives + [0] * 20)
    assert len(make_folds(target, 0, LinearSvmProtocol())) == num_folds
    # Few negatives are the same trouble.
    assert len(make_folds(1 - target, 0, LinearSvmProtocol())) == num_folds


def test_the_weights_are_those_of_the_smallest_loss():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((40, 3))
    target = (features[:, 0] + 0.5 * rng.standard_normal(40) > 0).astype(int)
    weights, failed = fit_weights(features, target, 0.7)
    assert not failed
    sign = 2 * target - 1

    def loss(weights, bias):
        margin = np.maximum(0, 1 - sign * (features @ weights + bias))
        penalty = 0.5 * (weights @ weights + bias**2)
        return penalty + 0.7 * np.sum(margin**2)

    grid = np.linspace(-1, 1, 2001)
    best_bias = grid[np.argmin([loss(weights, bias) for bias in grid])]
    best = loss(weights, best_bias)
    for axis in range(3):
        for step in (-0.02, 0.02):
            moved = weights + step * np.eye(3)[axis]
            assert loss(moved, best_bias) > best


@pytest.mark.parametrize(
    "wrong", [{"c_grid": ()}, {"c_grid": (1.0, 0.0)}, {"folds": 1}]
)
def test_a_protocol_that_cannot_choose_is_refused(wrong):
    with pytest.raises(InputError, match="two or more folds"):
        LinearSvmProtocol(**wrong)


def test_the_rule_for_c_is_spelled_out():
    text = GRID.describe_c()
    assert "0.1, 1, 3" in text and "3-fold" in text and "training" in text
