"""A training that is killed again and again ends with the same bits."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.killed_training import check
from benchmarks.killed_training import PHASES
from benchmarks.run_folders import differences
from benchmarks.run_folders import saving
from benchmarks.run_folders import state
from scn_tf.run_log import RunLog


@pytest.fixture
def folders(tmp_path):
    """Two equal run folders."""
    run_dir = tmp_path / "whole"
    (run_dir / "cache" / "a").mkdir(parents=True)
    for name in ("features-00000.npy", "shard-00000.json"):
        (run_dir / "cache" / "a" / name).write_bytes(b"abc")
    checkpoints = run_dir / "checkpoints"
    saved = tf.train.Checkpoint(weight=tf.Variable(np.float32([1, 2])))
    tf.train.CheckpointManager(saved, str(checkpoints), 2).save(7)
    (checkpoints / "best.json").write_text("{}")
    RunLog(run_dir).write("epoch", step=7, loss=0.5, input_wait=0.1)
    shutil.copytree(run_dir, tmp_path / "broken")
    return run_dir, tmp_path / "broken"


def alter_line(run_dir, **changes):
    path = run_dir / "metrics.jsonl"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def alter_weight(run_dir):
    folder = run_dir / "checkpoints"
    saved = tf.train.Checkpoint(weight=tf.Variable(np.float32([1, 2])))
    saved.weight.assign(np.nextafter(saved.weight.numpy(), np.float32(3)))
    saved.save_counter.assign(1)
    saved.write(str(folder / "ckpt-7"))


# What is done to a run folder -> what is said about it.
ALTERATIONS = {
    r"checkpoints/ckpt-8_temp was left": lambda run_dir: (
        run_dir / "checkpoints" / "ckpt-8_temp"
    ).mkdir(),
    r"best.json is missing": lambda run_dir: (
        run_dir / "checkpoints" / "best.json"
    ).unlink(),
    r"features-00000.npy differs": lambda run_dir: (
        run_dir / "cache" / "a" / "features-00000.npy"
    ).write_bytes(b"abd"),
    r"ckpt-7.index: weight.* differs": alter_weight,
    r"metrics.jsonl: .*0\.5.* became .*0\.6": lambda run_dir: alter_line(
        run_dir, loss=0.6
    ),
    r"epoch/loss has the steps \[7, 7\], not the steps \[7\]": lambda run_dir: (
        RunLog(run_dir)._write_scalars("epoch", 7, {"loss": 0.5})
    ),
}


@pytest.mark.parametrize("words", ALTERATIONS)
def test_every_difference_is_found(folders, words):
    assert differences(*folders) == []
    ALTERATIONS[words](folders[1])
    (found,) = differences(*folders)
    assert re.search(words, found)


def test_the_speed_of_the_machine_is_no_difference(folders):
    alter_line(folders[1], input_wait=0.7, pairs_per_second=3.0)
    assert differences(*folders) == []


def test_a_checkpoint_counts_when_it_is_listed(folders):
    run_dir = folders[0]
    assert state(run_dir).step == 7
    assert list(state(run_dir).shards) == ["cache/a/shard-00000.json"]
    assert saving(run_dir) == []
    (run_dir / "checkpoints" / "ckpt-8.index").touch()
    assert state(run_dir).step == 7
    assert saving(run_dir) == ["ckpt-8.index"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="kills process groups")
def test_a_training_killed_in_each_phase_is_the_unbroken_one(tmp_path):
    assert check(tmp_path, len(PHASES), images=120, epochs=2, seed=0) == []
