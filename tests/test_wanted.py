"""What is wanted is judged seed by seed, where enough was run."""

import pytest

from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.wanted import Wanted
from scn_tf.experiments.wanted import wanted_notes

LOW = Wanted(
    "a", "at most 0.5", 2, lambda values: values["over_floor"][1] <= 0.5
)


def note(*curves):
    outcomes = [
        Outcome("a", 10 + place, {"over_floor": curve})
        for place, curve in enumerate(curves)
    ]
    (text,) = wanted_notes([LOW], outcomes)
    return text


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        ([[1, 0.5]], "reached on 1 of 1 seed"),
        ([[1, 0.5], [1, 0.4]], "reached on 2 of 2 seeds"),
        ([[1, 0.6], [1, 0.4]], "reached on 1 of 2 seeds, not on 10"),
        ([[1, 0.6], [1, 0.7]], "reached on 0 of 2 seeds, not on 10, 11"),
        # Later epochs change nothing, and what is no number reaches nothing.
        ([[1, 0.5, 9], [1, 0.6, 0]], "reached on 1 of 2 seeds, not on 11"),
        ([[1, float("nan")]], "reached on 0 of 1 seed, not on 10"),
        ([[0.1]], "not judged: 1 epoch was run"),
        ([[]], "not judged: 0 epochs were run"),
    ],
)
def test_every_seed_is_judged(curves, said):
    assert note(*curves) == f"Wanted a: at most 0.5: {said}."


def test_nothing_is_said_of_a_variant_that_was_not_run():
    assert wanted_notes([LOW], [Outcome("b", 0, {"over_floor": [1, 0]})]) == ()
