"""Laws of runs opened again."""

import shutil

import numpy as np
import pytest
from absl import flags
from run_copies import copy_run
from run_copies import leave_another_best
from small_records import make_record
from small_records import write_records

from export.finished_run import open_named_run
from export.finished_run import open_run
from export.finished_run import run_flags
from export.finished_run import taken_text
from tfrecords.errors import InputError


def test_the_networks_are_those_of_the_checkpoint(short_run):
    run = open_run(short_run)
    trained, original = run.backbone.neck, run.frozen_neck
    for one, other in zip(trained.weights, original.weights, strict=True):
        assert not np.array_equal(one, other)


@pytest.fixture(scope="module")
def two(short_run, tmp_path_factory):
    """A run whose best is not its last: its folder, and step of the best."""
    folder = copy_run(short_run, tmp_path_factory.mktemp("two") / "run")
    return folder, leave_another_best(folder)


def neck_weights(run):
    return run.backbone.neck.get_weights()


def parsed(run_dir, *arguments):
    values = run_flags()
    values(["export", f"--run_dir={run_dir}", "--output=o", *arguments])
    return values


def test_the_checkpoint_asked_for_is_the_one_opened(two):
    folder, best_step = two
    last, best = open_run(folder), open_run(folder, "best")
    assert last.restored_step == best_step - 1
    assert best.restored_step == best_step
    pairs = zip(neck_weights(last), neck_weights(best), strict=True)
    for of_last, of_best in pairs:
        np.testing.assert_array_equal(of_best, 1.5 * of_last)
    np.testing.assert_array_equal(
        best.head.get_weights()[0], 1.5 * last.head.get_weights()[0]
    )


def test_what_is_not_said_is_taken_from_the_flags_of_the_run(two, tmp_path):
    folder, best_step = two
    own = ("--checkpoint=best", "--neck_blend=0.25")
    other = copy_run(folder, tmp_path / "run", *own)
    run = open_named_run(parsed(other))
    assert taken_text(run) == (
        f"checkpoint 'best', step {best_step}, neck_blend 0.25"
    )
    best = open_run(folder, "best")
    for got, kept, start in zip(
        neck_weights(run),
        neck_weights(best),
        best.frozen_neck.get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(got, start + 0.25 * (kept - start))
    # A share of 0 is said, too.
    run = open_named_run(parsed(other, "--checkpoint=last", "--neck_blend=0"))
    assert taken_text(run) == (
        f"checkpoint 'last', step {best_step - 1}, neck_blend 0"
    )
    run = open_named_run(parsed(other, "--checkpoint=", "--neck_blend="))
    assert "'best'" in taken_text(run) and "0.25" in taken_text(run)


@pytest.mark.parametrize("blend", ["-0.1", "1.1", "half"])
def test_a_share_that_is_none_is_refused(blend):
    with pytest.raises(flags.IllegalFlagValueError, match="neck_blend"):
        parsed("run", f"--neck_blend={blend}")


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


def test_records_and_weights_that_have_moved_are_named_by_flags(
    short_run, tmp_path
):
    gone = ("--records_dir=/gone/records", "--weights=/gone/w.weights.h5")
    folder = copy_run(short_run, tmp_path / "run", *gone)
    with pytest.raises(InputError, match="--weights"):
        open_named_run(parsed(folder))
    moved = "--weights=none"
    with pytest.raises(InputError, match="--records_dir"):
        open_named_run(parsed(folder, moved))
    there = f"--records_dir={short_run / 'records'}"
    run = open_named_run(parsed(folder, moved, there))
    for one, other in zip(
        neck_weights(run), neck_weights(open_run(short_run)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_records_of_something_else_are_refused(short_run, tmp_path):
    write_records(tmp_path, {"train-0": [make_record("train", 0, 2)]})
    with pytest.raises(InputError, match="other data or weights"):
        open_run(short_run, records_dir=tmp_path)


def test_flags_of_another_version_are_named(short_run, tmp_path):
    shutil.copytree(short_run / "checkpoints", tmp_path / "checkpoints")
    text = (short_run / "flags.txt").read_text()
    (tmp_path / "flags.txt").write_text(text + "--unheard_of=1\n")
    with pytest.raises(InputError, match="unheard_of"):
        open_run(tmp_path)
