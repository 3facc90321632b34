"""Laws of the nearest: cosines worked out by hand."""

import numpy as np

from scn_tf.embedding import nearest as nearest_module
from scn_tf.embedding.nearest import nearest

FEATURES = np.float32([[2, 0], [0, 3], [1, 1], [-1, 0], [0, 0], [5, 5]])
QUERY = np.float32([4, 0])


def test_similarities_are_cosines_of_any_length(monkeypatch):
    for at_once in (1, 4, 100):
        monkeypatch.setattr(nearest_module, "_ROWS_AT_ONCE", at_once)
        rows, similarities = nearest(FEATURES, QUERY, 6)
        # Equal ones in their order: 2 before 5, 1 before 4.
        assert rows.tolist() == [0, 2, 5, 1, 4, 3]
        half = 2**-0.5
        np.testing.assert_allclose(
            similarities, [1, half, half, 0, 0, -1], atol=1e-7
        )


def test_the_query_itself_is_left_out():
    rows, _ = nearest(FEATURES, FEATURES[2], 2, leave_out=2)
    assert rows.tolist() == [5, 0]


def test_fewer_come_where_there_are_fewer():
    assert len(nearest(FEATURES, QUERY, 100)[0]) == 6
    assert len(nearest(FEATURES[:0], QUERY, 5)[0]) == 0
    assert len(nearest(FEATURES[:1], QUERY, 5, leave_out=0)[0]) == 0
