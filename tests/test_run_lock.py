"""Laws of who writes to a run's folder."""

import json

import pytest

from scn_tf import stages
from scn_tf.run_lock import is_held
from scn_tf.run_lock import run_held
from tfrecords.errors import InputError


def test_of_two_processes_one_trains(tmp_path):
    folder = tmp_path / "runs" / "mine"
    with run_held(folder):
        with pytest.raises(InputError, match="mine is being trained by anoth"):
            with run_held(folder):
                raise AssertionError("two trainings at once")
    with run_held(folder):
        pass
    assert list(folder.iterdir()) == []


def test_whether_another_trains_can_be_asked(tmp_path):
    assert not is_held(tmp_path)
    with run_held(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_workers_leave_it_to_the_chief(tmp_path, monkeypatch):
    task = {"type": "worker", "index": 1}
    cluster = {"worker": ["a:1", "b:1"]}
    with run_held(tmp_path):
        text = json.dumps({"cluster": cluster, "task": task})
        monkeypatch.setenv("TF_CONFIG", text)
        with run_held(tmp_path):
            pass


def test_a_place_that_is_none_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--run_dir=.*/file/run cannot be"):
        with run_held(tmp_path / "file" / "run"):
            raise AssertionError("a run in a file")


@pytest.fixture
def refused(command, demo_run, tmp_path, capsys):
    """Gives a command while another has the folder; returns what it says."""

    def refused(*arguments: str) -> str:
        with run_held(tmp_path / "run"):
            code = command(
                "--flagfile=scn_tf/flagfiles/demo.flags",
                f"--run_dir={tmp_path}/run",
                f"--records_dir={demo_run}/records",
                *arguments,
            )
        assert code == 1
        return capsys.readouterr().err

    return refused


def test_a_second_command_changes_nothing(refused, tmp_path):
    """Not even the flags of a run that has no checkpoint yet."""
    assert "trained by another process" in refused("--seed=1")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_second_training_of_a_trained_run_is_refused(
    refused, demo_run, tmp_path, monkeypatch
):
    (tmp_path / "run").mkdir()
    for name in ("checkpoints", "environment.json"):
        (tmp_path / "run" / name).symlink_to(demo_run / name)
    flags = (demo_run / "flags.txt").read_text()
    (tmp_path / "run" / "flags.txt").write_text(flags)
    monkeypatch.setattr(stages, "_train", pytest.fail)
    said = refused("--epochs=99", "--stages=train")
    assert "trained by another process" in said
    assert "--epochs=99" not in (tmp_path / "run" / "flags.txt").read_text()
