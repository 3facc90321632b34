"""Laws of several arrays read as one."""

import ml_dtypes
import numpy as np
import pytest

from scn_tf.sharded_array import ShardedArray

WHOLE = np.random.default_rng(0).normal(size=(11, 2, 3)).astype(np.float16)
INDICES = {
    "all": slice(None),
    "first": slice(0, 4),
    "across": slice(3, 9),
    "nothing": slice(5, 5),
    "from the end": slice(-3, None),
    "backwards": slice(None, None, -2),
    "past the end": slice(9, 50),
    "one": 7,
    "the last": -1,
    "any order": np.array([10, 0, 4, 3, 9]),
    "repeats": np.array([4, 4, 0, 10, 0, 4]),
    "negative": np.array([-1, 0, -11]),
    "a list": [1, 9],
    "no rows": np.zeros(0, np.int64),
    "an empty list": [],
    "small integers": np.array([3, 10], np.int32),
    "two axes": np.array([[0, 10], [4, 4], [5, 1]]),
}


@pytest.fixture(params=["in memory", "mapped", "bfloat16", "one shard"])
def arrays(request, tmp_path):
    """The sharded array and the whole one."""
    whole = WHOLE
    if request.param == "bfloat16":
        whole = WHOLE.astype(ml_dtypes.bfloat16)
    step = 11 if request.param == "one shard" else 4
    parts = [whole[start : start + step] for start in range(0, 11, step)]
    if request.param == "mapped":
        for number, part in enumerate(parts):
            np.save(tmp_path / f"{number}.npy", part)
        parts = [
            np.load(tmp_path / f"{number}.npy", mmap_mode="r")
            for number in range(len(parts))
        ]
    return ShardedArray(parts), whole


@pytest.mark.parametrize("name", INDICES)
def test_rows_are_those_of_the_concatenation(arrays, name):
    sharded, whole = arrays
    rows = sharded[INDICES[name]]
    expected = (
        whole[np.asarray(INDICES[name], np.int64)]
        if isinstance(INDICES[name], list)
        else whole[INDICES[name]]
    )
    assert rows.dtype == whole.dtype
    np.testing.assert_array_equal(rows, expected)


def test_it_describes_itself_as_the_whole(arrays):
    sharded, whole = arrays
    assert len(sharded) == 11
    assert sharded.shape == whole.shape
    assert sharded.ndim == 3
    assert sharded.dtype == whole.dtype
    assert sharded.nbytes == whole.nbytes
    np.testing.assert_array_equal(np.asarray(sharded), whole)
    as_single = np.asarray(sharded, np.float32)
    assert as_single.dtype == np.float32
    np.testing.assert_array_equal(as_single, whole.astype(np.float32))


@pytest.mark.parametrize("row", [11, -12, [0, 11]])
def test_rows_that_are_not_there_are_refused(arrays, row):
    with pytest.raises(IndexError, match="outside of 11 rows"):
        arrays[0][row]


@pytest.mark.parametrize("index", [np.ones(11, bool), np.array([0.5])])
def test_what_is_no_row_is_refused(arrays, index):
    with pytest.raises(IndexError, match="integers or a slice"):
        arrays[0][index]


@pytest.mark.parametrize(
    "shards",
    [
        [WHOLE[:4], WHOLE[:2], WHOLE[:4]],
        [WHOLE[:4], WHOLE[:4, :1]],
        [WHOLE[:4], WHOLE[:4].astype(np.float32)],
    ],
)
def test_shards_that_do_not_fit_are_refused(shards):
    with pytest.raises(ValueError, match="all but the last"):
        ShardedArray(shards)
