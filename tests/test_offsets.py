"""The offset is used: on scenes that need it, and on photographs."""

import dataclasses
import json

import numpy as np
import pytest
from tiny import tiny_graph

from scn_tf.offsets import OFFSET_UNITS
from scn_tf.offsets import PairOffsets

GRAPH = tiny_graph(num_images=6)

DEMO = "--flagfile=scn_tf/flagfiles/demo.flags"


def losses(run_dir) -> dict:
    return json.loads((run_dir / "verdict.json").read_text())["losses"]


def test_scenes_are_predicted_from_their_offsets(demo_run):
    """Figure 3: nearly nothing is left after 25 epochs."""
    assert losses(demo_run)["test_over_floor"] <= 0.15
    assert losses(demo_run)["permuted_over_floor"] >= 0.95


def test_scenes_cannot_be_predicted_without(demo_run, command, tmp_path):
    """The control of Figure 3: blind to offsets, the loss stays."""
    arguments = [
        f"--run_dir={tmp_path}/blind",
        f"--records_dir={demo_run}/records",
        "--offset_gain=0",
        "--stages=records,train",
        "--epochs=12",
    ]
    assert command(DEMO, *arguments) == 0
    lines = (tmp_path / "blind" / "metrics.jsonl").read_text().splitlines()
    epochs = [json.loads(line) for line in lines]
    last = [line for line in epochs if line["event"] == "epoch"][-1]
    assert last["val_over_floor"] >= 0.95
    assert last["val_permuted"] == pytest.approx(last["val_loss"], rel=1e-6)


def test_photographs_are_predicted_better_with_their_offsets(voc_run):
    """200 photographs: permuting the offsets must cost at least 1 %."""
    measured = losses(voc_run)
    assert measured["test"] < measured["floor"]
    assert measured["permuted"] > 1.01 * measured["test"]


@pytest.mark.parametrize("unit", [u for u in OFFSET_UNITS if u != "pixels"])
def test_offsets_do_not_change_when_the_picture_is_enlarged(unit):
    larger = dataclasses.replace(
        GRAPH, boxes=GRAPH.boxes * 3, sizes=GRAPH.sizes * 3
    )
    np.testing.assert_allclose(
        PairOffsets(larger, unit)(GRAPH.pairs),
        PairOffsets(GRAPH, unit)(GRAPH.pairs),
        rtol=1e-4,
        atol=1e-6,
    )


def test_units_of_one_pair_by_hand():
    graph = dataclasses.replace(
        GRAPH,
        boxes=np.array([[10, 20, 30, 60], [20, 40, 60, 50]], np.float32),
        sizes=np.array([[100, 200]], np.float32),
        patch_image=np.zeros(2, np.int64),
        pairs=np.array([[0, 1]]),
    )
    pixels = np.array([[20, 10, -10, 10, 20, 30, -10, 30]], np.float32)
    expected = {
        "pixels": pixels,
        "image": pixels / 200,
        "source": pixels / [[40, 20] * 4],
        # The middle moves by 20 of 20 down and by 5 of 40 right.
        "ratios": [[1, 0.125, np.log(2), np.log(0.25)] * 2],
    }
    for unit, offsets in expected.items():
        measured = PairOffsets(graph, unit)(graph.pairs)
        np.testing.assert_allclose(measured, offsets, rtol=1e-6)
        assert measured.dtype == np.float32


def test_permuted_offsets_are_those_of_other_pairs():
    offsets = PairOffsets(GRAPH)(GRAPH.pairs)
    mixed = PairOffsets(GRAPH, permuted=True, seed=1)
    permuted = mixed(GRAPH.pairs)
    assert not np.array_equal(permuted, offsets)
    np.testing.assert_array_equal(
        permuted[np.lexsort(permuted.T)], offsets[np.lexsort(offsets.T)]
    )
    # A pair's is always the same, in whatever company.
    some = GRAPH.pairs[[7, 3, 7]]
    np.testing.assert_array_equal(mixed(some), permuted[[7, 3, 7]])
    again = PairOffsets(GRAPH, permuted=True, seed=2)(GRAPH.pairs)
    assert not np.array_equal(again, permuted)


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="'feet'"):
        PairOffsets(GRAPH, "feet")
