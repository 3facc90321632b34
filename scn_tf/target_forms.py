"""What the head predicts of a target patch: features, in a form of choice.

In: features of the top stream as they are cached. Out: the same with every
feature spread alike, all of one length, or mixed up as a control. The scale
of the loss stays about what it was, so that one learning rate serves all.
"""

import numpy as np

from scn_tf.sharded_array import ShardedArray
from scn_tf.unit_length import of_unit_length

TARGETS = ("features", "permuted", "pixels", "standardized", "unit")
_CHUNK = 4096


class TargetForm:
    """Standardized or unit targets, by the numbers of the training patches.

    Args:
        form: "standardized": every feature less its mean and over its
            deviation, times the root of the mean variance; "unit": every
            vector over its length, times the mean length.
        targets: [N, D] of the training patches, any float type.

    Raises:
        ValueError: if the form is unknown.
    """

    def __init__(self, form: str, targets: np.ndarray | ShardedArray) -> None:
        if form not in ("standardized", "unit"):
            raise ValueError(
                f"`form` must be 'standardized' or 'unit'. Received: {form!r}."
            )
        self._form = form
        total = np.zeros(targets.shape[1])
        squares = np.zeros(targets.shape[1])
        lengths = 0.0
        for part in _chunks(targets):
            total += part.sum(axis=0, dtype=np.float64)
            squares += np.square(part, dtype=np.float64).sum(axis=0)
            lengths += float(np.linalg.norm(part, axis=1).sum())
        number = max(len(targets), 1)
        self._mean = (total / number).astype(np.float32)
        variance = np.maximum(squares / number - (total / number) ** 2, 0)
        deviation = np.sqrt(variance)
        # A feature that never changes stays nought.
        deviation[deviation < 1e-6 * max(deviation.max(), 1e-12)] = np.inf
        scale = np.sqrt(variance.mean())
        self._factor = (scale / deviation).astype(np.float32)
        self._length = lengths / number

    def __call__(self, targets: np.ndarray | ShardedArray) -> np.ndarray:
        """Targets [N, D] in this form, float32, in memory."""
        formed = [self._formed(part) for part in _chunks(targets)]
        return np.concatenate(formed or [np.zeros(targets.shape, np.float32)])

    def _formed(self, part: np.ndarray) -> np.ndarray:
        if self._form == "standardized":
            return (part - self._mean) * self._factor
        return of_unit_length(part) * self._length


def permuted_targets(
    targets: np.ndarray | ShardedArray, seed: int
) -> np.ndarray:
    """Returns every patch's target given to another patch, for good.

    A control: the network is moved as by the true targets, and learns nothing
    of any picture.

    Args:
        targets: [N, D] of any float type.
        seed: of the permutation.
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    return np.asarray(targets)[order]


def _chunks(rows: np.ndarray | ShardedArray):
    for start in range(0, len(rows), _CHUNK):
        yield np.asarray(rows[start : start + _CHUNK], np.float32)
