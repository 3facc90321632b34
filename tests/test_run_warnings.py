"""What is said before a training, and what is not."""

import dataclasses

import pytest

from scn_tf.run_warnings import warn_before_training


@pytest.fixture
def told(restored_run, caplog):
    """Changes the recipe of the demo's run; returns what is said of it."""
    run = restored_run
    config = run.config

    def told(**options: object) -> list[str]:
        training = dataclasses.replace(config.training, **options)
        run.config = dataclasses.replace(config, training=training)
        caplog.clear()
        with caplog.at_level("INFO", logger="absl"):
            warn_before_training(run)
        return caplog.messages

    yield told
    run.config = config


def test_a_finished_run_has_nothing_to_train(told, restored_run):
    assert restored_run.log.epochs_done() == 25
    (message,) = told(epochs=20, head_epochs=20)
    assert message.startswith("The run has 25 epochs, --epochs=20 asks for no")


def test_a_neck_that_is_held_all_the_time_is_told_of(told):
    (message,) = told(epochs=30, head_epochs=30)
    assert "holds the neck in all 30 epochs" in message
    assert told(epochs=30, head_epochs=3) == []


def test_it_is_said_where_nothing_is_held_out(told, restored_run):
    run = restored_run
    held_out = run.held_out_splits
    run.held_out_splits = run.train_splits
    try:
        (message,) = told(epochs=30)
    finally:
        run.held_out_splits = held_out
    assert message.startswith("No pairs are held out: what is called val")
