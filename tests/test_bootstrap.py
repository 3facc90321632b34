import json

import numpy as np
import pytest

from scn_tf.evaluation.average_precision import average_precisions
from scn_tf.evaluation.average_precision import FORMS
from scn_tf.evaluation.average_precision import mean_average_precision
from scn_tf.evaluation.bootstrap import bootstrap_difference
from scn_tf.evaluation.bootstrap import difference_of_gains

CLASSES = ["cat", "cow", "dog"]


def test_set(rng, num_rows=30, ties=False):
    targets = rng.choice([1, 0, -1], (num_rows, 3), p=[0.3, 0.6, 0.1])
    before, after = (
        targets + spread * rng.standard_normal(targets.shape)
        for spread in (2.0, 1.0)
    )
    if ties:
        before, after = np.round(before), np.round(after)
    return targets, before, after


test_set.__test__ = False


def slow_difference(targets, before, after, rows, form):
    """mAP of the rows taken, each as often as it was drawn."""

    def mean(scores):
        per_class = average_precisions(
            targets[rows], scores[rows], CLASSES, form
        )
        return mean_average_precision(per_class)[0]

    first, second = mean(before), mean(after)
    return np.nan if first is None else second - first


def slow_bootstrap(targets, before, after, groups, draws, seed, form):
    ids = np.unique(groups)
    taken = np.random.default_rng(seed).integers(
        len(ids), size=(draws, len(ids))
    )
    return np.array(
        [
            slow_difference(
                targets,
                before,
                after,
                np.concatenate([np.flatnonzero(groups == ids[i]) for i in row]),
                form,
            )
            for row in taken
        ]
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("num_groups", [None, 9])
def test_counting_is_resampling_and_computing_anew(form, ties, num_groups):
    rng = np.random.default_rng(0)
    targets, before, after = test_set(rng, ties=ties)
    groups = None
    if num_groups:
        groups = 100 + 7 * rng.integers(num_groups, size=30)
    fast = bootstrap_difference(
        targets, before, after, CLASSES, groups, draws=70, seed=5, form=form
    )
    if groups is None:
        groups = np.arange(30)
    slow = slow_bootstrap(targets, before, after, groups, 70, 5, form)
    assert fast["mean"] == pytest.approx(slow.mean())
    assert fast["interval"] == pytest.approx(np.percentile(slow, [2.5, 97.5]))
    all_rows = np.arange(30)
    assert fast["difference"] == pytest.approx(
        slow_difference(targets, before, after, all_rows, form)
    )
    assert fast["groups"] == len(np.unique(groups))
    assert (fast["draws"], fast["form"]) == (70, form)


def test_draws_without_any_positive_or_negative_are_counted_out():
    targets = np.zeros((4, 1), int)
    targets[0] = 1
    scores = np.arange(4.0)[:, None]
    result = bootstrap_difference(
        targets, scores, -scores, ["cat"], draws=300, seed=1
    )
    slow = [
        not 0 < np.sum(row == 0) < 4
        for row in np.random.default_rng(1).integers(4, size=(300, 4))
    ]
    assert result["draws"] == 300 - sum(slow)
    # Drawn w times, 1 to 3, the only positive has precision w / 4 before,
    # when it stands last, and 1 after, when it stands first.
    assert result["interval"][0] >= 25 and result["interval"][1] == 75


def test_equal_scores_differ_by_nothing():
    targets, before, _ = test_set(np.random.default_rng(1))
    result = bootstrap_difference(targets, before, before, CLASSES, draws=40)
    assert result["difference"] == result["mean"] == 0
    assert result["interval"] == [0, 0]


def test_before_and_after_exchanged_change_the_sign():
    targets, before, after = test_set(np.random.default_rng(2))
    there = bootstrap_difference(targets, before, after, CLASSES, draws=40)
    back = bootstrap_difference(targets, after, before, CLASSES, draws=40)
    assert back["mean"] == pytest.approx(-there["mean"])
    assert back["interval"][0] == pytest.approx(-there["interval"][1])


def test_crops_of_one_photograph_vary_together():
    # Twenty copies of each of 30 rows are no more evidence than the 30.
    targets, before, after = test_set(np.random.default_rng(3))
    copies = [np.repeat(x, 20, axis=0) for x in (targets, before, after)]
    groups = np.repeat(np.arange(30), 20)
    plain = bootstrap_difference(targets, before, after, CLASSES, draws=200)
    grouped = bootstrap_difference(*copies, CLASSES, groups, draws=200)
    naive = bootstrap_difference(*copies, CLASSES, draws=200)
    assert grouped["interval"] == pytest.approx(plain["interval"])
    width, naive_width = (
        result["interval"][1] - result["interval"][0]
        for result in (grouped, naive)
    )
    assert naive_width < width / 2


def test_a_class_without_scores_is_left_out_of_both():
    targets, before, after = test_set(np.random.default_rng(4))
    plain = bootstrap_difference(
        targets[:, :2], before[:, :2], after[:, :2], CLASSES[:2], draws=40
    )
    after[:, 2] = np.nan
    result = bootstrap_difference(targets, before, after, CLASSES, draws=40)
    assert result == plain


def test_the_result_is_plain_json_and_a_function_of_the_seed():
    parts = test_set(np.random.default_rng(6))
    result = bootstrap_difference(*parts, CLASSES, draws=40, seed=3)
    assert json.loads(json.dumps(result)) == result
    assert bootstrap_difference(*parts, CLASSES, draws=40, seed=3) == result
    assert bootstrap_difference(*parts, CLASSES, draws=40, seed=4) != result


def test_where_no_class_is_measured_there_is_no_difference():
    targets, before, after = test_set(np.random.default_rng(7))
    result = bootstrap_difference(0 * targets, before, after, CLASSES)
    assert result["difference"] is result["mean"] is result["interval"] is None
    assert (result["draws"], result["groups"]) == (0, len(targets))


def test_what_cannot_be_measured_is_refused():
    targets, before, after = test_set(np.random.default_rng(7))
    with pytest.raises(ValueError, match=r"groups.*\(4,\)"):
        bootstrap_difference(targets, before, after, CLASSES, np.arange(4))
    with pytest.raises(ValueError, match="scores_after"):
        bootstrap_difference(targets, before, after[:5], CLASSES)
    with pytest.raises(ValueError, match="'voc'.*eleven_point"):
        bootstrap_difference(targets, before, after, CLASSES, form="voc")


def test_two_gains_are_compared_draw_by_draw():
    rng = np.random.default_rng(5)
    targets, before, after = test_set(rng)
    other = after + rng.standard_normal(after.shape)
    parts = {"classes": CLASSES, "draws": 60, "keep_draws": True}
    gain = bootstrap_difference(targets, before, after, **parts)
    less = bootstrap_difference(targets, before, other, **parts)
    direct = bootstrap_difference(targets, other, after, CLASSES, draws=60)
    found = difference_of_gains(gain, less)
    assert found["difference"] == pytest.approx(direct["difference"])
    # What is kept of a draw is rounded.
    assert found["interval"] == pytest.approx(direct["interval"], abs=1e-3)
    assert found["draws"] == direct["draws"]
    assert found["groups"] == direct["groups"]


def test_gains_of_other_draws_are_refused():
    parts = test_set(np.random.default_rng(0))
    kept = {"classes": CLASSES, "keep_draws": True}
    gain = bootstrap_difference(*parts, draws=20, **kept)
    with pytest.raises(ValueError, match="20 and 10 draws"):
        difference_of_gains(
            gain, bootstrap_difference(*parts, draws=10, **kept)
        )
    bare = bootstrap_difference(*parts, CLASSES, draws=20)
    assert "draw_differences" not in bare
    assert difference_of_gains(gain, bare) is None
