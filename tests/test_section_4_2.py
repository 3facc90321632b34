"""Table 1 on scenes: the partner's prediction tells the class."""

import json
import pathlib

import pytest

from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.section_4_2 import context_report

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def values(demo_experiment, tmp_path_factory):
    """What was measured, by variant, and the folder."""
    folder = tmp_path_factory.mktemp("table1") / "run"
    with pytest.MonkeyPatch.context() as patch:
        # A relative folder, such as runs/table1 of the flagfile.
        patch.chdir(folder.parent)
        run_dir = pathlib.Path(folder.name)
        assert demo_experiment(run_dir, "table1", "--epochs=16") == 0
    lines = json.loads((folder / "outcomes.json").read_text())
    return {line["variant"]: line["values"] for line in lines}, folder


def test_a_circle_and_an_offset_tell_the_other_shape(values):
    by_variant, _ = values
    assert by_variant["SCN"]["h3"]["all"] >= 80
    for control in ("no offset", "permuted offset"):
        # Three shapes, of which the most frequent is three eighths of all.
        assert by_variant[control]["h3"]["all"] <= 60
    # The partner is always a circle: it says nothing by itself.
    assert by_variant["SCN"]["partner"]["all"] <= 60
    assert by_variant["SCN"]["own"]["all"] >= 95


def test_a_constant_is_right_as_often_as_the_frequent_class(values):
    shares = [v["mean"]["all"] for v in values[0].values()]
    assert len(set(shares)) == 1
    assert 25 <= shares[0] <= 50


def test_pairs_of_two_classes_and_of_one_are_told_apart(values):
    told = values[0]["SCN"]
    # No scene has two circles.
    assert told["splits"]["train"]["one_class"] == 0
    assert told["h3"]["same"] is None
    assert told["h3"]["different"] == told["h3"]["all"]
    assert told["splits"]["val"]["pairs"] == 200
    assert told["splits"]["val"]["under_0.2_iou"] == 100


def test_the_table_has_the_papers_numbers_beside(values):
    folder = values[1]
    report = (folder / "report.txt").read_text()
    assert "56.3" in report and "78.3" in report and "79.5" in report
    assert report.count("the patch's own features") == 1
    names = {path.name for path in folder.iterdir()}
    assert {"table1.csv", "table1.png", "table1_pairs.csv"} <= names
    assert {"fig5.png", "fig5_nearest.png"} <= names


def test_the_notes_say_what_the_numbers_are_of(values):
    by_variant, folder = values
    told = by_variant["SCN"]["setting"]
    assert (told["backbone"], told["weights"]) == ("small_cnn", "none")
    assert (told["fitted"], told["judged"]) == (600, 200)
    words = " ".join((folder / "report.txt").read_text().split())
    assert words.count("small_cnn, random weights") == 1
    assert "with objects marked difficult as well" in words
    assert "C = 1." in words


def test_results_of_before_there_was_a_setting_are_printed(values):
    outcomes = [
        Outcome(name, 0, {k: v for k, v in told.items() if k != "setting"})
        for name, told in values[0].items()
    ]
    table, pairs = context_report(outcomes).tables
    assert len(table.notes) == 1
    # The paper tells how many overlap once, of no split.
    assert [row[2] for row in pairs.rows[2:]] == ["", "", "92.6 %"]


def test_the_values_of_c_that_were_chosen_are_printed(values):
    told = values[0]["SCN"]
    other = told | {"h3": told["h3"] | {"C": 0.3}}
    outcomes = [Outcome("SCN", 0, told), Outcome("SCN", 1, other)]
    note = context_report(outcomes).tables[0].notes[0]
    assert "C = 0.3 or 1 (h3), 1 (own), 1 (both), 1 (partner)." in note


def test_machines_without_an_end_are_told_of(values):
    told = values[0]["SCN"]
    assert told["own"]["not_converged"] == 0
    other = told | {"own": told["own"] | {"not_converged": 2}}
    outcomes = [Outcome("SCN", 0, told), Outcome("SCN", 1, other)]
    notes = context_report(outcomes).tables[0].notes
    assert notes[-1] == "SVMs that ran out of iterations: 2 (own)."
    assert "iterations" not in context_report(outcomes[:1]).tables[0].notes[-1]


def test_pictures_are_found_from_any_working_directory(values):
    by_variant, folder = values
    for path in by_variant["SCN"]["pictures"].values():
        assert pathlib.Path(path).is_absolute()
        assert pathlib.Path(path).is_relative_to(folder.resolve())


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--train_split=trainval", "trains on val, by which"),
        ("--nosvm_normalize", "rows of unit length alone"),
    ],
)
def test_what_would_mislead_is_refused(
    demo_experiment, tmp_path, capsys, flag, told
):
    arguments = ("--variant=SCN:", flag)
    assert demo_experiment(tmp_path / "run", "table1", *arguments) == 1
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run/SCN/seed0/checkpoints").exists()


def test_proposals_without_labels_are_refused(command, tmp_path, capsys):
    code = command(
        f"--flagfile={ROOT}/scn_tf/flagfiles/demo.flags",
        f"--run_dir={tmp_path}/run",
        "--experiment=table1",
        "--proposals=uniform",
        "--limit_images=32",
        "--epochs=1",
        "--picture_every=0",
    )
    assert code == 1
    assert "labeled boxes as proposals" in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("*/*/checkpoints"))
