"""Figures 3 and 4 on the synthetic shapes.

The whole figures are slow; `test_offsets` holds their laws in short.
"""

import json
import pathlib
import types

import numpy as np
import pytest

from scn_tf.experiments import EXPERIMENTS
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.section_4_1 import losses_report
from tfrecords.errors import InputError

FLAGFILES = pathlib.Path(__file__).parents[1] / "scn_tf" / "flagfiles"


@pytest.fixture(scope="module")
def figures(command, tmp_path_factory):
    """The folders of both figures, one seed; the tables hold five."""
    folders = {}
    for name in ("fig3", "fig4"):
        folders[name] = tmp_path_factory.mktemp(name) / "run"
        code = command(
            f"--flagfile={FLAGFILES}/{name}.flags",
            f"--run_dir={folders[name]}",
            "--seeds=0",
        )
        assert code == 0
    return folders


def outcomes(folder):
    text = (folder / "outcomes.json").read_text()
    return {line["variant"]: line["values"] for line in json.loads(text)}


@pytest.mark.slow
def test_shapes_need_their_offsets(figures):
    """Figure 3: the loss falls with offsets, and with nothing else.

    The bounds are those of docs/experiments.md, section 4.1.
    """
    curves = {
        name: values["over_floor"]
        for name, values in outcomes(figures["fig3"]).items()
    }
    assert all(len(curve) == 25 for curve in curves.values())
    assert curves["with offsets"][-1] <= 0.15
    assert curves["without offsets"][-1] >= 0.95
    assert curves["permuted offsets"][-1] >= 0.95
    assert (figures["fig3"] / "fig3_curves.png").is_file()


@pytest.mark.slow
def test_predicted_pixels_are_the_right_shape(figures):
    """Figure 4: nearly all patches are nearest to the right template."""
    values = outcomes(figures["fig4"])
    assert values["with offsets"]["share"] >= 0.95
    # Blind to offsets, one blend is predicted for all.
    assert values["without offsets"]["share"] <= 0.5
    assert set(values["with offsets"]["shares"]) == {
        "empty",
        "square",
        "triangle",
    }


@pytest.mark.slow
def test_predictions_are_kept_for_the_papers_epochs(figures):
    run_dir = figures["fig4"] / "with offsets" / "seed0"
    kept = sorted((run_dir / "predicted_pixels").glob("*.npy"))
    epochs = [int(path.stem[6:]) for path in kept]
    assert epochs == [1, 2, 3, 4, 5, 6, 21, 27, 35]
    first, last = np.load(kept[0]), np.load(kept[-1])
    assert first.shape == last.shape == (3, 64, 64)
    # The square of the second row is filled in the end.
    assert last[1].std() < 0.5 * first[1].std()
    assert (figures["fig4"] / "fig4_with_offsets.png").is_file()


def test_pairs_that_were_trained_on_are_not_told_of_as_held_out():
    for name in ("losses", "fig3", "fig4"):
        run = types.SimpleNamespace(
            train_splits=("train", "val"), held_out_splits=("val",)
        )
        with pytest.raises(InputError, match="none are: train on train and v"):
            EXPERIMENTS[name].require(run)


def test_the_table_shows_mean_and_range():
    report = losses_report(
        [
            Outcome("a", 0, {"over_floor": [1.0, 0.5, 0.2]}),
            Outcome("a", 1, {"over_floor": [1.2, 0.7, 0.4]}),
            Outcome("b", 0, {"over_floor": [1.0]}),
        ]
    )
    (table,) = report.tables
    assert table.columns == ("", "seeds", "epoch 1", "epoch 2", "epoch 3")
    assert table.rows[0][2:] == (
        "1.100 (1.000-1.200)",
        "0.600 (0.500-0.700)",
        "0.300 (0.200-0.400)",
    )
    assert table.rows[1] == ("b", "1", "1.000", "-", "-")


@pytest.mark.parametrize(("name", "num_records"), [("fig3", 2), ("losses", 1)])
def test_the_shapes_are_drawn_anew_for_every_seed(
    name, num_records, command, tmp_path
):
    """A sweep compares its rows on the same scenes, a figure does not."""
    code = command(
        f"--flagfile={FLAGFILES}/fig3.flags",
        f"--run_dir={tmp_path}",
        f"--experiment={name}",
        "--seeds=0,1",
        "--limit_images=32",
        "--epochs=1",
        "--variant=with offsets:",
    )
    assert code == 0
    digests = {
        json.loads(path.read_text())["data_digest"]
        for path in tmp_path.glob("*/seed*/environment.json")
    }
    assert len(digests) == num_records
