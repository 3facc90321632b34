"""Fills a small feature cache: python fill_cache.py FOLDER [SLOWLY].

A process of its own, so that a test may kill it; with TF_CONFIG, one of
several that fill it together.
"""

import sys
import time

import numpy as np
import tensorflow as tf
from absl import logging
from tiny import SIZE
from tiny import tiny_backbone

from scn_tf import feature_cache
from scn_tf.backbones import frozen_copy
from scn_tf.crew import Crew
from scn_tf.crew import local_devices
from scn_tf.distribution import make_strategy
from scn_tf.distribution import workers_watched
from tfrecords.errors import InputError

NUM_PATCHES = 1000
ROWS_PER_SHARD = 32


def read(rows: range, seconds: float = 0) -> tf.data.Dataset:
    """Patches that depend on their numbers, 7 per element."""

    def generate():
        for start in range(rows.start, rows.stop, 7):
            numbers = np.arange(start, min(start + 7, rows.stop))
            pixels = np.arange(SIZE * SIZE * 3).reshape(1, SIZE, SIZE, 3)
            time.sleep(seconds)
            yield (numbers[:, None, None, None] * 13 + pixels * 7).astype(
                np.uint8
            )

    signature = tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8)
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def fill(folder: str, seconds: float = 0) -> feature_cache.FeatureCache:
    """Fills the cache in `folder` in shards of a few kilobytes."""
    feature_cache._BATCH = ROWS_PER_SHARD
    feature_cache._SHARD_BYTES = 1
    strategy = make_strategy(())
    backbone = tiny_backbone()
    return feature_cache.cached_features(
        folder,
        {"kind": "proposals", "weights": "of the tiny network"},
        backbone,
        frozen_copy(backbone.neck),
        lambda rows: read(rows, seconds),
        NUM_PATCHES,
        feature_cache.CacheOptions(
            *("float16", "float32"),
            crew=Crew(local_devices(strategy), strategy),
        ),
    )


if __name__ == "__main__":
    print("READY", flush=True)
    logging.set_verbosity(logging.INFO)
    try:
        with workers_watched():
            fill(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 0)
    except InputError as error:
        sys.exit(str(error))
