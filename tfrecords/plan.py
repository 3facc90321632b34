"""Which photographs go into which file.

In: the names of a source's photographs. Out: the shards to write. The plan
depends on the options only, so every build of them cuts the same files.
"""

import collections
import pathlib
from collections.abc import Sequence

import numpy as np

from tfrecords.image_record import ImageKey
from tfrecords.options import BuildOptions
from tfrecords.shard import ShardTask
from tfrecords.sources.source import Source

# What an interrupted build does again is a shard at most; many small files
# are slow on network disks.
_IMAGES_PER_SHARD = 1000
_LEAST_SHARDS = 8


def sample_keys(
    keys: Sequence[ImageKey], limit_images: int, seed: int
) -> list[ImageKey]:
    """Returns `limit_images` of the keys, drawn at random, in their order.

    Every split keeps its share, and two images where the limit allows it.

    Args:
        keys: the photographs of all splits.
        limit_images: how many are wanted; 0 takes all.
        seed: of the draw.
    """
    if not limit_images or limit_images >= len(keys):
        return list(keys)
    positions = collections.defaultdict(list)
    for position, key in enumerate(keys):
        positions[key.split].append(position)
    least = min(2, limit_images // len(positions))
    taken = {split: min(least, len(positions[split])) for split in positions}
    for _ in range(limit_images - sum(taken.values())):
        # The split that lacks most of its share is served next.
        missing = {
            split: limit_images * len(there) / len(keys) - taken[split]
            for split, there in positions.items()
            if taken[split] < len(there)
        }
        taken[max(missing, key=missing.get)] += 1
    rng = np.random.default_rng(seed)
    chosen = [
        rng.choice(positions[split], taken[split], replace=False)
        for split in positions
    ]
    return [keys[position] for position in sorted(np.concatenate(chosen))]


def plan_shards(
    source: Source, options: BuildOptions, records_dir: pathlib.Path
) -> list[ShardTask]:
    """Returns the files to write, split by split in the source's order.

    A file holds consecutive images; the files of a split differ by one
    image at most. A split with fewer images than `options.num_shards` gets
    one file per image. With `num_shards` 0, a file holds about a thousand
    images, and there are at least 8.
    """
    keys = sample_keys(source.keys(), options.limit_images, options.seed)
    classes = tuple(source.classes)
    tasks = []
    for split in dict.fromkeys(key.split for key in keys):
        of_split = [key for key in keys if key.split == split]
        wanted = options.num_shards or max(
            _LEAST_SHARDS, -(-len(of_split) // _IMAGES_PER_SHARD)
        )
        num_shards = min(wanted, len(of_split))
        bounds = np.linspace(0, len(of_split), num_shards + 1).astype(int)
        for index in range(num_shards):
            name = f"{split}-{index:05d}-of-{num_shards:05d}.tfrecord"
            part = tuple(of_split[bounds[index] : bounds[index + 1]])
            path = records_dir / name
            tasks.append(ShardTask(split, path, part, classes))
    return tasks
