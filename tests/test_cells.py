"""Seeds in a cell: mean, spread, the widest interval."""

from scn_tf.experiments.cells import gain_text
from scn_tf.experiments.cells import spread_text


def test_a_spread_needs_two_values():
    assert spread_text([1.0, 2.0, 3.0]) == "2.00 ± 1.00"
    assert spread_text([1.0, None], digits=1) == "1.0"
    assert spread_text([None, None]) == "-"


def test_a_gain_has_the_widest_interval():
    differences = [
        {"difference": 1.0, "interval": [0.5, 1.2]},
        {"difference": 0.0, "interval": [-0.5, 0.4]},
        {"difference": None, "interval": None},
    ]
    assert gain_text(differences) == "+0.50 (-0.50 to +1.20)"
    assert gain_text(differences[2:]) == "-"
