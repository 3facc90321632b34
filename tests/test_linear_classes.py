"""Accuracy of one label per row: what is separable is told apart."""

import numpy as np
import pytest

from scn_tf.evaluation import linear_classes
from scn_tf.evaluation.linear_classes import predict_classes

RNG = np.random.default_rng(0)
CENTERS = np.eye(3, 8)


def rows(number, noise):
    labels = RNG.integers(0, 3, number) * 5  # labels need not be consecutive
    features = CENTERS[labels // 5] + noise * RNG.normal(size=(number, 8))
    return features.astype(np.float32), labels


@pytest.mark.parametrize("c_grid", [(1.0,), (0.001, 1.0)])
def test_separable_classes_are_told_apart(c_grid):
    train, labels = rows(120, 0.1)
    test, true = rows(60, 0.1)
    groups = np.arange(120) // 2
    said, c, failures = predict_classes(train, labels, test, c_grid, groups)
    assert (said == true).mean() > 0.95
    assert c in c_grid
    assert failures == 0


def test_lengths_of_rows_do_not_matter():
    train, labels = rows(90, 0.2)
    test, _ = rows(40, 0.2)
    groups = np.arange(90)
    once, *_ = predict_classes(train, labels, test, (1.0,), groups)
    scaled = train * RNG.uniform(1, 9, (90, 1)).astype(np.float32)
    again, *_ = predict_classes(scaled, labels, test * 3, (1.0,), groups)
    np.testing.assert_array_equal(once, again)


def test_machines_that_run_out_of_iterations_are_counted(monkeypatch):
    monkeypatch.setattr(linear_classes, "_MAX_ITERATIONS", 1)
    train, labels = rows(90, 0.5)
    *_, failures = predict_classes(train, labels, train, (1e3,), np.arange(90))
    assert failures == 3


def test_c_is_chosen_on_photographs_that_are_not_fitted():
    # Every photograph has a row of its own label and direction: only a weak
    # machine, that learns the frequent label, is right about others.
    groups = np.arange(80)
    features = np.eye(80, dtype=np.float32)
    labels = np.where(groups % 4 == 0, 1, 0)
    _, c, _ = predict_classes(features, labels, features, (1e-4, 1e4), groups)
    assert c == 1e-4
