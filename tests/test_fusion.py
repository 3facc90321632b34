"""Crops beside their context: which pairs are made, and what they tell."""

import json
import pathlib

import numpy as np
import pytest
from tiny import tiny_graph

from scn_tf.experiments.fusion import pairs_to_objects
from scn_tf.experiments.fusion import with_objects
from scn_tf.offsets import PairOffsets

ROOT = pathlib.Path(__file__).parents[1]


def graph_with_objects():
    import dataclasses

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


@pytest.mark.slow  # the smoke run of its flagfile makes the same table
def test_the_table_names_every_kind_of_context(demo_run, command, tmp_path):
    code = command(
        f"--flagfile={ROOT}/scn_tf/flagfiles/demo.flags",
        f"--records_dir={demo_run}/records",
        f"--run_dir={tmp_path}/run",
        "--experiment=fusion",
        "--epochs=2",
        "--svm_c=1",
        "--picture_every=0",
    )
    assert code == 0
    (outcome,) = json.loads((tmp_path / "run/outcomes.json").read_text())
    means = {name: value["mean"] for name, value in outcome["values"].items()}
    assert len(means) == 8
    assert all(0 < mean <= 100 for mean in means.values())
    lines = (tmp_path / "run" / "fusion.csv").read_text().splitlines()
    assert lines[0] == ",SCN,gain"
    assert lines[1].endswith("+0.00")
