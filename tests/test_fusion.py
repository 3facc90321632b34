"""Crops beside their context: which pairs are made, and what they tell."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
from tiny import tiny_graph

from scn_tf.experiments import fusion
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.fusion import context_features
from scn_tf.experiments.fusion import fitted_photographs
from scn_tf.experiments.fusion import fusion_report
from scn_tf.experiments.fusion import pairs_to_objects
from scn_tf.experiments.fusion import with_objects
from scn_tf.offsets import PairOffsets
from scn_tf.run_data import learning_part


def graph_with_objects():
    graph = tiny_graph(num_images=3)
    image = np.array([0, 2, 2])
    boxes = np.array([[1, 2, 5, 9], [0, 0, 8, 8], [3, 3, 9, 30]], np.float32)
    return dataclasses.replace(graph, object_boxes=boxes, object_image=image)


def test_every_proposal_meets_every_object_of_its_photograph():
    graph = graph_with_objects()
    pairs = pairs_to_objects(graph)
    expected = {
        (proposal, len(graph.boxes) + number)
        for number, image in enumerate(graph.object_image)
        for proposal in np.flatnonzero(graph.patch_image == image)
    }
    assert {tuple(pair) for pair in pairs} == expected
    assert len(pairs) == len(expected)


def test_objects_are_nodes_with_offsets():
    graph = graph_with_objects()
    pairs = pairs_to_objects(graph)
    extended = with_objects(graph, pairs)
    offsets = PairOffsets(extended, "pixels")(pairs)
    source = graph.boxes[pairs[:, 0]]
    target = graph.object_boxes[pairs[:, 1] - len(graph.boxes)]
    # Top-left corner, x before y.
    np.testing.assert_allclose(
        offsets[:, :2], (target - source)[:, [1, 0]], rtol=1e-5
    )


@pytest.fixture(scope="module")
def run(restored_run):
    return restored_run


@pytest.fixture(scope="module")
def features(run):
    return context_features(run, "val")


def assert_about(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for the rounding of the cache."""
    distance = np.linalg.norm(actual - expected)
    assert distance < 0.03 * np.linalg.norm(expected)


def test_context_is_the_mean_over_the_proposals_of_the_photograph(
    run, features
):
    """Held against sums of one object after the other."""
    graph = run.graph(("val",))
    own = run.vectors(("val",), "proposals", original=True)
    h1 = run.vectors(("val",), "proposals")
    for number in (0, 1, len(graph.object_boxes) - 1):
        image = graph.object_image[number]
        nodes = np.flatnonzero(graph.patch_image == image)
        assert len(nodes) == 2  # the circle and the other shape
        mean = own[nodes].mean(axis=0)
        assert_about(features["neighbors"][number], mean)
        box = graph.object_boxes[number]
        extended = dataclasses.replace(
            graph,
            boxes=np.concatenate([graph.boxes, box[None]]),
            patch_image=np.concatenate([graph.patch_image, [image]]),
        )
        pairs = np.stack([nodes, np.full(2, len(graph.boxes))], axis=1)
        offsets = PairOffsets(extended, run.config.offset_unit)(pairs)
        predicted = np.asarray(run.head(h1[nodes], offsets)).mean(axis=0)
        assert_about(features["h3"][number], predicted)


def test_permuted_offsets_predict_worse(features):
    """On scenes the place tells what is there."""
    errors = {
        name: np.linalg.norm(features[name] - features["own"], axis=1).mean()
        for name in ("h3", "h3 permuted")
    }
    assert errors["h3"] < 0.9 * errors["h3 permuted"]


def test_the_gain_is_over_the_crops_own_features():
    values = {name: {"mean": 50.0} for name in fusion._ROWS}
    values["own + h3"] = {"mean": 53.0}
    told = {"difference": 1.0, "interval": [-1.0, 2.0]}
    values["differences"] = [told] * len(fusion._COMPARED)
    other = {**values, "own + h3": {"mean": 55.0}}
    told = {"difference": 2.0, "interval": [-0.5, 3.0]}
    other["differences"] = [told] * len(fusion._COMPARED)
    report = fusion_report(
        [Outcome("SCN", 0, values), Outcome("SCN", 1, other)]
    )
    table, differences = report.tables
    assert differences.rows[0] == (
        "own + h3, over own + neighbors",
        "+1.50 (-1.00 to +3.00)",
    )
    assert "those that overlap the crop as well" in table.notes[0]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["own features"] == ("50.00 ± 0.00", "+0.00")
    told = rows["own + what the proposals predict (h3)"]
    assert told == ("54.00 ± 1.41", "+4.00")


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--train_split=trainval", "trains on val, by which"),
        ("--epochs=2", "takes the crops themselves as proposals"),
    ],
)
def test_what_would_tell_a_crop_from_itself_is_refused(
    demo_experiment, tmp_path, capsys, flag, told
):
    """The demo's proposals are the labeled boxes."""
    assert demo_experiment(tmp_path / "run", "fusion", flag) == 1
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run/SCN/seed0/checkpoints").exists()


def test_classifiers_may_be_fitted_on_what_nothing_was_trained_on(run):
    assert fitted_photographs(run).all()
    config = run.config
    run.config = dataclasses.replace(config, train_split="train_part")
    try:
        fitted = fitted_photographs(run)
    finally:
        run.config = config
    np.testing.assert_array_equal(fitted, ~learning_part(600))
    assert fitted.sum() == 180


@pytest.mark.slow  # the smoke run of its flagfile makes the same table
def test_the_table_names_every_kind_of_context(command, tmp_path):
    root = pathlib.Path(__file__).parents[1]
    code = command(
        f"--flagfile={root}/scn_tf/flagfiles/demo.flags",
        f"--run_dir={tmp_path}/run",
        *("--experiment=fusion", "--proposals=uniform", "--uniform_side=24"),
        *("--epochs=2", "--svm_c=1", "--picture_every=0"),
    )
    assert code == 0
    report = (tmp_path / "run/report.txt").read_text()
    assert report.count("small_cnn, random weights") == 1
    outcomes = json.loads((tmp_path / "run/outcomes.json").read_text())
    assert [o["variant"] for o in outcomes] == ["SCN", "no offset"]
    outcome = outcomes[0]
    assert outcome["values"].pop("setting")["judged"] == 200
    differences = outcome["values"].pop("differences")
    means = {name: value["mean"] for name, value in outcome["values"].items()}
    assert set(means) == set(fusion._ROWS)
    assert all(0 < mean <= 100 for mean in means.values())
    for (one, other), told in zip(fusion._COMPARED, differences, strict=True):
        expected = means[one] - means[other]
        assert told["difference"] == pytest.approx(expected)
    lines = (tmp_path / "run" / "fusion.csv").read_text().splitlines()
    assert lines[0] == ",SCN,gain,no offset,gain"
    assert lines[1].endswith("+0.00")
