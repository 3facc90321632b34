"""Laws of unfinished work: whole parts come back, nothing else does."""

import numpy as np
import pytest

from scn_tf.embedding.feature_parts import FeatureParts
from scn_tf.embedding.feature_parts import features_key
from scn_tf.embedding.feature_parts import Part

PICTURES = range(4, 8)
PART = Part(
    rows=np.array([4, 5, 7]),
    features=np.arange(6, dtype=np.float32).reshape(3, 2),
    bad_rows=np.array([6]),
    reasons=np.array(["it is empty"]),
)


@pytest.fixture
def parts(tmp_path):
    parts = FeatureParts(tmp_path / ".f.npy.parts", "key")
    parts.write(PICTURES, PART)
    return parts


def test_a_part_comes_back_as_it_was(parts):
    part = parts.read(PICTURES, 2)
    for name, value in vars(PART).items():
        np.testing.assert_array_equal(getattr(part, name), value)


def test_a_part_without_bad_pictures_comes_back(parts):
    whole = Part(
        np.arange(2),
        np.ones([2, 3], np.float32),
        np.zeros(0, np.int64),
        np.zeros(0, np.str_),
    )
    parts.write(range(2), whole)
    assert len(parts.read(range(2), 3).rows) == 2


def test_other_pictures_or_lengths_are_not_there(parts):
    assert parts.read(range(4, 9), 2) is None
    assert parts.read(PICTURES, 3) is None


@pytest.mark.parametrize("length", [0, 10, -20])
def test_a_torn_part_is_not_there(parts, tmp_path, length):
    (path,) = tmp_path.glob(".f.npy.parts/key/*.npz")
    path.write_bytes(path.read_bytes()[:length])
    assert parts.read(PICTURES, 2) is None


def test_pickled_objects_are_not_read(parts, tmp_path):
    (path,) = tmp_path.glob(".f.npy.parts/key/*.npz")
    values = {**vars(PART), "reasons": np.array([{"a": 1}], dtype=object)}
    with open(path, "wb") as file:
        np.savez(file, **values)
    assert parts.read(PICTURES, 2) is None


def test_every_part_of_a_key_tells(tmp_path):
    keys = {
        features_key("module", 64, "pictures"),
        features_key("module", 65, "pictures"),
        features_key("other", 64, "pictures"),
        features_key("module", 64, "others"),
    }
    assert len(keys) == 4
    assert features_key("module", 64, "pictures") in keys


def test_parts_of_another_key_are_not_taken_and_go_with_the_rest(
    parts, tmp_path
):
    other = FeatureParts(tmp_path / ".f.npy.parts", "other")
    assert other.read(PICTURES, 2) is None
    other.remove()
    assert list(tmp_path.iterdir()) == []
