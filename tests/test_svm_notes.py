"""What stands below a table of SVMs that could not do all."""

from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.svm_notes import svm_notes


def result(left_out=(), fixed_c=(), not_converged=0):
    return {
        "mean": 50.0,
        "left_out": list(left_out),
        "fixed_c": list(fixed_c),
        "not_converged": not_converged,
        "over_original": {"difference": 0.0},
    }


def outcome(variant="SCN", seed=0, **values):
    return Outcome(variant, seed, {"judged_on": "val", **values})


def test_nothing_is_said_where_all_went_well():
    fine = {"original": result(), "h1": result(), "moved": 0.1}
    assert svm_notes([outcome(images=fine, objects=fine)]) == ()


def test_classes_without_a_value_are_named_once_by_kind_of_patches():
    few = {"original": result(["sheep"]), "h1": result(["sheep", "cow"])}
    outcomes = [
        outcome(images=few, objects={"original": result()}, seed=seed)
        for seed in (0, 1)
    ]
    assert svm_notes(outcomes) == (
        "Left out of the mean, for want of examples: whole images: sheep, cow.",
    )


def test_a_c_that_was_not_chosen_is_told():
    few = {"h1": result(fixed_c=["bus"])}
    assert svm_notes([outcome(images={}, objects=few)]) == (
        "Too few examples to choose C: object crops: bus.",
    )


def test_fits_without_an_end_are_told_of_each_run():
    outcomes = [
        outcome("deep", 1, objects={"h1": result(not_converged=2)}),
        outcome("fused", 0, own=result(not_converged=1)),
    ]
    assert svm_notes(outcomes) == (
        "Fits that ran out of iterations: deep, seed 1: 2 (object crops, h1); "
        "fused, seed 0: 1 (all rows, own).",
    )
