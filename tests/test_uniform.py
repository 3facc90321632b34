import numpy as np

from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.proposals.uniform import propose_uniform


def _crops(height, width, seed=0, **options):
    return propose_uniform(
        np.zeros((height, width, 3), np.uint8),
        None,
        ProposalOptions(**options),
        np.random.default_rng(seed),
    ).boxes


def test_an_image_gives_the_papers_five_crops_of_64_pixels():
    crops = _crops(200, 300)
    assert crops.shape == (5, 4)
    np.testing.assert_array_equal(crops[:, 2:] - crops[:, :2], 64)


def test_every_place_is_reached_and_none_outside():
    crops = _crops(6, 9, uniform_side=4, uniform_crops=500, boxes_per_image=0)
    assert set(crops[:, 0]) == {0, 1, 2}
    assert set(crops[:, 1]) == {0, 1, 2, 3, 4, 5}
    assert crops[:, 2].max() == 6 and crops[:, 3].max() == 9


def test_places_are_about_equally_likely():
    crops = _crops(7, 64, uniform_side=4, uniform_crops=4000, boxes_per_image=0)
    counts = np.bincount(crops[:, 0].astype(int))  # 1000 each, deviation 27
    assert len(counts) == 4
    assert abs(counts - 1000).max() < 140


def test_a_small_picture_gives_smaller_squares():
    crops = _crops(30, 50)
    np.testing.assert_array_equal(crops[:, 2:] - crops[:, :2], 30)
    assert crops[:, 3].max() <= 50


def test_boxes_per_image_is_an_upper_bound():
    assert len(_crops(99, 99, uniform_crops=9, boxes_per_image=4)) == 4
    assert len(_crops(99, 99, uniform_crops=9, boxes_per_image=0)) == 9


def test_the_generator_alone_decides_the_places():
    np.testing.assert_array_equal(_crops(99, 99, 1), _crops(99, 99, 1))
    assert (_crops(99, 99, 1) != _crops(99, 99, 2)).any()
