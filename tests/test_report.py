import copy

import pytest

from scn_tf.report import verdict_table

VERDICT = {
    "protocol": {
        "classifier": "linear SVM, one per class",
        "normalization": "L2",
        "C": "per class from 0.1, 1 by 3-fold cross-validation on train",
        "metric": "average precision, scikit-learn, in %",
        "trained_on": "train (2,359 photographs)",
        "evaluated_on": "val (2,349 photographs)",
        "notes": ["12 photographs were skipped."],
    },
    "images": {
        "classes": ["cat", "pottedplant", "cow"],
        "before": {
            "mean": 70.0,
            "per_class": {"cat": 80.0, "pottedplant": 60.0, "cow": None},
            "C": {"cat": 1.0, "pottedplant": 0.1, "cow": None},
            "left_out": ["cow"],
            "fixed_c": ["cat"],
            "not_converged": 2,
        },
        "after": {
            "mean": 68.2512,
            "per_class": {"cat": 82.5, "pottedplant": 54.0024, "cow": None},
            "C": {"cat": 1.0, "pottedplant": 0.1, "cow": None},
            "left_out": ["cow"],
        },
        "difference": {
            "mean": -1.7488,
            "per_class": {"cat": 2.5, "pottedplant": -5.9976, "cow": None},
        },
    },
    "objects": {"not_run": "no object has a class."},
    "losses": {
        "test": 407.25,
        "floor": 485.0,
        "permuted": 431.0,
        "test_over_floor": 0.8397,
        "permuted_over_floor": 0.8887,
        "pairs": 61234,
    },
}


@pytest.fixture
def verdict():
    return copy.deepcopy(VERDICT)


def row(text, name):
    """Cells of the line that starts with `name`."""
    lines = [x for x in text.splitlines() if x.split()[:1] == [name]]
    return lines[-1].split()


def test_a_row_holds_before_after_and_the_signed_difference(verdict):
    text = verdict_table(verdict)
    assert row(text, "class") == ["class", "before", "after", "difference"]
    assert row(text, "cat") == ["cat", "80.00", "82.50", "+2.50"]


def test_a_loss_shows_its_minus_in_its_row_and_in_the_mean(verdict):
    text = verdict_table(verdict)
    assert row(text, "pottedplant")[1:] == ["60.00", "54.00", "-6.00"]
    assert row(text, "mean") == ["mean", "70.00", "68.25", "-1.75"]


def test_the_other_forms_of_the_mean_stand_below_it(verdict):
    means = {"before": 71.0, "after": 72.5, "difference": 1.5}
    for when, mean in means.items():
        verdict["images"][when]["by_form"] = {
            "eleven_point": {"mean": mean, "per_class": {}},
            "area": {"mean": None, "per_class": {}},
            "scikit_learn": {"mean": mean, "per_class": {}},
        }
    text = verdict_table(verdict)
    assert row(text, "mean") == ["mean", "70.00", "68.25", "-1.75"]
    assert row(text, "11")[-4:] == ["VOC2007", "71.00", "72.50", "+1.50"]
    assert row(text, "area,")[-4:] == ["VOC2010", "-", "-", "-"]


def test_a_verdict_of_one_form_alone_is_read(verdict):
    assert "VOC2010" not in verdict_table(verdict)


@pytest.mark.parametrize(
    ("difference", "shown"),
    [(-0.001, "0.00"), (0.0, "0.00"), (-0.006, "-0.01"), (12.345, "+12.35")],
)
def test_a_sign_stands_only_before_what_is_not_zero(verdict, difference, shown):
    verdict["images"]["difference"]["mean"] = difference
    assert row(verdict_table(verdict), "mean")[-1] == shown


def test_the_columns_are_aligned(verdict):
    lines = verdict_table(verdict).splitlines()
    start = next(i for i, x in enumerate(lines) if x.startswith("class"))
    table = lines[start : start + 6]
    assert table[-1].startswith("mean")
    assert len({len(line) for line in table}) == 1


def test_a_class_without_a_value_has_dashes_and_is_named(verdict):
    text = verdict_table(verdict)
    assert row(text, "cow") == ["cow", "-", "-", "-"]
    assert "before, left out of the mean: cow" in text
    assert "after, left out of the mean: cow" in text


def test_what_weakens_the_result_is_said(verdict):
    text = verdict_table(verdict)
    assert "before, too few positives to choose C: cat" in text
    assert "before: 2 fits did not converge" in text
    assert "after: " not in text


def test_the_protocol_is_named(verdict):
    text = verdict_table(verdict)
    for key in ("classifier", "C", "metric", "trained_on", "evaluated_on"):
        assert verdict["protocol"][key] in text
    assert "L2" in text and "12 photographs were skipped." in text


def test_a_part_that_was_not_run_says_why(verdict):
    verdict["losses"] = {"not_run": "no pair in val."}
    del verdict["images"]
    text = verdict_table(verdict)
    assert "Object crops: not run: no object has a class." in text
    assert "Losses: not run: no pair in val." in text
    assert "Whole photographs: not run: it is not in the verdict." in text


def test_losses_stand_against_floor_and_permuted_offsets(verdict):
    text = verdict_table(verdict)
    assert "over 61,234 pairs" in text
    assert row(text, "held-out") == ["held-out", "loss", "407.2", "0.840"]
    assert row(text, "with")[1:] == ["offsets", "permuted", "431.0", "0.889"]
    assert row(text, "floor")[-2:] == ["485.0", "1.000"]
    words = " ".join(text.split())
    assert "is below the floor" in words and ") and below the loss" in words


@pytest.mark.parametrize(
    ("loss", "shown"), [(0.00123, "0.001230"), (9, "9.000"), (12345, "12,345")]
)
def test_losses_keep_four_digits_at_any_size(verdict, loss, shown):
    verdict["losses"]["test"] = loss
    assert row(verdict_table(verdict), "held-out")[2] == shown


def test_a_loss_above_floor_or_permuted_is_not_glossed_over(verdict):
    verdict["losses"] |= {"test": 486.0, "permuted": 485.9}
    text = " ".join(verdict_table(verdict).split())
    assert "The held-out loss is NOT below the floor" in text
    # A split is called so, and this is not its loss.
    assert "test" not in text
    assert ") and NOT below the loss" in text


def test_no_line_is_wider_than_a_terminal(verdict):
    verdict["protocol"]["notes"] = ["a long note " * 20]
    verdict["images"]["before"]["left_out"] = ["diningtable"] * 20
    text = verdict_table(verdict)
    assert max(map(len, text.splitlines())) <= 80
    assert not text.endswith("\n")


def test_a_verdict_without_labels_still_shows_the_losses(verdict):
    reason = {"not_run": "the records hold no class labels."}
    text = verdict_table(
        {"images": reason, "objects": reason} | {"losses": verdict["losses"]}
    )
    assert text.count("the records hold no class labels.") == 2
    assert "407.2" in text
