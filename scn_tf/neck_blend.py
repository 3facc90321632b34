"""A network on the way from where it began to what it became.

In: both. Out: weights between them. Networks on the straight line between a
pre-trained one and the same after more training often serve better than
either end (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models",
arXiv 2109.01903); none is larger or slower than the other.
"""

import keras


def blend_weights(
    trained: keras.Model, start: keras.Model, share: float
) -> None:
    """Takes a network back towards the weights that it began with.

    Args:
        trained: is changed; weights of other dtypes than floats stay.
        start: of the same layers, with the weights of the beginning.
        share: of the change that is kept: 1 keeps all, 0 takes all back.

    Raises:
        ValueError: if `share` is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"`share` must be from 0 to 1. Received: {share}.")
    if share == 1:  # to the last bit
        return
    for weight, first in zip(trained.weights, start.weights, strict=True):
        if keras.backend.is_float_dtype(weight.dtype):
            weight.assign(first + share * (weight - first))
