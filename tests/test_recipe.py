"""Laws of the recipe."""

import pytest

from scn_tf.recipe import TrainOptions


def test_the_rate_drops_where_the_paper_drops_it():
    options = TrainOptions()
    assert options.rate(99) == pytest.approx(1e-3)
    assert options.rate(100) == pytest.approx(1e-4)
