"""Laws of the pair loss (Eq. 2)."""

import numpy as np
import pytest

from scn_tf.losses import pair_losses

PREDICTION = np.array([[1.0, 2.0], [0.0, 0.0]], np.float32)
TARGET = np.array([[4.0, 2.0], [1.0, -2.0]], np.float32)


def test_sum_runs_over_the_features_of_each_pair():
    # (1-4)^2 + 0 = 9; 1 + 4 = 5
    np.testing.assert_allclose(pair_losses(PREDICTION, TARGET), [9.0, 5.0])


def test_mean_is_the_sum_over_the_number_of_features():
    np.testing.assert_allclose(
        pair_losses(PREDICTION, TARGET, "mean"), [4.5, 2.5]
    )


def test_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="'median'"):
        pair_losses(PREDICTION, TARGET, "median")


def test_vectors_without_a_pair_axis_are_refused():
    with pytest.raises(ValueError, match="pairs, features"):
        pair_losses(PREDICTION[0], TARGET[0])


def test_one_number_is_not_held_against_many():
    """They would broadcast."""
    with pytest.raises(ValueError, match="as many features.*2 and 1"):
        pair_losses(PREDICTION, TARGET[:, :1])
    with pytest.raises(ValueError, match="as many features.*1 and 2"):
        pair_losses(PREDICTION[:, :1], TARGET)
