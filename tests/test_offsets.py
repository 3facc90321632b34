"""The offset is used: on scenes that need it, and on photographs."""

import json

import pytest

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
