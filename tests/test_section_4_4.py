"""Table 4: three forms of AP, few labels, the paper's numbers beside."""

import json

import numpy as np
import pytest
from PIL import Image

from scn_tf.evaluation.low_shot import NUM_EXAMPLES
from scn_tf.experiments import feature_quality
from scn_tf.experiments import section_4_4
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.section_4_4 import voc2007_report
from scn_tf.run_log import RunLog

NUMBERS = {"train": 12, "val": 8, "test": 6}


@pytest.fixture(scope="module")
def folder(demo_experiment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table4") / "run"
    variants = ("--variant=original: untrained", "--variant=SCN:")
    assert demo_experiment(folder, "table4", *variants) == 0
    return folder


@pytest.mark.slow
def test_three_forms_of_ap_stand_side_by_side(folder):
    lines = (folder / "table4.csv").read_text().splitlines()
    assert lines[0] == ',11 points,area,scikit-learn,"paper, test"'
    names = [line.split(",")[0] for line in lines[1:4]]
    assert names == ["original", "SCN: h1", "SCN: joined"]
    forms = [float(cell) for cell in lines[1].split(",")[1:4]]
    assert len(set(forms)) == 3
    assert max(forms) - min(forms) < 5
    assert lines[-1].endswith("79.0")


@pytest.mark.slow
def test_few_labels_are_drawn_alike_for_all_features(folder):
    outcomes = json.loads((folder / "outcomes.json").read_text())
    curves = {}
    for outcome in outcomes:
        curves |= outcome["values"]["low_shot"]["curves"]
    assert set(curves) == {"original", "h1", "joined"}
    for curve in curves.values():
        assert len(curve["mean"]) == 8
        assert all(len(draws) == 5 for draws in curve["draws"])
        # More labels help.
        assert curve["mean"][-1] > curve["mean"][0]
    lines = (folder / "low_shot.csv").read_text().splitlines()
    assert lines[0] == ",1,2,4,8,16,32,64,96"
    assert (folder / "low_shot.png").is_file()


@pytest.mark.slow
def test_original_features_have_one_value(folder):
    outcomes = json.loads((folder / "outcomes.json").read_text())
    means = {
        outcome["values"]["images"]["original"]["mean"] for outcome in outcomes
    }
    assert len(means) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table4_features.csv", "table4.png"])
def test_the_rest_is_written(folder, name):
    assert (folder / name).is_file()


def values(**means):
    """Made-up numbers by features; the two draws lie 1 apart."""

    def told(mean):
        forms = {"eleven_point": mean - 2, "area": mean + 1}
        return {
            "mean": mean,
            "by_form": {
                form: {"mean": value}
                for form, value in {**forms, "scikit_learn": mean}.items()
            },
            "per_class": {"cat": mean},
            "C": {"cat": 1.0},
        }

    def curve(mean):
        draws = [[mean + n, mean + n + 1] for n in range(len(NUM_EXAMPLES))]
        return {"mean": [m for m, _ in draws], "std": [1.0] * 8, "draws": draws}

    kind = {name: told(mean) for name, mean in means.items()}
    shown = dict(means)
    if len(means) > 1:
        del shown["original"]
    for name in shown:
        kind[name]["over_original"] = {"difference": 1.0, "interval": [0, 2]}
    return {
        "objects": kind,
        "images": kind,
        "judged_on": "val",
        "network": "pre-trained",
        "low_shot": {
            "fewer_positives": {"sheep": 46},
            "fewer_negatives": {},
            "num_examples": list(NUM_EXAMPLES),
            "curves": {name: curve(mean) for name, mean in shown.items()},
            "C": 1.0,
            "form": "scikit_learn",
        },
    }


def test_the_tables_hold_what_was_measured():
    report = voc2007_report(
        [
            Outcome("original", 0, values(original=80.0)),
            Outcome("SCN", 0, values(original=80.0, h1=81.0, joined=82.0)),
            Outcome("SCN", 1, values(original=80.0, h1=83.0, joined=82.0)),
        ]
    )
    tables = {table.name: table for table in report.tables}
    rows = {row[0]: row[1:] for row in tables["table4"].rows}
    assert rows["original"] == ("78.00", "81.00", "80.00", "")
    assert rows["SCN: h1"][:3] == (
        "80.00 ± 1.41",
        "83.00 ± 1.41",
        "82.00 ± 1.41",
    )
    assert rows["SCN-EdgeBox from ImageNet, CNN-M"][-1] == "79.0"
    gains = {row[0]: row[1:] for row in tables["low_shot_gains"].rows}
    # Two draws of two seeds, each against the original on the same draw.
    assert gains["SCN: h1"] == ("2.00 ± 1.15",) * 8
    assert gains["SCN: joined"] == ("2.00 ± 0.00",) * 8


@pytest.fixture
def data_dir(tmp_path):
    """Pictures in three splits with a labeled box each, as the csv source."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = ["filename,xmin,ymin,xmax,ymax,class,split"]
    for split, number in NUMBERS.items():
        for index in range(number):
            name = f"{split}{index}.png"
            pixels = rng.integers(0, 256, (40, 48, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name)
            kind = ("cat", "dog")[index % 2]
            rows.append(f"{name},4,5,40,36,{kind},{split}")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_with_test_photographs_all_others_are_trained_and_fitted_on(
    command, data_dir, tmp_path, monkeypatch
):
    seen = []

    def parts_of(run, kind):
        parts = feature_quality.parts_of(run, kind)
        seen.append((run.train_splits, *(len(p.targets) for p in parts)))
        return parts

    monkeypatch.setattr(section_4_4, "parts_of", parts_of)
    code = command(
        *("--experiment=table4", "--train_split=trainval", "--judge_on=test"),
        *("--variant=original: untrained", "--variant=SCN:"),
        *(f"--data_dir={data_dir}", f"--run_dir={tmp_path}/run"),
        *("--source=csv", "--proposals=uniform", "--uniform_side=16"),
        *("--backbone=small_cnn", "--image_size=32", "--num_workers=1"),
        *("--fc6_width=16", "--fc7_width=16", "--batch_pairs=32"),
        *("--epochs=1", "--svm_c=1", "--picture_every=0"),
    )
    assert code == 0
    # Of two rows, crops and whole images: one box a picture.
    assert seen == [(("train", "val"), 12 + 8, 6)] * 4
    outcomes = json.loads((tmp_path / "run/outcomes.json").read_text())
    for outcome in outcomes:
        setting = outcome["values"]["setting"]
        assert (setting["fitted"], setting["judged"]) == (12 + 8, 6)
        assert setting["judged_on"] == outcome["values"]["judged_on"] == "test"
    # Ten pairs of the five crops of each picture.
    (line,) = RunLog(tmp_path / "run/SCN/seed0").history("epoch")
    assert line["step"] == (12 + 8) * 10 // 32
    report = (tmp_path / "run/report.txt").read_text()
    assert "fitted on 20 and judged by 6 of test" in " ".join(report.split())


def test_the_draws_alone_are_those_of_goyal():
    report = voc2007_report([Outcome("original", 0, values(original=80.0))])
    (low_shot,) = (t for t in report.tables if t.name == "low_shot")
    assert "draws as in Goyal et al. 2019" in low_shot.notes[0]
    assert "protocol" not in low_shot.notes[0]


def test_classes_with_too_few_examples_are_named():
    report = voc2007_report([Outcome("original", 0, values(original=80.0))])
    (low_shot,) = (t for t in report.tables if t.name == "low_shot")
    assert "96 examples per class" in low_shot.notes[-1]
    assert low_shot.notes[-1].endswith("all there are: 46 sheep positives.")


def test_gains_are_over_the_original_of_the_same_weights():
    other = values(original=70.0, h1=90.0, joined=90.0)
    report = voc2007_report(
        [
            Outcome("original", 0, values(original=80.0)),
            Outcome("SCN", 0, values(original=80.0, h1=81.0, joined=82.0)),
            Outcome("SCN", 1, other | {"network": "of seed 1"}),
        ]
    )
    (table,) = (t for t in report.tables if t.name == "low_shot_gains")
    gains = {row[0]: row[1:] for row in table.rows}
    assert gains["SCN: h1"] == ("1.00 ± 0.00",) * 8


def test_without_the_original_there_is_no_gain_to_tell():
    trained = values(original=80.0, h1=81.0, joined=82.0)
    report = voc2007_report([Outcome("SCN", 0, trained)])
    assert "low_shot_gains" not in {table.name for table in report.tables}
