"""Photographs -> proposals -> pairs -> sharded TFRecords -> tf.data."""
