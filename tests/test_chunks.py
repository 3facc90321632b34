"""Laws of joined batches."""

import numpy as np
import tensorflow as tf

from scn_tf.chunks import join
from scn_tf.chunks import take

RNG = np.random.default_rng(0)


def make_batch(rows):
    return {
        "features": RNG.normal(size=(rows, 2, 3)).astype(np.float32),
        "source": RNG.integers(0, 9, 5).astype(np.int32),
        "num_pairs": np.float32(5 + rows),
    }


def test_every_batch_comes_back():
    batches = [make_batch(rows) for rows in (3, 0, 4)]
    joined = {name: tf.constant(v) for name, v in join(batches).items()}
    taking = tf.function(take)
    for index, batch in enumerate(batches):
        taken = taking(joined, tf.constant(index))
        assert taken.keys() == batch.keys()
        for name, values in batch.items():
            np.testing.assert_array_equal(taken[name], values)
            assert taken[name].dtype == values.dtype


def test_trailing_axes_stay_known_to_a_graph():
    joined = join([make_batch(3), make_batch(4)])

    @tf.function(
        input_signature=[
            {
                n: tf.TensorSpec([None, *v.shape[1:]], v.dtype)
                for n, v in joined.items()
            }
        ]
    )
    def shape(joined):
        batch = take(joined, tf.constant(1))
        assert batch["features"].shape.as_list() == [None, 2, 3]
        assert batch["num_pairs"].shape.as_list() == []
        return tf.shape(batch["features"])

    np.testing.assert_array_equal(shape(joined), [4, 2, 3])
