"""The command line: what it makes, replays, continues and refuses."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from export.consumers import LOADING
from scn_tf import main
from scn_tf.config import STAGES

DEMO = "--flagfile=scn_tf/flagfiles/demo.flags"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(pathlib.Path(__file__).parents[1])


def snapshot(folder: pathlib.Path) -> dict[str, int]:
    """Time of change by name, of what must not be made again."""
    paths = [*folder.glob("records/*.tfrecord"), *folder.glob("cache/*/*")]
    paths += folder.glob("checkpoints/*")
    return {str(path): path.stat().st_mtime_ns for path in paths}


def test_the_run_folder_has_the_promised_layout(demo_run):
    names = {path.name for path in demo_run.iterdir()}
    assert names == {
        "flags.txt",
        "environment.json",
        "records",
        "cache",
        "checkpoints",
        "metrics.jsonl",
        "tensorboard",
        "pictures",
        "verdict.json",
        "module",
    }
    assert (demo_run / "records" / "manifest.json").is_file()
    pictures = {path.name for path in (demo_run / "pictures").iterdir()}
    assert pictures == {
        "pairs.png",
        "predictions.png",
        "losses.png",
        "verdict_images.png",
        "verdict_objects.png",
    }


def test_the_summary_says_where_everything_lies(demo_run):
    output = demo_run.with_suffix(".log").read_text()
    assert "Losses per pair, over 200 pairs" in output
    assert "hub.KerasLayer, Sequential, frozen" in output
    assert 'hub.KerasLayer("' in output
    for folder in ("pictures", "tensorboard", "module"):
        assert f"{demo_run.name}/{folder}" in output


def test_every_consumer_of_the_module_agrees(demo_run):
    lines = (demo_run / "metrics.jsonl").read_text().splitlines()
    (module,) = [
        line for line in map(json.loads, lines) if line["event"] == "module"
    ]
    assert list(module["consumers"]) == list(LOADING)
    assert max(module["consumers"].values()) <= 1e-5
    assert module["size_over_weights"] <= 1.05


def test_the_module_takes_pictures_of_any_size(demo_run):
    module = tf.saved_model.load(str(demo_run / "module"))
    vectors = module(np.zeros((2, 50, 70, 3), np.float32))
    assert vectors.shape == (2, 512)


def test_a_second_run_makes_nothing_again(demo_run, command, capsys):
    before = snapshot(demo_run)
    assert command(DEMO, f"--run_dir={demo_run}", "--stages=records,train") == 0
    assert snapshot(demo_run) == before


def test_flags_txt_replays_the_run(demo_run, command, tmp_path, monkeypatch):
    text = (demo_run / "flags.txt").read_text()
    assert "--epochs=25\n" in text  # whatever was done since
    assert "--stages" not in text
    flagfile = f"--flagfile={demo_run}/flags.txt"
    monkeypatch.chdir(tmp_path)
    stages = ["--stages=records,train", "--epochs=1"]
    assert command(flagfile, "--run_dir=replay", *stages) == 0
    first, again = (
        json.loads((folder / "metrics.jsonl").read_text().splitlines()[line])
        for folder, line in ((demo_run, 1), (tmp_path / "replay", 1))
    )
    assert first["event"] == again["event"] == "epoch"
    assert first["loss"] == pytest.approx(again["loss"], rel=1e-5)
    manifests = [
        json.loads((folder / "records" / "manifest.json").read_text())
        for folder in (demo_run, tmp_path / "replay")
    ]
    assert manifests[0]["digest"] == manifests[1]["digest"]


def test_a_run_of_another_configuration_is_refused(demo_run, command, capsys):
    before = snapshot(demo_run)
    assert command(DEMO, f"--run_dir={demo_run}", "--seed=7") == 1
    assert "--seed=0 there, --seed=7 now" in capsys.readouterr().err
    assert snapshot(demo_run) == before


def test_a_missing_folder_of_photographs_is_named(command, tmp_path, capsys):
    arguments = [f"--data_dir={tmp_path}/gone", f"--run_dir={tmp_path}/run"]
    assert command(*arguments) == 1
    assert f"{tmp_path}/gone" in capsys.readouterr().err


def test_no_photographs_at_all_says_what_to_give(command, tmp_path, capsys):
    assert command(f"--run_dir={tmp_path}/run") == 1
    error = capsys.readouterr().err
    assert "--data_dir" in error
    assert "demo.flags" in error


def test_a_mistyped_flag_does_not_spoil_the_folder(command, tmp_path, capsys):
    arguments = [DEMO, f"--run_dir={tmp_path}/run", "--limit_images=20"]
    assert command(*arguments, "--weights=typo.h5") == 1
    assert "typo.h5" in capsys.readouterr().err
    assert command(*arguments, "--stages=records") == 0


def test_training_goes_on_only_on_its_own_records(
    demo_run, command, tmp_path, capsys
):
    arguments = [DEMO, "--limit_images=20", "--stages=records"]
    assert command(*arguments, f"--run_dir={tmp_path}/other") == 0
    code = command(
        DEMO,
        f"--run_dir={demo_run}",
        "--source=auto",
        f"--records_dir={tmp_path}/other/records",
        "--stages=train",
    )
    assert code == 1
    assert "another configuration" in capsys.readouterr().err


def test_evaluating_before_training_is_refused(command, tmp_path, capsys):
    arguments = ["--stages=records,evaluate", "--limit_images=20"]
    assert command(DEMO, f"--run_dir={tmp_path}/run", *arguments) == 1
    assert "Run the train stage first" in capsys.readouterr().err


def test_missing_records_are_named(command, tmp_path, capsys):
    assert command(DEMO, f"--run_dir={tmp_path}/run", "--stages=train") == 1
    assert "manifest.json" in capsys.readouterr().err


def test_an_unknown_stage_lists_the_known(command, tmp_path, capsys):
    code = command(DEMO, f"--run_dir={tmp_path}/run", "--stages=training")
    assert code == 1
    error = capsys.readouterr().err
    assert all(stage in error for stage in STAGES)


def test_an_unknown_flag_in_a_flagfile_is_named(command, tmp_path, capsys):
    flagfile = tmp_path / "mine.flags"
    flagfile.write_text("--epoch=3\n")
    with pytest.raises(SystemExit) as exit_info:
        command(f"--flagfile={flagfile}")
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert "'epoch'" in error
    assert "epochs" in error  # what was meant


def test_a_missing_flagfile_is_named(command, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command(f"--flagfile={tmp_path}/gone.flags")
    assert "gone.flags" in capsys.readouterr().err


def test_an_argument_without_a_flag_is_refused(command, capsys):
    assert command("train") == 2
    assert "'train'" in capsys.readouterr().err


def test_help_lists_every_flag_by_group(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main.parse_flags(["scn_tf.main", "--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    for flag in (
        "data_dir records_dir weights run_dir stages epochs limit_images "
        "seed backbone train_from proposals boxes_per_image"
    ).split():
        assert f"\n  --{flag}=" in text
    assert "Training (section 3):" in text
    assert max(len(line) for line in text.splitlines()) <= 80
