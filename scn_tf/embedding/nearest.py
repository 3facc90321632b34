"""Which features are most alike: cosine similarity.

In: feature vectors. Out: the rows nearest to one of them.
"""

import numpy as np

from scn_tf.unit_length import of_unit_length

_ROWS_AT_ONCE = 1 << 16


def nearest(
    features: np.ndarray,
    query: np.ndarray,
    number: int,
    leave_out: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows whose direction is nearest to that of `query`.

    Cosine similarity of a and b: a . b / (|a| |b|); 0 where either is 0.

    Args:
        features: [N, D] float32.
        query: [D] float32.
        number: rows wanted; fewer come where there are fewer.
        leave_out: a row that does not count, such as the query itself.

    Returns:
        rows [n] int64, most alike first and of equals the first; their
        similarities [n] float32 in [-1, 1].
    """
    query = of_unit_length(query[np.newaxis])[0]
    similarities = np.concatenate(
        [np.zeros(0, np.float32)]
        + [
            of_unit_length(features[start : start + _ROWS_AT_ONCE]) @ query
            for start in range(0, len(features), _ROWS_AT_ONCE)
        ]
    )
    similarities = np.clip(similarities, -1, 1)
    order = np.argsort(-similarities, kind="stable")
    if leave_out is not None:
        order = order[order != leave_out]
    rows = order[:number]
    return rows, similarities[rows]
