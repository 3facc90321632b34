"""Several steps' batches as one element, so that steps come in few calls.

In: the batches of consecutive steps. Out: their rows one after the other,
and each batch of them again, where it is computed. A step of a small network
takes less time than asking for its batch does.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

# Where the batches end in the rows of an array of that name.
_ENDS = "/ends"


def join(batches: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Batches [n, ...] by name -> their concatenations and where each ends.

    Args:
        batches: K of them, with the same names; n may differ. What has no
            axis is stacked.

    Returns:
        [sum of n, ...] and [K] or [K + 1] by name.
    """
    joined = {}
    for name, first in batches[0].items():
        arrays = [batch[name] for batch in batches]
        if np.ndim(first) == 0:
            joined[name] = np.stack(arrays)
            continue
        lengths = [len(array) for array in arrays]
        joined[name] = np.concatenate(arrays)
        joined[name + _ENDS] = np.cumsum([0, *lengths], dtype=np.int32)
    return joined


def take(joined: dict[str, tf.Tensor], index: tf.Tensor) -> dict:
    """Batch number `index` of what `join` made; works in a `tf.function`."""
    batch = {}
    for name, rows in joined.items():
        ends = joined.get(name + _ENDS)
        if ends is not None:
            batch[name] = rows[ends[index] : ends[index + 1]]
        elif not name.endswith(_ENDS):
            batch[name] = rows[index]
    return batch
