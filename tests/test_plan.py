import collections
import pathlib

import pytest
from small_source import small_options
from small_source import SmallSource

from tfrecords.image_record import ImageKey
from tfrecords.plan import plan_shards
from tfrecords.plan import sample_keys


def keys_of(**numbers):
    """Keys of the splits in turns, so that splits are not contiguous."""
    keys = [
        (i / number, ImageKey(split, f"{split}{i}"))
        for split, number in numbers.items()
        for i in range(number)
    ]
    return [key for _, key in sorted(keys, key=lambda pair: pair[0])]


def count(keys):
    return dict(collections.Counter(key.split for key in keys))


@pytest.mark.parametrize("limit", [0, 30, 31])
def test_without_an_effective_limit_all_are_taken(limit):
    keys = keys_of(train=20, val=10)
    assert sample_keys(keys, limit, 0) == keys


@pytest.mark.parametrize(
    ("limit", "taken"),
    [
        (15, {"train": 10, "val": 5}),  # half of 20 and of 10
        (10, {"train": 7, "val": 3}),  # 6.67 and 3.33
        (3, {"train": 2, "val": 1}),
        (1, {"train": 1}),
    ],
)
def test_splits_keep_their_share(limit, taken):
    assert count(sample_keys(keys_of(train=20, val=10), limit, 0)) == taken


def test_a_small_split_keeps_two_images():
    sampled = sample_keys(keys_of(train=100, val=3, test=1), 10, 0)
    assert count(sampled) == {"train": 7, "val": 2, "test": 1}


def test_the_sample_is_random_in_order_and_decided_by_the_seed():
    keys = keys_of(train=50, val=50)
    sampled = sample_keys(keys, 20, 3)
    assert sampled == sample_keys(keys, 20, 3)
    assert sampled != sample_keys(keys, 20, 4)
    places = [keys.index(key) for key in sampled]
    assert places == sorted(set(places))


def test_shards_hold_all_images_once_in_order():
    source = SmallSource(num_train=7, num_val=2)
    tasks = plan_shards(
        source, small_options(num_shards=3), pathlib.Path("dir")
    )
    assert [str(task.path) for task in tasks] == [
        "dir/train-00000-of-00003.tfrecord",
        "dir/train-00001-of-00003.tfrecord",
        "dir/train-00002-of-00003.tfrecord",
        "dir/val-00000-of-00002.tfrecord",
        "dir/val-00001-of-00002.tfrecord",
    ]
    assert [len(task.keys) for task in tasks] == [2, 2, 3, 1, 1]
    assert [task.split for task in tasks] == ["train"] * 3 + ["val"] * 2
    assert [key for task in tasks for key in task.keys] == source.keys()


def test_the_limit_is_kept():
    tasks = plan_shards(
        SmallSource(), small_options(limit_images=4), pathlib.Path("dir")
    )
    assert sum(len(task.keys) for task in tasks) == 4


@pytest.mark.parametrize(
    ("images", "shards"), [(3, 3), (20, 8), (8000, 8), (8001, 9), (20_500, 21)]
)
def test_by_default_a_file_holds_about_a_thousand_images(images, shards):
    source = SmallSource(num_train=images, num_val=0)
    tasks = plan_shards(
        source, small_options(num_shards=0), pathlib.Path("dir")
    )
    assert len(tasks) == shards
    assert max(len(task.keys) for task in tasks) <= 1000
