"""Laws of the folder that replays a run."""

import pathlib

import pytest
from trained_folder import leave_checkpoint

from scn_tf.experiment_plan import Plan
from scn_tf.run_folder import configuration
from scn_tf.run_folder import is_same_training
from scn_tf.run_folder import refuse_other_run
from scn_tf.run_folder import write_experiment
from scn_tf.run_folder import write_flags
from tfrecords.errors import InputError

FLAGS = {
    "seed": 0,
    "epochs": 10,
    "stages": ["train"],
    "jit_compile": True,
    "weights": "none",
    "data_dir": "photographs",
}


def flags_of(run_dir: pathlib.Path) -> list[str]:
    lines = (run_dir / "flags.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_flags_are_written_as_a_flagfile(tmp_path):
    write_flags(tmp_path, FLAGS)
    assert flags_of(tmp_path) == [
        "--seed=0",
        "--epochs=10",
        "--jit_compile=true",
        "--weights=none",
        f"--data_dir={pathlib.Path('photographs').absolute()}",
    ]


def test_the_stages_of_one_command_are_not_part_of_the_run(tmp_path):
    write_flags(tmp_path, FLAGS)
    leave_checkpoint(tmp_path)
    write_flags(tmp_path, FLAGS | {"stages": ["export"]})
    assert not any("stages" in line for line in flags_of(tmp_path))


@pytest.mark.parametrize(
    "epochs, trains, kept", [(20, True, 20), (5, True, 10), (20, False, 10)]
)
def test_a_run_keeps_the_most_epochs_it_was_trained_for(
    tmp_path, epochs, trains, kept
):
    write_flags(tmp_path, FLAGS)
    leave_checkpoint(tmp_path)
    write_flags(tmp_path, FLAGS | {"epochs": epochs}, trains=trains)
    assert f"--epochs={kept}" in flags_of(tmp_path)


def test_another_run_is_refused_without_a_trace(tmp_path):
    refuse_other_run(tmp_path / "new", FLAGS)
    assert not (tmp_path / "new").exists()
    write_flags(tmp_path, FLAGS)
    refuse_other_run(tmp_path, FLAGS | {"seed": 1})  # nothing is trained yet
    leave_checkpoint(tmp_path)
    refuse_other_run(tmp_path, FLAGS | {"epochs": 20})
    with pytest.raises(InputError, match="--seed=0 there, --seed=1 now"):
        refuse_other_run(tmp_path, FLAGS | {"seed": 1})
    assert "--epochs=10" in flags_of(tmp_path)


def test_before_training_a_flag_may_be_corrected(tmp_path):
    write_flags(tmp_path, FLAGS | {"seed": 7})
    write_flags(tmp_path, FLAGS)
    assert "--seed=0" in flags_of(tmp_path)


def test_a_trained_run_of_another_configuration_is_refused(tmp_path):
    write_flags(tmp_path, FLAGS)
    leave_checkpoint(tmp_path)
    with pytest.raises(InputError, match="--seed=0 there, --seed=1 now"):
        write_flags(tmp_path, FLAGS | {"seed": 1})
    assert "--seed=0" in flags_of(tmp_path)


def test_a_trained_run_keeps_its_places_until_they_are_held(tmp_path):
    flags = FLAGS | {"weights": "imagenet", "data_dir": "/photographs"}
    write_flags(tmp_path, flags)
    leave_checkpoint(tmp_path)
    before = (tmp_path / "flags.txt").read_text()
    other = flags | {"weights": "none", "data_dir": ""}
    write_flags(tmp_path, other)
    assert (tmp_path / "flags.txt").read_text() == before
    write_flags(tmp_path, other, places_hold=True)
    assert "--weights=none" in flags_of(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--run_dir="):
        write_flags(tmp_path / "file" / "run", FLAGS)


@pytest.mark.parametrize("name", ["epochs", "svm_c", "weights", "momentum"])
def test_what_decides_a_result_is_part_of_the_configuration(name):
    flags = FLAGS | {"svm_c": "1", "momentum": 0.9}
    assert configuration(flags) != configuration(flags | {name: "2"})


@pytest.mark.parametrize("name", ["run_dir", "stages", "cache_dir", "devices"])
def test_places_and_devices_are_not(name):
    assert configuration(FLAGS) == configuration(FLAGS | {name: "elsewhere"})


def test_an_experiment_is_replayed_by_its_flagfile(tmp_path):
    plan = Plan("table2", (0, 2), ("a: --epochs=1,2", "b:"), 0)
    write_experiment(tmp_path, FLAGS, plan)
    assert flags_of(tmp_path)[:6] == [
        "--experiment=table2",
        "--seeds=0,2",
        "--max_variants=0",
        "--variant=a: --epochs=1,2",
        "--variant=b:",
        "--seed=0",
    ]


def row(run_dir: pathlib.Path) -> None:
    """Leaves what a row of an experiment leaves."""
    (run_dir / "a" / "seed0").mkdir(parents=True)
    write_flags(run_dir / "a" / "seed0", FLAGS)


def test_rows_and_seeds_may_be_added_to_an_experiment(tmp_path):
    write_experiment(tmp_path, FLAGS, Plan("table2", (0,), ("a:",)))
    row(tmp_path)
    more = Plan("table2", (0, 1), ("a:", "b:"))
    write_experiment(tmp_path, FLAGS | {"epochs": 20}, more)
    assert "--variant=b:" in flags_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "flags", "told"),
    [
        ("table3", {}, "--experiment=table2 there, --experiment=table3 now"),
        ("table2", {"jit_compile": False}, "--jit_compile=true there"),
    ],
)
def test_an_experiment_of_another_configuration_is_refused(
    tmp_path, name, flags, told
):
    """Tables would overwrite each other, and flags.txt tell of the last."""
    plan = Plan("table2", (0,), ("a:",))
    write_experiment(tmp_path, FLAGS, plan)
    # Before anything was run they may be corrected.
    write_experiment(tmp_path, FLAGS | {"seed": 1}, plan)
    write_experiment(tmp_path, FLAGS, plan)
    row(tmp_path)
    before = flags_of(tmp_path)
    with pytest.raises(InputError, match=told):
        write_experiment(tmp_path, FLAGS | flags, Plan(name, (0,), ("a:",)))
    assert flags_of(tmp_path) == before


def test_a_run_and_an_experiment_do_not_share_a_folder(tmp_path):
    plan = Plan("table2", (0,), ("a:",))
    write_flags(tmp_path / "run", FLAGS)
    leave_checkpoint(tmp_path / "run")
    with pytest.raises(InputError, match="holds a single run"):
        write_experiment(tmp_path / "run", FLAGS, plan)
    write_experiment(tmp_path / "table", FLAGS, plan)
    row(tmp_path / "table")
    with pytest.raises(InputError, match="holds an experiment"):
        write_flags(tmp_path / "table", FLAGS)


def test_a_training_is_the_same_whatever_is_judged(tmp_path):
    flags = FLAGS | {"svm_c": "1", "momentum": 0.9, "neck_blend": 1.0}
    write_flags(tmp_path, flags)
    assert is_same_training(tmp_path, flags)
    for name in ("svm_c", "neck_blend", "run_dir"):
        assert is_same_training(tmp_path, flags | {name: "0.5"})
    for name in ("momentum", "epochs", "weights", "seed"):
        assert not is_same_training(tmp_path, flags | {name: "5"})
    assert not is_same_training(tmp_path, flags | {"a_new_flag": "1"})


def test_what_changes_no_result_changes_no_digest():
    """Nor is what was measured before it was known to be measured again."""
    digest = configuration({"seed": 0, "accumulate": 1, "epochs": 10})
    assert digest == (
        "acd2429df9cfcf0110f5d95829bb3b14c50b99b7e8b26110c81bbdbf75fdf012"
    )
    assert digest == configuration({"seed": 0, "accumulate": 4, "epochs": 10})
    assert digest != configuration({"seed": 1, "accumulate": 1, "epochs": 10})
