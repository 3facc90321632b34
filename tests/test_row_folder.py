"""A row's result is taken for what it is of, and for nothing else."""

import dataclasses
import shutil
import types

import pytest
from parsed_flags import parsed_config
from trained_folder import leave_checkpoint

from scn_tf.experiments import EXPERIMENTS
from scn_tf.experiments.experiment import Variant
from scn_tf.experiments.row_folder import read_values
from scn_tf.experiments.row_folder import require_epochs
from scn_tf.experiments.row_folder import take_over
from scn_tf.experiments.row_folder import write_values
from scn_tf.run_folder import write_flags
from scn_tf.run_log import RunLog
from tfrecords.errors import InputError
from tfrecords.manifest import read_manifest
from tfrecords.manifest import write_manifest

FEATURES = EXPERIMENTS["features"]
ROW = Variant("a")


def config_of(folder, *flags):
    return parsed_config(f"--run_dir={folder}", *flags)


@pytest.fixture
def row(tmp_path):
    folder = tmp_path / "a" / "seed0"
    config = config_of(folder)
    write_flags(folder, config.values)
    write_values(config, FEATURES, ROW, {"mean": 1.5})
    return folder


def test_what_was_measured_is_read(row):
    assert read_values(config_of(row), FEATURES, ROW) == {"mean": 1.5}
    # Tables that measure the same share it.
    table3 = EXPERIMENTS["table3"]
    assert read_values(config_of(row), table3, ROW) == {"mean": 1.5}


@pytest.mark.parametrize(
    "flags",
    [
        ("--epochs=7",),
        ("--svm_c=2",),
        ("--records_dir=elsewhere",),
        ("--momentum=0.5",),
    ],
)
def test_other_flags_are_measured_anew(row, flags):
    assert read_values(config_of(row, *flags), FEATURES, ROW) is None


def test_another_measurement_is_measured_anew(row):
    newer = dataclasses.replace(FEATURES, version=FEATURES.version + 1)
    for other in (EXPERIMENTS["table4"], EXPERIMENTS["losses"], newer):
        assert read_values(config_of(row), other, ROW) is None


def test_nothing_measured_is_none(tmp_path):
    assert read_values(config_of(tmp_path / "b"), FEATURES, ROW) is None


def test_a_row_that_was_not_trained_is_not_one_that_was(row):
    untrained = dataclasses.replace(ROW, trained=False)
    assert read_values(config_of(row), FEATURES, untrained) is None


def test_other_photographs_in_the_same_place_are_measured_anew(row, demo_run):
    config = config_of(row)
    shutil.copytree(demo_run / "records", config.records_dir)
    write_values(config, FEATURES, ROW, {"mean": 2.5})
    assert read_values(config, FEATURES, ROW) == {"mean": 2.5}
    manifest = read_manifest(config.records_dir)
    other = dataclasses.replace(manifest, digest="of others")
    write_manifest(other, config.records_dir)
    assert read_values(config, FEATURES, ROW) is None
    # Records that are gone do not take what was measured with them.
    shutil.rmtree(config.records_dir)
    assert read_values(config, FEATURES, ROW) == {"mean": 2.5}


def test_other_weights_of_the_same_name_are_measured_anew(row):
    weights = row.parent / "network.weights.h5"
    weights.write_bytes(b"one")
    config = config_of(row, f"--weights={weights}")
    write_values(config, FEATURES, ROW, {"mean": 2.5})
    assert read_values(config, FEATURES, ROW) == {"mean": 2.5}
    weights.write_bytes(b"another")
    assert read_values(config, FEATURES, ROW) is None


def trained(folder):
    leave_checkpoint(folder, "of a")
    (folder / "environment.json").write_text("{}")
    (folder / "metrics.jsonl").write_text("{}\n")


def test_a_training_is_taken_from_a_row_of_the_same_flags(row, tmp_path):
    trained(row)
    new, other = tmp_path / "b" / "seed0", tmp_path / "c" / "seed0"
    for folder, flags in ((new, "--neck_blend=0.5"), (other, "--momentum=0")):
        folder.mkdir(parents=True)
        take_over(tmp_path, config_of(folder, flags))
    assert (new / "checkpoints" / "checkpoint").read_text() == "of a"
    # What it was trained on is held against what is there now.
    assert (new / "environment.json").is_file()
    assert not (other / "checkpoints").exists()


def test_a_row_of_more_epochs_is_not_passed_off_as_one_of_fewer(tmp_path):
    log = RunLog(tmp_path)
    for epoch in (1, 2, 3):
        log.write("epoch", epoch=epoch)
    for epochs in (3, 4):
        config = config_of(tmp_path, f"--epochs={epochs}")
        require_epochs(types.SimpleNamespace(config=config, log=log))
    config = config_of(tmp_path, "--epochs=2")
    with pytest.raises(InputError, match="trained for 3 epochs, more"):
        require_epochs(types.SimpleNamespace(config=config, log=log))
