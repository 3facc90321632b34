"""Laws of the verdict on a card: what was measured, and nothing else."""

import copy

import pytest
from test_report import VERDICT

from export.card.card_verdict import verdict_text


@pytest.fixture
def verdict():
    return {"checkpoint_step": 7, **copy.deepcopy(VERDICT)}


def test_a_row_holds_before_after_and_the_signed_difference(verdict):
    text = verdict_text(verdict, 7)
    form = "no interpolation (scikit-learn)"
    assert f"| whole images | {form} | 70.00 | 68.25 | -1.75 |" in text
    assert text.count(form) == 1
    assert "checkpoint" not in text


def test_all_forms_of_the_mean_are_there(verdict):
    for when, mean in (("before", 1.0), ("after", 1.0), ("difference", -1e-3)):
        verdict["images"][when]["by_form"] = {
            form: {"mean": mean} for form in ("scikit_learn", "eleven_point")
        } | {"area": {"mean": None}}
    text = verdict_text(verdict, 7)
    assert "| 11 points (VOC2007) | 1.00 | 1.00 | 0.00 |" in text
    assert "| area (VOC2010) | - | - | - |" in text


def test_the_protocol_stands_below(verdict):
    text = verdict_text(verdict, 7, ["Another thing."])
    assert "- C: per class from 0.1, 1 by 3-fold cross-validation" in text
    assert "- Metric: average precision, scikit-learn, in %." in text
    assert "scored on" not in text and "val (2,349 photographs)" in text
    assert "- 12 photographs were skipped." in text
    assert "- Left out of the mean, whole images: cow." in text
    assert "0.840; with the offsets permuted: 0.889." in text
    assert "- Another thing." in text


def test_a_part_that_was_not_run_says_why(verdict):
    verdict["images"] = {"not_run": "the photographs have no labels"}
    del verdict["objects"], verdict["losses"]
    text = verdict_text(verdict, 7)
    assert "Not run, whole images: the photographs have no labels." in text
    assert "Not run, object crops: it is not in the verdict." in text
    assert "Losses not run: it is not in the verdict." in text
    assert "|" not in text


def test_a_run_without_verdict_is_not_evaluated():
    assert verdict_text(None, 7) == "Not evaluated."


def test_a_verdict_on_other_weights_is_not_shown(verdict):
    text = verdict_text(verdict, 8)
    assert "Not evaluated: the run's verdict is on step 7" in text
    assert "70.00" not in text


def test_a_verdict_that_names_no_checkpoint_says_so(verdict):
    del verdict["checkpoint_step"]
    text = verdict_text(verdict, 8)
    assert "Which checkpoint was judged is not known." in text
    assert "70.00" in text


def test_a_damaged_verdict_is_not_known(verdict):
    del verdict["images"]["after"]["mean"]
    unknown = "Not known: the run's verdict.json cannot be read."
    assert verdict_text(verdict, 7) == unknown
    assert verdict_text({"images": 3}, 7) == unknown
