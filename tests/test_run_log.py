"""Laws of metrics.jsonl and TensorBoard."""

import json

import numpy as np
import tensorflow as tf

from scn_tf.run_log import RunLog


def test_each_event_is_one_line(tmp_path):
    log = RunLog(tmp_path)
    log.write("epoch", step=3, loss=0.5)
    log.write("module", size=1.01)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"event": "epoch", "step": 3, "loss": 0.5}
    assert json.loads(lines[1]) == {"event": "module", "size": 1.01}


def test_history_is_of_one_event_and_survives_a_torn_line(tmp_path):
    log = RunLog(tmp_path)
    log.write("epoch", step=1, loss=2.0)
    log.write("module", size=1.0)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"event": "epo')
    assert [line["loss"] for line in log.history("epoch")] == [2.0]


def test_history_of_a_new_run_is_empty(tmp_path):
    assert RunLog(tmp_path).history("epoch") == []


def test_numbers_with_a_step_and_pictures_reach_tensorboard(tmp_path):
    log = RunLog(tmp_path)
    log.write("epoch", step=7, loss=0.25)
    picture = tmp_path / "pairs.png"
    pixels = tf.constant(np.zeros((4, 5, 3), np.uint8))
    picture.write_bytes(tf.io.encode_png(pixels).numpy())
    log.picture("evaluate/pairs", picture, step=0)
    (events,) = (tmp_path / "tensorboard").iterdir()
    found = {
        value.tag: (event.step, value)
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    step, value = found["epoch/loss"]
    assert step == 7
    assert tf.make_ndarray(value.tensor) == 0.25
    assert "evaluate/pairs" in found


def test_a_stage_logs_its_time_and_the_peak_memory(tmp_path):
    log = RunLog(tmp_path)
    with log.stage("records"):
        pass
    (line,) = log.history("stage")
    assert line["name"] == "records"
    assert line["seconds"] >= 0
    assert line["peak_memory"] > 1e7  # bytes: Python alone takes more
