import numpy as np
import pytest

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.proposals.ground_truth import propose_ground_truth
from tfrecords.proposals.proposals import ProposalOptions

_ROWS = [
    [0, 0, 2, 2],  # area 4
    [5, 5, 3, 9],  # inverted
    [0, 0, 9, 9],  # area 81
    [8, 8, 99, 99],  # cut to the 10 x 12 picture: 2 x 4 = 8
    [40, 40, 50, 50],  # outside
]
_LABELS = ("cat", "dog", "car", "bus", "cow")


def _propose(rows=_ROWS, labels=_LABELS, pairs=None, boxes_per_image=8):
    record = ImageRecord(
        key=ImageKey("train", "one"),
        image=b"",
        boxes=np.array(rows, np.float32).reshape(-1, 4),
        labels=labels,
        difficult=np.ones(len(rows), bool),
        pairs=pairs,
    )
    return propose_ground_truth(
        np.zeros((10, 12, 3), np.uint8),
        record,
        ProposalOptions(boxes_per_image=boxes_per_image),
        np.random.default_rng(0),
    )


def test_usable_boxes_come_largest_first_and_cut_to_the_picture():
    found = _propose()
    np.testing.assert_array_equal(
        found.boxes, [[0, 0, 9, 9], [8, 8, 10, 12], [0, 0, 2, 2]]
    )
    assert found.labels == ("car", "bus", "cat")
    np.testing.assert_array_equal(found.scores, 1)


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (2, 2), (3, 3), (0, 3)])
def test_boxes_per_image_keeps_the_largest_and_0_keeps_all(limit, count):
    found = _propose(boxes_per_image=limit)
    assert found.labels == ("car", "bus", "cat")[:count]


def test_boxes_of_one_size_keep_their_order():
    found = _propose([[0, 0, 2, 2], [3, 3, 5, 5]], ("cat", "dog"))
    assert found.labels == ("cat", "dog")


def test_a_record_with_pairs_keeps_all_boxes_in_order():
    rows = [_ROWS[0], _ROWS[2], _ROWS[3]]
    found = _propose(rows, _LABELS[:3], np.array([[0, 2]]), 1)
    assert found.labels == _LABELS[:3]
    np.testing.assert_array_equal(found.boxes[1], _ROWS[2])


def test_pairs_that_point_at_an_unusable_box_are_refused():
    with pytest.raises(InputError, match="one: .*inverted, outside"):
        _propose(pairs=np.array([[0, 1]]))


def test_no_boxes_give_no_proposals():
    found = _propose([], ())
    assert found.boxes.shape == (0, 4) and found.labels == ()
