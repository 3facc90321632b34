"""Directions of rows, alone and side by side."""

import numpy as np
import pytest

from scn_tf.unit_length import of_unit_length
from scn_tf.unit_length import side_by_side


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_keep_direction_and_type(dtype):
    rows = of_unit_length(np.array([[3, 4], [-5, 0]], dtype))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [-1, 0]], rtol=1e-6)
    assert rows.dtype == dtype


def test_each_part_has_its_own_unit_length():
    one, other = np.array([[3.0, 4.0]]), np.array([[0.0, 0.0, 9.0]])
    joined = side_by_side(one, other)
    np.testing.assert_allclose(joined, [[0.6, 0.8, 0, 0, 1]])
