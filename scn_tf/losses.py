"""The squared loss of Eq. 2, per pair.

In: predictions and targets of pairs. Out: one number per pair; who averages
over the pairs knows how many the whole batch has.
"""

import keras
from keras import ops


def pair_losses(
    prediction: keras.KerasTensor,
    target: keras.KerasTensor,
    reduction: str = "sum",
) -> keras.KerasTensor:
    """Squared error of each pair over the feature dimensions (Eq. 2).

    Args:
        prediction: [P, D] float, h3.
        target: [P, D] float, g of the target patch.
        reduction: "sum" over the D features as in Eq. 2, or "mean".

    Returns:
        [P] float, at least 0.

    Raises:
        ValueError: if the shapes differ or `reduction` is unknown.
    """
    if len(prediction.shape) != 2 or len(target.shape) != 2:
        raise ValueError(
            "`prediction` and `target` must be [pairs, features]. Received: "
            f"{prediction.shape} and {target.shape}."
        )
    if prediction.shape[-1] != target.shape[-1]:
        raise ValueError(
            "`prediction` and `target` must have as many features. Received: "
            f"{prediction.shape[-1]} and {target.shape[-1]}."
        )
    squared = ops.square(prediction - target)  # [P, D]
    if reduction == "sum":
        return ops.sum(squared, axis=-1)
    if reduction == "mean":
        return ops.mean(squared, axis=-1)
    raise ValueError(
        f"`reduction` must be 'sum' or 'mean'. Received: {reduction!r}."
    )
