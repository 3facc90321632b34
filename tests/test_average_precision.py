import numpy as np
import pytest

from scn_tf.evaluation.average_precision import average_precisions
from scn_tf.evaluation.average_precision import mean_average_precision


def one_class(target, score):
    target = np.array(target)[:, None]
    score = np.array(score, np.float32)[:, None]
    return average_precisions(target, score, ["cat"])["cat"]


def test_it_is_the_hand_sum_of_precision_times_step_in_recall():
    # Ranked: yes, no, yes, no, yes. Precision at the hits 1/1, 2/3, 3/5,
    # each with a recall step of 1/3: (1 + 2/3 + 3/5) / 3 = 34/45.
    score = [0.9, 0.8, 0.7, 0.6, 0.5]
    assert one_class([1, 0, 1, 0, 1], score) == pytest.approx(100 * 34 / 45)


def test_it_is_not_the_interpolated_area():
    # Ranked: no, yes, yes. Hits at 1/2 and 2/3: mean 7/12. Interpolated
    # (VOC2010) both would count 2/3.
    assert one_class([0, 1, 1], [3, 2, 1]) == pytest.approx(100 * 7 / 12)


def test_perfect_order_is_100_and_only_the_order_counts():
    assert one_class([1, 1, 0, 0], [4, 3, 2, 1]) == 100.0
    assert one_class([1, 1, 0, 0], [1e6, -1, -2, -1e6]) == 100.0


def test_left_out_rows_change_nothing_whatever_their_score():
    plain = one_class([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6])
    for extra in (5.0, 0.75, -5.0):
        target = [1, -1, 0, 1, -1, 0]
        score = [0.9, extra, 0.8, 0.7, extra, 0.6]
        assert one_class(target, score) == plain


@pytest.mark.parametrize("target", [[1, 1, 1], [0, 0, 0], [1, 1, -1]])
def test_one_sided_classes_have_no_value(target):
    assert one_class(target, [3, 2, 1]) is None


def test_the_mean_leaves_out_and_names_classes_without_a_value():
    mean, left_out = mean_average_precision(
        {"cat": 50.0, "dog": None, "cow": 100.0}
    )
    assert (mean, left_out) == (75.0, ["dog"])


def test_a_mean_over_nothing_is_none():
    assert mean_average_precision({"cat": None}) == (None, ["cat"])


def test_columns_belong_to_their_class():
    target = np.array([[1, 0], [0, 1]])
    score = np.array([[2.0, 2.0], [1.0, 1.0]])
    per_class = average_precisions(target, score, ["cat", "dog"])
    # "dog" ranks its only positive second: 1/2.
    assert per_class == {"cat": 100.0, "dog": 50.0}


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\).*1 classes"):
        average_precisions(np.ones((2, 2)), np.ones((2, 2)), ["cat"])


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        one_class([1, 0], [np.nan, 1.0])
