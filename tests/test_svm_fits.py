import warnings

import numpy as np
import pytest

from scn_tf.evaluation import svm_fits
from scn_tf.evaluation import svm_protocol
from scn_tf.evaluation.svm_fits import fit_svms
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol

PROTOCOL = LinearSvmProtocol(seed=1)


@pytest.fixture
def part():
    """Three noisy clusters along the first axes, one class each."""
    labels = np.arange(60) % 3
    rng = np.random.default_rng(2)
    features = np.eye(12)[labels] + rng.standard_normal((60, 12))
    return features, np.eye(3, dtype=np.int8)[labels]


def test_two_runs_are_equal_to_the_last_bit_on_any_number_of_threads(
    part, monkeypatch
):
    first = fit_svms(*part, PROTOCOL)
    again = fit_svms(*part, PROTOCOL)
    monkeypatch.setattr(svm_fits, "_MAX_WORKERS", 1)
    alone = fit_svms(*part, PROTOCOL)
    for other in (again, alone):
        assert other.c == first.c
        for column, weights in first.weights.items():
            np.testing.assert_array_equal(other.weights[column], weights)


def test_fits_that_do_not_converge_are_counted_and_make_no_warning(
    part, monkeypatch
):
    monkeypatch.setattr(svm_protocol, "_MAX_ITERATIONS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = fit_svms(*part, PROTOCOL)
    # Three classes, each 3 folds x 4 values of C and the final fit.
    assert fitted.failures == 3 * (3 * 4 + 1)


def test_progress_counts_every_fit_on_stderr(part, capsys):
    fit_svms(*part, PROTOCOL, "SVM before")
    error = capsys.readouterr().err
    assert "SVM before: 100%" in error
    assert "39/39" in error
    fit_svms(*part, PROTOCOL)
    assert capsys.readouterr().err == ""


def test_a_single_c_is_fitted_once_per_class_without_folds(part, capsys):
    features, targets = part
    targets[:, 0] = 0
    targets[0, 0] = 1
    fitted = fit_svms(features, targets, LinearSvmProtocol((0.5,)), "SVM")
    assert "3/3" in capsys.readouterr().err
    assert fitted.c == {0: 0.5, 1: 0.5, 2: 0.5}
    assert fitted.fixed == []


def test_a_class_without_positives_or_negatives_is_not_fitted(part):
    features, targets = part
    targets[:, 0] = 0
    targets[:, 1] = np.where(targets[:, 1] == 1, 1, -1)
    assert list(fit_svms(features, targets, PROTOCOL).weights) == [2]
