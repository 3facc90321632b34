"""Networks between their start and what they became."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from parsed_flags import parsed_config

from scn_tf.neck_blend import blend_weights
from scn_tf.run import Run
from scn_tf.stages import restore


class Counted(keras.layers.Layer):
    """Has an integer among its weights, as counters of steps are."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.count = self.add_weight(
            (), lambda shape, dtype: start, "int32", trainable=False
        )


def network(value: float) -> keras.Model:
    """With a count, which is no float and must stay."""
    model = keras.Sequential(
        [keras.Input((3,)), Counted(int(value)), keras.layers.Dense(2)]
    )
    for weight in model.trainable_weights:
        weight.assign(keras.ops.full(weight.shape, value))
    return model


@pytest.mark.parametrize("share, wanted", [(0, 1), (0.25, 2), (0.5, 3), (1, 5)])
def test_weights_lie_on_the_line_between_both(share, wanted):
    trained, start = network(5), network(1)
    blend_weights(trained, start, share)
    for weight in trained.trainable_weights:
        np.testing.assert_array_equal(weight, wanted)
    assert trained.layers[0].count.numpy() == 5
    for weight in start.trainable_weights:
        np.testing.assert_array_equal(weight, 1)


def test_all_that_was_trained_stays_to_the_last_bit():
    trained = network(0.1)
    before = trained.get_weights()
    blend_weights(trained, network(0.7), 1)
    for value, first in zip(trained.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, first)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_no_network_lies_beyond_its_ends(share):
    with pytest.raises(ValueError, match="from 0 to 1. Received"):
        blend_weights(network(1), network(2), share)


@pytest.fixture(scope="module")
def command_flags(demo_run):
    return f"--flagfile={demo_run}/flags.txt", f"--run_dir={demo_run}"


def test_a_run_is_judged_between_its_ends(command_flags):
    trained = Run(parsed_config(*command_flags))
    half = Run(parsed_config(*command_flags, "--neck_blend=0.5"))
    for run in (trained, half, half):  # twice is not twice as far
        restore(run)
    for weight, end, start in zip(
        half.backbone.neck.weights,
        trained.backbone.neck.weights,
        half.frozen_neck.weights,
        strict=True,
    ):
        middle = (np.asarray(start) + np.asarray(end)) / 2
        np.testing.assert_allclose(weight, middle, atol=1e-6)
    assert not np.allclose(weight, end)


def test_the_blend_reaches_verdict_and_module(
    command, command_flags, demo_run, tmp_path
):
    """All taken back, the verdict has no difference, nor the module."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("checkpoints", "environment.json", "records"):
        (folder / name).symlink_to(demo_run / name)
    assert (
        command(
            command_flags[0],
            f"--run_dir={folder}",
            f"--cache_dir={demo_run}/cache",
            "--stages=evaluate,export",
            "--neck_blend=0",
        )
        == 0
    )
    verdict = json.loads((folder / "verdict.json").read_text())
    images = verdict["images"]
    assert images["before"]["mean"] == images["after"]["mean"]
    # The head was trained for the whole neck: so are the losses measured.
    whole = json.loads((demo_run / "verdict.json").read_text())
    assert verdict["losses"] == pytest.approx(whole["losses"], rel=1e-5)
    run = Run(parsed_config(*command_flags))
    pictures = tf.cast(next(iter(run.patches(("val",), "images"))), tf.float32)
    given = tf.saved_model.load(str(folder / "module"))(pictures / 255)
    wanted = run.vectors(("val",), "images", original=True)[: len(given)]
    distance = np.linalg.norm(given - wanted) / np.linalg.norm(wanted)
    assert distance < 0.02  # the cache rounds to half precision
