import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from scn_tf.evaluation.average_precision import all_forms
from scn_tf.evaluation.average_precision import average_precisions
from scn_tf.evaluation.average_precision import FORMS
from scn_tf.evaluation.average_precision import mean_average_precision


def one_class(target, score, form="scikit_learn"):
    target = np.array(target)[:, None]
    score = np.array(score, np.float32)[:, None]
    return average_precisions(target, score, ["cat"], form)["cat"]


def devkit_counts(target, score):
    """Recall and precision as VOCevalcls.m has them; gt 1, -1, difficult 0."""
    gt = [{1: 1, 0: -1, -1: 0}[int(x)] for x in target]
    order = sorted(range(len(gt)), key=lambda i: -score[i])  # stable
    true = false = 0
    recall, precision = [], []
    for i in order:
        true += gt[i] > 0
        false += gt[i] < 0
        recall.append((true, sum(x > 0 for x in gt)))
        # MATLAB's max passes over the NaN of nothing divided by nothing.
        precision.append(true / (true + false) if true + false else 0.0)
    return recall, precision


def slow_eleven_point(target, score):
    recall, precision = devkit_counts(target, score)
    total = 0.0
    for tenths in range(11):
        reached = [
            p
            for (true, all_true), p in zip(recall, precision, strict=True)
            if 10 * true >= tenths * all_true
        ]
        total += max(reached, default=0.0) / 11
    return 100 * total


def slow_area(target, score):
    recall, precision = devkit_counts(target, score)
    mrec = [0.0, *(true / all_true for true, all_true in recall), 1.0]
    mpre = [0.0, *precision, 0.0]
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = max(mpre[i], mpre[i + 1])
    steps = zip(mrec, mrec[1:], mpre[1:], strict=False)
    return 100 * sum((right - left) * p for left, right, p in steps)


def slow_scikit_learn(target, score):
    kept = np.array(target) >= 0
    return 100 * average_precision_score(
        np.array(target)[kept] == 1, np.array(score)[kept]
    )


SLOW = {
    "eleven_point": slow_eleven_point,
    "area": slow_area,
    "scikit_learn": slow_scikit_learn,
}


def random_case(rng, num_rows=40, num_scores=None):
    target = rng.choice([1, 0, -1], num_rows, p=[0.3, 0.6, 0.1])
    target[:2] = 0, 1
    score = rng.permutation(num_rows).astype(float)
    if num_scores:
        score = rng.integers(num_scores, size=num_rows).astype(float)
    return target, score


# Ranked: yes, no, yes, no, yes. Precision at the hits: 1/1, 2/3, 3/5.
@pytest.mark.parametrize(
    ("form", "value"),
    [
        # Each hit is a recall step of 1/3.
        ("scikit_learn", (1 + 2 / 3 + 3 / 5) / 3),
        # It falls already, so interpolation changes nothing.
        ("area", (1 + 2 / 3 + 3 / 5) / 3),
        # Recall >= 0, .1, .2, .3: 1. >= .4, .5, .6: 2/3. >= .7 ... 1: 3/5.
        ("eleven_point", (4 * 1 + 3 * 2 / 3 + 4 * 3 / 5) / 11),
    ],
)
def test_each_form_is_its_hand_sum(form, value):
    score = [0.9, 0.8, 0.7, 0.6, 0.5]
    ap = one_class([1, 0, 1, 0, 1], score, form)
    assert ap == pytest.approx(100 * value)


# Ranked: no, yes, yes. Hits at 1/2 and 2/3; interpolated both count 2/3.
@pytest.mark.parametrize(
    ("form", "value"),
    [("scikit_learn", 7 / 12), ("area", 2 / 3), ("eleven_point", 2 / 3)],
)
def test_the_devkits_forms_interpolate(form, value):
    assert one_class([0, 1, 1], [3, 2, 1], form) == pytest.approx(100 * value)


def test_a_recall_of_three_tenths_reaches_the_threshold():
    # Three hits at precision 1, then 7 no, then the other 7 hits: the last
    # has 10/17. In floats 3 * 0.1 > 3 / 10 would count one threshold less.
    target = [1] * 3 + [0] * 7 + [1] * 7
    value = one_class(target, -np.arange(17.0), "eleven_point")
    assert value == pytest.approx(100 * (4 * 1 + 7 * 10 / 17) / 11)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_its_slow_reference(form):
    rng = np.random.default_rng(0)
    for _ in range(200):
        target, score = random_case(rng)
        expected = SLOW[form](target, score)
        assert one_class(target, score, form) == pytest.approx(expected)


def test_equal_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(200):
        target, score = random_case(rng, num_scores=6)
        expected = slow_scikit_learn(target, score)
        assert one_class(target, score) == pytest.approx(expected)


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_the_rows_changes_nothing_even_among_ties(form):
    rng = np.random.default_rng(2)
    target, score = random_case(rng, num_scores=5)
    value = one_class(target, score, form)
    for _ in range(20):
        order = rng.permutation(len(target))
        assert one_class(target[order], score[order], form) == value


@pytest.mark.parametrize("form", FORMS)
def test_a_tie_of_all_rows_is_the_share_of_positives(form):
    assert one_class([1, 0, 0, 0], [2, 2, 2, 2], form) == 25.0
    # The devkit's stable sort would give 100 here: the yes stands first.
    assert slow_eleven_point([1, 0, 0, 0], [2, 2, 2, 2]) == pytest.approx(100)


@pytest.mark.parametrize("form", ["eleven_point", "area"])
def test_ties_among_positives_alone_are_as_the_devkit_has_them(form):
    target, score = [0, 1, 1, 0, 0, 1], [9, 8, 8, 5, 5, 3]
    expected = SLOW[form](target, score)
    assert one_class(target, score, form) == pytest.approx(expected)


@pytest.mark.parametrize("form", FORMS)
def test_perfect_order_is_100_and_only_the_order_counts(form):
    assert one_class([1, 1, 0, 0], [4, 3, 2, 1], form) == 100.0
    assert one_class([1, 1, 0, 0], [1e6, -1, -2, -1e6], form) == 100.0


@pytest.mark.parametrize("form", FORMS)
def test_left_out_rows_change_nothing_whatever_their_score(form):
    plain = one_class([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6], form)
    for extra in (5.0, 0.75, -5.0, np.nan):
        target = [1, -1, 0, 1, -1, 0]
        score = [0.9, extra, 0.8, 0.7, extra, 0.6]
        assert one_class(target, score, form) == plain


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("target", [[1, 1, 1], [0, 0, 0], [1, 1, -1]])
def test_one_sided_classes_have_no_value(target, form):
    assert one_class(target, [3, 2, 1], form) is None


def test_all_forms_are_each_form_with_its_mean():
    rng = np.random.default_rng(3)
    cases = [random_case(rng) for _ in range(3)]
    target = np.stack([case[0] for case in cases], axis=1)
    score = np.stack([case[1] for case in cases], axis=1)
    target[:, 2] = 0
    names = ["cat", "dog", "cow"]
    forms = all_forms(target, score, names)
    assert list(forms) == list(FORMS)
    for form, result in forms.items():
        expected = average_precisions(
            target, score, ["cat", "dog", "cow"], form
        )
        assert result["per_class"] == expected
        assert result["mean"] == mean_average_precision(expected)[0]
        assert result["per_class"]["cow"] is None


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


def test_an_unknown_form_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="'voc'.*eleven_point, area"):
        one_class([1, 0], [2.0, 1.0], "voc")
