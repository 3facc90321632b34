import numpy as np
import pytest

from tfrecords.pairs import all_pairs


def _rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("num_boxes", [0, 1, 2, 5, 8])
def test_every_unordered_pair_appears_once(num_boxes):
    pairs = all_pairs(num_boxes, _rng())
    assert pairs.dtype == np.int64
    assert pairs.shape == (num_boxes * (num_boxes - 1) // 2, 2)
    expected = {(i, j) for j in range(num_boxes) for i in range(j)}
    assert {tuple(sorted(pair)) for pair in pairs.tolist()} == expected


def test_five_crops_give_the_papers_ten_pairs():
    assert len(all_pairs(5, _rng())) == 10


def test_no_box_is_paired_with_itself():
    pairs = all_pairs(20, _rng())
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_the_coin_that_chooses_the_direction_is_fair():
    pairs = all_pairs(200, _rng())  # 19900 coins: deviation 0.0035
    assert abs(np.mean(pairs[:, 0] < pairs[:, 1]) - 0.5) < 0.02


def test_one_generator_state_gives_one_list():
    np.testing.assert_array_equal(all_pairs(8, _rng()), all_pairs(8, _rng()))
    other = all_pairs(8, np.random.default_rng(4))
    assert (all_pairs(8, _rng()) != other).any()


def test_a_negative_number_of_boxes_is_refused():
    with pytest.raises(ValueError, match="num_boxes=-1"):
        all_pairs(-1, _rng())
