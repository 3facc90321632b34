"""Laws of the verdict: every part named, nothing hidden."""

import dataclasses
import json

import pytest

from scn_tf.verdict import make_verdict


@pytest.fixture(scope="module")
def verdict(demo_run) -> dict:
    return json.loads((demo_run / "verdict.json").read_text())


def test_the_protocol_names_metric_choice_and_photographs(verdict):
    protocol = verdict["protocol"]
    assert "LinearSVC" in protocol["classifier"]
    assert protocol["normalization"] == "L2"
    assert "cross-validation" in protocol["C"]
    assert "scikit-learn" in protocol["metric"]
    assert protocol["trained_on"] == "600 photographs of train"
    assert "(200)" in protocol["evaluated_on"]


def test_random_weights_and_labeled_boxes_are_confessed(verdict):
    notes = " ".join(verdict["protocol"]["notes"])
    assert "random weights" in notes
    assert "Labels were used to find the proposals: the boxes were " in notes


@pytest.mark.parametrize("kind", ["images", "objects"])
def test_difference_is_after_minus_before_in_every_class(verdict, kind):
    part = verdict[kind]
    for name in part["classes"]:
        before = part["before"]["per_class"][name]
        after = part["after"]["per_class"][name]
        difference = part["difference"]["per_class"][name]
        if before is None:
            assert difference is None
        else:
            assert difference == pytest.approx(after - before)
    assert part["before"]["C"].keys() >= {"square", "triangle"}


@pytest.mark.parametrize("kind", ["images", "objects"])
def test_the_mean_is_there_in_three_forms(verdict, kind):
    part = verdict[kind]
    for when in ("before", "after", "difference"):
        forms = part[when]["by_form"]
        assert sorted(forms) == ["area", "eleven_point", "scikit_learn"]
        assert forms["scikit_learn"]["mean"] == part[when]["mean"]
    # Interpolated precision is never below the precision itself.
    before = part["before"]["by_form"]
    assert before["area"]["mean"] >= before["scikit_learn"]["mean"] - 1e-9


def test_a_class_in_every_scene_is_left_out_and_named(verdict):
    assert verdict["images"]["before"]["left_out"] == ["circle"]


def test_losses_stand_against_floor_and_permuted_offsets(verdict):
    losses = verdict["losses"]
    assert losses["pairs"] == 200
    ratio = losses["test"] / losses["floor"]
    assert losses["test_over_floor"] == pytest.approx(ratio)
    assert losses["permuted"] > losses["test"]


@pytest.fixture
def judged(demo_run, command, tmp_path):
    """Trains and judges on the records of the demo; returns the protocol."""

    def judged(*arguments: str) -> dict:
        folder = tmp_path / "run"
        code = command(
            "--flagfile=scn_tf/flagfiles/demo.flags",
            f"--run_dir={folder}",
            f"--records_dir={demo_run}/records",
            "--epochs=1",
            "--stages=records,train,evaluate",
            *arguments,
        )
        assert code == 0
        return json.loads((folder / "verdict.json").read_text())["protocol"]

    return judged


def test_training_on_val_is_confessed(judged, capsys):
    protocol = judged("--train_split=trainval")
    assert protocol["trained_on"] == "800 photographs of train and val"
    assert any("val photographs too" in note for note in protocol["notes"])
    assert "val photographs too" in capsys.readouterr().out


def test_training_on_a_part_is_told(judged):
    protocol = judged("--train_split=train_part")
    assert protocol["trained_on"] == "420 photographs of train"


def test_a_checkpoint_that_the_losses_chose_is_told(judged):
    protocol = judged("--checkpoint=best")
    (note,) = [n for n in protocol["notes"] if "--checkpoint=best" in n]
    assert "lowest loss on held-out pairs" in note


def test_no_classifier_is_told_of_where_none_was_fitted(restored_run):
    run = restored_run
    manifest = run.manifest
    run.manifest = dataclasses.replace(manifest, classes=())
    try:
        verdict = make_verdict(run)
    finally:
        run.manifest = manifest
    assert verdict["images"] == {"not_run": "the photographs have no labels"}
    assert set(verdict["protocol"]) == {"trained_on", "notes"}


def test_what_is_to_be_exported_is_judged(command, demo_run, tmp_path):
    for name in ("checkpoints", "environment.json", "records"):
        (tmp_path / name).symlink_to(demo_run / name)
    code = command(
        f"--flagfile={demo_run}/flags.txt",
        f"--run_dir={tmp_path}",
        f"--cache_dir={demo_run}/cache",
        "--stages=evaluate",
        "--export_features=joined",
    )
    assert code == 0
    joined, alone = (
        json.loads((folder / "verdict.json").read_text())
        for folder in (tmp_path, demo_run)
    )
    assert (alone["features"], joined["features"]) == ("tuned", "joined")
    before, after = (
        [verdict["images"][side]["mean"] for verdict in (alone, joined)]
        for side in ("before", "after")
    )
    assert before[0] == before[1]
    assert after[0] != after[1]
    assert any("beside" in note for note in joined["protocol"]["notes"])
    assert not any("beside" in note for note in alone["protocol"]["notes"])
