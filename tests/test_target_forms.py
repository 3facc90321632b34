"""Forms of the targets: what is made equal, and what stays."""

import numpy as np
import pytest

from scn_tf.target_forms import permuted_targets
from scn_tf.target_forms import TargetForm

RNG = np.random.default_rng(0)
TRAIN = (RNG.normal(size=(5000, 4)) * [1, 2, 3, 0] + [5, 0, 1, 7]).astype(
    np.float16
)


def test_standardized_features_are_spread_alike():
    formed = TargetForm("standardized", TRAIN)(TRAIN)
    assert formed.dtype == np.float32
    np.testing.assert_allclose(formed.mean(0), 0, atol=1e-4)
    deviation = formed.std(0)
    np.testing.assert_allclose(deviation[:3], deviation[0], rtol=1e-3)
    # A feature that never changes tells nothing.
    assert (formed[:, 3] == 0).all()


def test_the_spread_of_all_features_together_stays():
    varied = TRAIN[:, :3]
    formed = TargetForm("standardized", varied)(varied)
    total = np.asarray(varied, np.float32).var(0).sum()
    assert formed.var(0).sum() == pytest.approx(total, rel=1e-3)


def test_unit_targets_keep_direction_and_mean_length():
    formed = TargetForm("unit", TRAIN)(TRAIN)
    lengths = np.linalg.norm(formed, axis=1)
    mean = np.linalg.norm(np.asarray(TRAIN, np.float32), axis=1).mean()
    np.testing.assert_allclose(lengths, mean, rtol=1e-4)
    cosine = (formed * np.asarray(TRAIN, np.float32)).sum(1)
    cosine /= lengths * np.linalg.norm(np.asarray(TRAIN, np.float32), axis=1)
    np.testing.assert_allclose(cosine, 1, rtol=1e-4)


def test_other_rows_are_formed_by_the_training_rows():
    form = TargetForm("standardized", TRAIN)
    np.testing.assert_allclose(form(TRAIN[7:9]), form(TRAIN)[7:9])
    zeros = TargetForm("unit", TRAIN)(np.zeros((2, 4), np.float32))
    assert (zeros == 0).all()


def test_permuted_targets_are_those_of_other_patches():
    rows = np.arange(40, dtype=np.float16).reshape(20, 2)
    mixed = permuted_targets(rows, seed=1)
    assert not np.array_equal(mixed, rows)
    np.testing.assert_array_equal(mixed[np.argsort(mixed[:, 0])], rows)
    np.testing.assert_array_equal(mixed, permuted_targets(rows, seed=1))
    assert not np.array_equal(mixed, permuted_targets(rows, seed=2))


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="'whitened'"):
        TargetForm("whitened", TRAIN)
