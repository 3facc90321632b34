"""Vectors of unit length, alone or side by side.

In: rows of any length. Out: rows of which only the direction counts.
"""

import numpy as np


def of_unit_length(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean lengths; zero rows stay zero.

    Args:
        vectors: [N, D] of any float type.

    Returns:
        [N, D] of the same type.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def side_by_side(*parts: np.ndarray) -> np.ndarray:
    """Several vectors of each row as one, each part of unit length.

    Args:
        *parts: [N, ...] each, of the same rows.
    """
    return np.concatenate([of_unit_length(part) for part in parts], axis=1)
