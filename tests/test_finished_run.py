"""Laws of runs opened again."""

import shutil

import numpy as np
import pytest

from export.finished_run import open_run
from tfrecords.errors import InputError


def test_the_networks_are_those_of_the_checkpoint(short_run):
    run = open_run(short_run)
    trained, original = run.backbone.neck, run.frozen_neck
    for one, other in zip(trained.weights, original.weights, strict=True):
        assert not np.array_equal(one, other)
    best = open_run(short_run, "best").backbone.neck
    # Of one epoch, the last weights are the best.
    for one, other in zip(trained.weights, best.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_devices_of_the_training_need_not_be_here(short_run, tmp_path):
    for name in ("records", "checkpoints"):
        (tmp_path / name).symlink_to(short_run / name)
    text = (short_run / "flags.txt").read_text()
    text = text.replace("--devices=", "--devices=GPU:7")
    (tmp_path / "flags.txt").write_text(text)
    shutil.copy(short_run / "environment.json", tmp_path)
    assert open_run(tmp_path).strategy.num_replicas_in_sync == 1


def test_a_folder_that_is_no_run_says_so(tmp_path):
    with pytest.raises(InputError, match="gone: no such folder"):
        open_run(tmp_path / "gone")
    with pytest.raises(InputError, match="holds no flags.txt"):
        open_run(tmp_path)


def test_a_run_without_a_checkpoint_says_how_to_train(short_run, tmp_path):
    shutil.copy(short_run / "flags.txt", tmp_path)
    with pytest.raises(InputError, match="no checkpoint. Train first: python"):
        open_run(tmp_path)


def test_a_run_whose_records_are_gone_names_them(short_run, tmp_path):
    shutil.copy(short_run / "flags.txt", tmp_path)
    shutil.copytree(short_run / "checkpoints", tmp_path / "checkpoints")
    with pytest.raises(InputError, match="manifest.json"):
        open_run(tmp_path)


def test_flags_of_another_version_are_named(short_run, tmp_path):
    shutil.copytree(short_run / "checkpoints", tmp_path / "checkpoints")
    text = (short_run / "flags.txt").read_text()
    (tmp_path / "flags.txt").write_text(text + "--unheard_of=1\n")
    with pytest.raises(InputError, match="unheard_of"):
        open_run(tmp_path)
