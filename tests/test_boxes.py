import numpy as np
import pytest

from tfrecords import boxes


def test_area_counts_pixels_and_is_zero_for_empty_and_inverted_boxes():
    found = boxes.area(
        np.array([[0, 0, 3, 4], [2, 2, 2, 9], [5, 5, 1, 1]], np.float32)
    )
    np.testing.assert_array_equal(found, [12, 0, 0])


def test_clip_cuts_boxes_to_the_picture():
    cut = boxes.clip(np.array([[-5, 2, 30, 99], [1, 2, 3, 4]]), (20, 40))
    assert cut.dtype == np.float32
    np.testing.assert_array_equal(cut, [[0, 2, 20, 40], [1, 2, 3, 4]])


def test_iou_is_shared_over_joint_area():
    a = np.array([[0, 0, 10, 10], [5, 5, 5, 5]], np.float32)
    b = np.array([[0, 0, 10, 10], [0, 5, 10, 15], [20, 20, 30, 30]], "f4")
    # Half of each shared: 50 / (100 + 100 - 50) = 1 / 3.
    np.testing.assert_allclose(
        boxes.iou(a, b), [[1, 1 / 3, 0], [0, 0, 0]], rtol=1e-6
    )


def test_iou_is_symmetric_and_unmoved_by_a_common_shift():
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 50, (6, 2))
    some = np.concatenate([start, start + rng.uniform(1, 50, (6, 2))], 1)
    overlap = boxes.iou(some[:4], some[4:])
    assert overlap.shape == (4, 2)
    np.testing.assert_allclose(overlap.T, boxes.iou(some[4:], some[:4]))
    np.testing.assert_allclose(
        overlap, boxes.iou(some[:4] + 7, some[4:] + 7), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ([0, 0, 20, 40], ""),
        ([-9, -9, 1, 1], ""),
        ([19.5, 39.5, 99, 99], ""),
        ([5, 1, 4, 9], "inverted"),
        ([1, 9, 5, 2], "inverted"),
        ([3, 1, 3, 9], "empty"),
        ([20, 0, 25, 9], "outside"),
        ([0, 40, 5, 50], "outside"),
        ([-9, 0, 0, 9], "outside"),
        ([0, np.nan, 5, 5], "not finite"),
        ([0, 0, np.inf, 5], "not finite"),
    ],
)
def test_each_fault_of_a_box_has_its_name(box, fault):
    assert boxes.faults(np.array([box], np.float32), (20, 40)) == [fault]


def test_a_box_without_fault_keeps_some_area_when_clipped():
    rng = np.random.default_rng(1)
    some = rng.uniform(-30, 60, (500, 4)).astype(np.float32)
    fine = np.array([not fault for fault in boxes.faults(some, (20, 40))])
    assert 0 < fine.sum() < 500
    np.testing.assert_array_equal(
        boxes.area(boxes.clip(some, (20, 40))) > 0, fine
    )


def test_boxes_side_by_side_overlap_as_in_the_table_of_all():
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 9, [2, 5, 2, 2]), axis=2)
    a, b = corners.reshape(2, 5, 4).astype(np.float32)
    np.testing.assert_array_equal(
        boxes.paired_iou(a, b), np.diag(boxes.iou(a, b))
    )
