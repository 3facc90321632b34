import numpy as np
import pytest

from tfrecords import boxes
from tfrecords.proposals.suppression import diverse_order


def _random(count, seed=0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (count, 2))
    found = np.concatenate([corner, corner + rng.uniform(5, 60, (count, 2))], 1)
    return found.astype(np.float32), rng.random(count).astype(np.float32)


def test_an_overlap_lessens_the_score_by_its_size():
    # The second shares 80 of 120 square pixels with the first: IoU 2 / 3.
    found = np.float32([[0, 0, 10, 10], [0, 2, 10, 12], [50, 50, 60, 60]])
    order, scores = diverse_order(found, np.float32([0.9, 0.6, 0.5]), 0.4)
    np.testing.assert_array_equal(order, [0, 2, 1])
    np.testing.assert_allclose(scores, [0.9, 0.5, 0.2], rtol=1e-6)


def test_an_overlap_up_to_the_least_costs_nothing():
    found = np.float32([[0, 0, 10, 10], [0, 2, 10, 12]])
    order, scores = diverse_order(found, np.float32([0.6, 0.9]), 0.7)
    np.testing.assert_array_equal(order, [1, 0])
    np.testing.assert_array_equal(scores, np.float32([0.9, 0.6]))


def test_the_largest_overlap_counts_once():
    # Both of the better boxes share half of the third and half their own.
    found = np.float32([[0, 0, 10, 10], [0, 10, 10, 20], [0, 5, 10, 15]])
    _, scores = diverse_order(found, np.float32([0.9, 0.8, 0.6]), 0.2)
    np.testing.assert_allclose(scores, [0.9, 0.8, 0.6 * 2 / 3], rtol=1e-6)


@pytest.mark.parametrize("least_iou", [0.0, 0.4, 0.9])
def test_it_does_what_a_plain_search_does(least_iou):
    found, scores = _random(60)
    order, lessened = diverse_order(found, scores, least_iou)
    overlap = boxes.iou(found, found)
    left, taken = list(range(60)), []
    while left:
        largest = [max(overlap[box, taken], default=0) for box in left]
        value = [
            scores[box] * (1 - most if most > least_iou else 1)
            for box, most in zip(left, largest, strict=True)
        ]
        best = int(np.argmax(value))
        assert lessened[len(taken)] == pytest.approx(value[best], rel=1e-5)
        taken.append(left.pop(best))
    np.testing.assert_array_equal(order, taken)


@pytest.mark.parametrize("limit", [1, 7, 60, 99])
def test_a_limit_only_cuts_the_list(limit):
    found, scores = _random(60)
    order, lessened = diverse_order(found, scores, 0.4)
    some, some_scores = diverse_order(found, scores, 0.4, limit)
    np.testing.assert_array_equal(some, order[:limit])
    np.testing.assert_array_equal(some_scores, lessened[:limit])
    assert sorted(order) == list(range(60))
    assert (np.diff(lessened) <= 0).all()


def test_1_leaves_the_order_of_the_scores():
    found, scores = _random(60)
    order, lessened = diverse_order(found, scores, 1.0)
    np.testing.assert_array_equal(order, np.argsort(-scores))
    np.testing.assert_array_equal(lessened, scores[order])


def test_no_boxes_stay_none():
    order, scores = diverse_order(np.zeros((0, 4)), np.zeros(0), 0.4)
    assert order.shape == scores.shape == (0,)
