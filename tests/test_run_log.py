"""Laws of metrics.jsonl and TensorBoard."""

import json

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

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


def shown_steps(run_dir, tag):
    """Returns the steps of a curve, as TensorBoard shows it."""
    folder = str(run_dir / "tensorboard")
    shown = event_accumulator.EventAccumulator(folder)
    shown.Reload()
    return [event.step for event in shown.Tensors(tag)]


def test_steps_that_are_taken_again_stand_once_in_tensorboard(tmp_path):
    for first, steps in ((0, (1, 2, 3)), (1, (2, 3, 4))):
        log = RunLog(tmp_path)
        log.rewind(first)
        for step in steps:
            log.write("epoch", step=step, loss=float(step))
    assert shown_steps(tmp_path, "epoch/loss") == [1, 2, 3, 4]
    lines = log.history("epoch")
    assert [line["step"] for line in lines] == [1, 2, 3, 4]


def test_a_file_of_events_that_was_cut_off_is_rewound(tmp_path):
    log = RunLog(tmp_path)
    for step in (1, 2, 3):
        log.write("epoch", step=step, loss=1.0)
    (path,) = (tmp_path / "tensorboard").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    RunLog(tmp_path).rewind(1)
    assert shown_steps(tmp_path, "epoch/loss") == [1]
    assert [path] == list((tmp_path / "tensorboard").iterdir())


def test_who_does_not_write_rewinds_nothing(tmp_path):
    RunLog(tmp_path).write("epoch", step=1, loss=1.0)
    RunLog(tmp_path, writes=False).rewind(0)
    assert shown_steps(tmp_path, "epoch/loss") == [1]
    assert RunLog(tmp_path).history("epoch")


def test_a_line_after_a_torn_one_is_whole(tmp_path):
    log = RunLog(tmp_path)
    log.write("epoch", step=1, loss=1.0)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"event": "epo')
    log.write("stage", name="records")
    assert log.history("stage") == [{"event": "stage", "name": "records"}]
    log.rewind(1)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["epoch", "stage"]
