"""Table 4: three forms of AP, few labels, the paper's numbers beside."""

import json
import pathlib

import pytest

# The smoke run of its flagfile makes the same tables.
pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(command, demo_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table4") / "run"
    code = command(
        f"--flagfile={ROOT}/scn_tf/flagfiles/demo.flags",
        f"--records_dir={demo_run}/records",
        f"--run_dir={folder}",
        "--experiment=table4",
        "--variant=original: untrained",
        "--variant=SCN:",
        "--epochs=2",
        "--svm_c=1",
        "--picture_every=0",
    )
    assert code == 0
    return folder


def test_three_forms_of_ap_stand_side_by_side(folder):
    lines = (folder / "table4.csv").read_text().splitlines()
    assert lines[0] == ',11 points,area,scikit-learn,"paper, test"'
    names = [line.split(",")[0] for line in lines[1:4]]
    assert names == ["original", "SCN: h1", "SCN: joined"]
    forms = [float(cell) for cell in lines[1].split(",")[1:4]]
    assert len(set(forms)) == 3
    assert max(forms) - min(forms) < 5
    assert lines[-1].endswith("79.0")


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


def test_original_features_have_one_value(folder):
    outcomes = json.loads((folder / "outcomes.json").read_text())
    means = {
        outcome["values"]["images"]["original"]["mean"] for outcome in outcomes
    }
    assert len(means) == 1


@pytest.mark.parametrize("name", ["table4_features.csv", "table4.png"])
def test_the_rest_is_written(folder, name):
    assert (folder / name).is_file()
