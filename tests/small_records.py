"""Small finished folders of records, written without the builder."""

import hashlib

import numpy as np
import tensorflow as tf

from tfrecords.manifest import Manifest
from tfrecords.manifest import Shard
from tfrecords.manifest import Split
from tfrecords.manifest import write_manifest
from tfrecords.schema import SCHEMA_VERSION
from tfrecords.schema import snap
from tfrecords.schema import StoredRecord
from tfrecords.schema import to_example

CLASSES = ("cat", "dog")


def make_record(split, index, num_boxes, num_objects=1):
    """Returns a random picture with random boxes inside, of its own size."""
    rng = np.random.default_rng([index, len(split)])
    height, width = 40 + index, 60 - index
    coarse = rng.integers(0, 255, [8, 6, 3])
    image = np.kron(coarse, np.ones([12, 12, 1]))[:height, :width]
    encoded = tf.io.encode_jpeg(image.astype(np.uint8)).numpy()
    return StoredRecord(
        image_id=f"{split}-{index}",
        encoded=encoded,
        height=height,
        width=width,
        object_boxes=random_boxes(rng, num_objects, height, width),
        object_labels=np.arange(num_objects) % 3 - 1,
        object_difficult=np.arange(num_objects) % 2 == 0,
        proposal_boxes=random_boxes(rng, num_boxes, height, width),
        proposal_scores=rng.uniform(size=num_boxes).astype(np.float32),
        proposal_labels=np.arange(num_boxes) % 3 - 1,
        pairs=np.stack(np.triu_indices(num_boxes, 1), axis=1),
    )


def random_boxes(rng, number, height, width):
    ends = rng.uniform(0, 1, [2, number, 2]) * [height, width]
    ends = np.sort(ends, axis=0)
    return snap(np.concatenate([ends[0], ends[1]], axis=1))


def write_records(folder, shards):
    """Writes `shards`: file name -> records, and their manifest."""
    splits = {}
    for name, records in shards.items():
        path = folder / name
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                is_raw = isinstance(record, bytes)
                writer.write(record if is_raw else to_example(record))
        content = path.read_bytes()
        shard = Shard(
            name,
            hashlib.sha256(content).hexdigest(),
            len(content),
            len(records),
        )
        splits.setdefault(name.partition("-")[0], []).append(shard)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        source="small",
        source_digest="",
        classes=CLASSES,
        options={},
        splits={
            split: Split(sum(s.images for s in parts), 0, 0, 0, tuple(parts))
            for split, parts in splits.items()
        },
        skipped=(),
        notes={},
        versions={},
        digest="",
    )
    write_manifest(manifest, folder)


def with_pair(record, number):
    """Returns a record as bytes, with `number` as one more pair."""
    example = tf.train.Example.FromString(to_example(record))
    example.features.feature["pair"].int64_list.value.append(number)
    return example.SerializeToString()
