"""Laws of checkpoints."""

import errno
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from left_files import temporary_name
from tiny import tiny_backbone
from tiny import tiny_head

from scn_tf.checkpoint import Checkpoints
from tfrecords.errors import InputError


def parts(seed=0):
    neck, head = tiny_backbone(seed).neck, tiny_head(seed)
    optimizer = keras.optimizers.SGD(0.1, 0.9)
    optimizer.build(neck.trainable_variables + head.trainable_variables)
    return neck, head, optimizer


def values(neck, head, optimizer=None):
    variables = [*neck.weights, *head.weights]
    variables += optimizer.variables if optimizer else []
    return [variable.numpy() for variable in variables]


def test_what_is_saved_comes_back_bit_for_bit(tmp_path):
    saved = parts(seed=1)
    for variable in saved[2].variables:
        if variable.shape:
            variable.assign(np.full(variable.shape, 0.25))
    Checkpoints(tmp_path, *saved).save(3)
    restored = parts(seed=2)
    assert Checkpoints(tmp_path, *restored).restore() == 3
    for one, other in zip(values(*saved), values(*restored), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_can_be_read_without_the_optimizer(tmp_path):
    saved = parts(seed=1)
    Checkpoints(tmp_path, *saved).save(1)
    neck, head, _ = parts(seed=2)
    assert Checkpoints(tmp_path, neck, head).restore() == 1
    expected = values(*saved[:2])
    for one, other in zip(expected, values(neck, head), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_empty_folder_is_step_zero(tmp_path):
    assert Checkpoints(tmp_path, *parts()).restore() == 0


def test_without_the_newest_the_one_before_is_restored(tmp_path):
    checkpoints = Checkpoints(tmp_path, *parts())
    checkpoints.save(1)
    checkpoints.save(2)
    for path in tmp_path.glob("ckpt-2.*"):
        path.unlink()
    assert Checkpoints(tmp_path, *parts(seed=3)).restore() == 1


def test_only_the_newest_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, *parts(), keep=2)
    for epoch in (1, 2, 3):
        checkpoints.save(epoch)
    names = {path.name for path in tmp_path.glob("*.index")}
    assert names == {"ckpt-2.index", "ckpt-3.index"}


def test_a_full_disk_is_named_and_the_older_checkpoint_stays(
    tmp_path, monkeypatch
):
    checkpoints = Checkpoints(tmp_path, *parts())
    checkpoints.save(1)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tf.train.CheckpointManager, "save", full)
    with pytest.raises(InputError, match="disk is full"):
        checkpoints.save(2)
    assert Checkpoints(tmp_path, *parts(seed=5)).restore() == 1


def test_the_sum_of_losses_comes_back_with_its_step(tmp_path):
    Checkpoints(tmp_path, *parts()).save(3, 1.375)
    checkpoints = Checkpoints(tmp_path, *parts())
    checkpoints.restore()
    assert (checkpoints.step, checkpoints.total) == (3, 1.375)


def test_the_best_is_kept_beside_the_newest(tmp_path):
    neck, head, optimizer = parts(seed=1)
    checkpoints = Checkpoints(tmp_path, neck, head, optimizer)
    weight = head.weights[0]
    for step, loss in ((1, 5.0), (2, 3.0), (3, 4.0)):
        weight.assign(np.full(weight.shape, step, np.float32))
        assert checkpoints.save_if_best(loss, step) == (step < 3)
        checkpoints.save(step)
    again = Checkpoints(tmp_path, neck, head)
    assert again.restore("best") == 2
    assert weight.numpy().flat[0] == 2
    assert again.restore("last") == 3
    assert weight.numpy().flat[0] == 3


def test_weights_whose_loss_is_no_number_are_never_the_best(tmp_path):
    checkpoints = Checkpoints(tmp_path, *parts(0))
    assert checkpoints.save_if_best(2.0, 1)
    assert not checkpoints.save_if_best(float("nan"), 2)
    assert json.loads((tmp_path / "best.json").read_text())["step"] == 1


def test_who_does_not_write_leaves_no_file(tmp_path):
    checkpoints = Checkpoints(tmp_path / "a", *parts(), writes=False)
    checkpoints.save(1)
    assert not checkpoints.save_if_best(1.0, 1)
    assert not list(tmp_path.rglob("*ckpt*"))


def test_all_damaged_is_an_error_that_names_them(tmp_path):
    checkpoints = Checkpoints(tmp_path, *parts())
    checkpoints.save(1)
    checkpoints.save(2)
    for path in tmp_path.glob("*.data-*"):
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="are damaged: ckpt-1, ckpt-2"):
        Checkpoints(tmp_path, *parts()).restore()


def test_what_a_killed_save_left_is_removed(tmp_path):
    checkpoints = Checkpoints(tmp_path, *parts())
    for step in (1, 2):
        checkpoints.save(step)
    checkpoints.save_if_best(1.0, 2)
    whole = {path.name for path in tmp_path.iterdir()}
    (tmp_path / "ckpt-3_temp").mkdir()
    (tmp_path / "ckpt-3_temp" / "part-00000-of-00001").touch()
    left = ["ckpt-4.data-00000-of-00001", "ckpt-4.index"]  # not listed
    left += ["ckpt-0.data-00000-of-00001"]  # its index is gone
    left += ["checkpoint.tmp0123456789abcdef"]
    left += [temporary_name("best.json", 4194305)]
    for name in left:
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    Checkpoints(tmp_path, *parts(), writes=False).remove_leftovers()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == whole | {*left, "ckpt-3_temp", "notes.txt"}
    again = Checkpoints(tmp_path, *parts())
    again.remove_leftovers()
    assert {path.name for path in tmp_path.iterdir()} == whole | {"notes.txt"}
    assert again.restore() == 2
    assert again.restore("best") == 2


def test_whole_checkpoints_without_their_list_are_kept(tmp_path):
    Checkpoints(tmp_path, *parts()).save(1)
    (tmp_path / "checkpoint").unlink()
    names = {path.name for path in tmp_path.iterdir()}
    Checkpoints(tmp_path, *parts()).remove_leftovers()
    assert {path.name for path in tmp_path.iterdir()} == names


def test_an_empty_or_missing_folder_has_no_leftovers(tmp_path):
    Checkpoints(tmp_path / "none", *parts()).remove_leftovers()
    assert not list(tmp_path.rglob("ckpt*"))


def test_a_best_that_a_killed_process_lost_is_written_again(tmp_path):
    checkpoints = Checkpoints(tmp_path, *parts())
    assert checkpoints.save_if_best(1.0, 1)
    (tmp_path / "best").rename(tmp_path / temporary_name("best.old", 4194305))
    assert checkpoints.save_if_best(1.5, 1)
    assert Checkpoints(tmp_path, *parts()).restore("best") == 1


def test_a_best_of_a_run_that_saved_nothing_is_forgotten(tmp_path):
    """It may be of other flags, and of a loss that is summed otherwise."""
    checkpoints = Checkpoints(tmp_path, *parts())
    assert checkpoints.save_if_best(0.1, 1)
    again = Checkpoints(tmp_path, *parts())
    assert again.restore() == 0
    Checkpoints(tmp_path, *parts(), writes=False).forget_best()
    assert again.restore("best") == 1
    again.forget_best()
    assert list(tmp_path.iterdir()) == []
    again.forget_best()
    assert again.save_if_best(100, 1)
