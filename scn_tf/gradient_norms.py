"""Norms of gradients, for the run's log.

In: what a pair model computes, the variables of its parts. Out: a function
that measures and changes nothing.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import tensorflow as tf

from scn_tf.pair_model import Forward
from scn_tf.recipe import TrainOptions
from scn_tf.step import make_gradients
from scn_tf.step import take_parts


def make_gradient_norms(
    forward: Forward,
    parts: Mapping[str, Sequence[keras.Variable]],
    strategy: tf.distribute.Strategy,
    options: TrainOptions,
) -> Callable[[Iterator], dict[str, tf.Tensor]]:
    """Returns a function that measures gradients and changes nothing.

    Args:
        forward: a batch -> what the pair model says of it, see
            `scn_tf.pair_model.forward_of`.
        parts: the variables of each part of the network by name.
        strategy: spreads the batch.
        options: the recipe.

    Returns:
        `iterator -> norms by name` of the loss's gradient over the first
        batch of every replica's next element, without weight decay.
    """
    gradients_of = make_gradients(forward, options)
    parts = {name: list(part) for name, part in parts.items() if part}

    def replica_norms(chunk: dict) -> dict[str, tf.Tensor]:
        context = tf.distribute.get_replica_context()
        values = [v.value for part in parts.values() for v in part]
        batch = take_parts(chunk, 0, options.accumulate)
        _, gradients = gradients_of(batch, values)
        gradients = [tf.cast(gradient, tf.float32) for gradient in gradients]
        gradients = iter(context.all_reduce("SUM", gradients))
        return {
            name: tf.linalg.global_norm([next(gradients) for _ in part])
            for name, part in parts.items()
        }

    @tf.function
    def norms(iterator: Iterator) -> dict[str, tf.Tensor]:
        results = strategy.run(replica_norms, args=(next(iterator),))
        return {
            name: strategy.experimental_local_results(value)[0]
            for name, value in results.items()
        }

    return norms
