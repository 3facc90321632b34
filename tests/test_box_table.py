import sys

import numpy as np
import pytest

from tfrecords.sources import box_table
from tfrecords.sources.box_table import BoxTable
from tfrecords.sources.box_table import Names


def _names(*texts):
    names = Names()
    for text in texts:
        names.append(text)
    return names


def test_a_text_has_a_number_and_a_number_its_text():
    texts = ["b.jpg", "", "a/ü.jpg", "\udcff"]
    names = _names(*texts)
    assert [names[index] for index in range(len(names))] == texts
    assert [names.find(text) for text in texts] == [0, 1, 2, 3]
    assert names.find("c") == -1


def test_of_equal_texts_the_first_counts():
    names = _names("a", "b", "a", "c", "b", "a")
    assert names.find("a") == 0 and names.find("b") == 1
    np.testing.assert_array_equal(names.firsts(), [0, 1, 0, 3, 1, 0])


def test_no_texts_are_fine():
    assert len(_names()) == 0 and _names().find("a") == -1
    assert _names().firsts().shape == (0,)


def test_texts_with_the_same_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(box_table, "hash", lambda text: 7, raising=False)
    names = _names("a", "b", "a", "c", "b")
    assert [names.find(text) for text in "abcd"] == [0, 1, 3, -1]
    np.testing.assert_array_equal(names.firsts(), [0, 1, 0, 3, 1])


def test_boxes_are_found_by_owner_in_their_order():
    table = BoxTable()
    table.append(5, (1, 2, 3, 4), 10, True)
    table.append(3, (0, 0, 1, 1), 11, False)
    table.append(5, [5, 6, 7, 8.5], -1, False)
    numbers, labels, difficult = table.of(5)
    np.testing.assert_array_equal(numbers, [[1, 2, 3, 4], [5, 6, 7, 8.5]])
    np.testing.assert_array_equal(labels, [10, -1])
    np.testing.assert_array_equal(difficult, [True, False])
    assert numbers.dtype == np.float32 and difficult.dtype == bool
    assert table.of(4)[0].shape == (0, 4)


def test_owners_may_be_assigned_anew():
    table = BoxTable()
    for owner in (70, 80, 70):
        table.append(owner, (owner, 0, 0, 0), 0, False)
    np.testing.assert_array_equal(table.owners, [70, 80, 70])
    table.assign(np.array([1, 0, 1]))
    np.testing.assert_array_equal(table.of(1)[0][:, 0], [70, 70])
    np.testing.assert_array_equal(table.owners, [0, 1, 1])


@pytest.mark.parametrize("label", [2**62, -(2**62)])
def test_wide_labels_are_kept(label):
    table = BoxTable()
    table.append(0, (0, 0, 1, 1), label, False)
    assert table.of(0)[1].tolist() == table.labels.tolist() == [label]


def test_a_box_takes_as_many_bytes_as_said():
    table = BoxTable()
    for owner in range(1000):
        table.append(owner, (0, 0, 1, 1), 0, False)
    table.of(0)
    columns = vars(table)["_sorted"]
    assert sum(column.nbytes for column in columns) <= 33 * 1000
    names = _names(*(f"{index:08d}" for index in range(1000)))
    names.find("")
    arrays = (*vars(names)["_sorted"], names._ends, names._hashes)
    assert sum(map(sys.getsizeof, arrays)) < 36 * 1000
