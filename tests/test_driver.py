"""Experiments: every variant and seed once, a table at the end."""

import json
import shutil

import pytest
import tensorflow as tf

from scn_tf import stages
from scn_tf.run_log import RunLog


@pytest.fixture(scope="module")
def experiment(demo_experiment, command, tmp_path_factory):
    """Returns what runs a small experiment; its folder stays the same."""
    folder = tmp_path_factory.mktemp("experiments") / "run"

    def run(*arguments: str) -> int:
        variants = ("--variant=original: untrained", "--variant=SCN:")
        return demo_experiment(
            folder, "features", "--seeds=0,1", *variants, *arguments
        )

    assert run() == 0
    run.folder, run.command = folder, command
    return run


def test_every_variant_is_a_run_of_its_own(experiment):
    runs = {
        str(path.parent.relative_to(experiment.folder))
        for path in experiment.folder.glob("*/*/result.json")
    }
    assert runs == {"original/seed0", "SCN/seed0", "SCN/seed1"}
    for seed in (0, 1):
        flags = (experiment.folder / f"SCN/seed{seed}/flags.txt").read_text()
        assert f"--seed={seed}\n" in flags
        assert "--experiment" not in flags


def test_the_table_is_written_as_text_csv_and_picture(experiment):
    names = {path.name for path in experiment.folder.iterdir()}
    wanted = {"report.txt", "outcomes.json", "features.csv", "features.png"}
    assert wanted | {"flags.txt", "cache"} <= names
    report = (experiment.folder / "report.txt").read_text()
    outcomes = json.loads((experiment.folder / "outcomes.json").read_text())
    assert len(outcomes) == 3
    for outcome in outcomes[1:]:
        assert 0 < outcome["values"]["losses"]["over_floor"] < 1.5
        assert outcome["values"]["objects"]["moved"] > 0
    before = outcomes[0]["values"]["images"]["original"]["mean"]
    assert f"{before:.2f}" in report


def test_runs_share_one_cache(experiment):
    kinds = [path.name for path in (experiment.folder / "cache").iterdir()]
    # Two splits each of proposals, objects and images, for the random
    # networks of two seeds; the untrained variant added none of its own.
    assert len(kinds) == 2 * 6


def test_what_is_measured_is_not_measured_again(experiment, capsys):
    results = list(experiment.folder.glob("*/*/result.json"))
    before = {path: path.stat().st_mtime_ns for path in results}
    assert experiment() == 0
    assert {path: path.stat().st_mtime_ns for path in results} == before
    assert "Features before and after" in capsys.readouterr().out


def test_rows_that_differ_in_what_is_judged_share_a_training(experiment):
    arguments = ("--seeds=0", "--variant=half: --neck_blend=0.5")
    assert experiment(*arguments) == 0
    values = {}
    for name in ("SCN", "half"):
        folder = experiment.folder / name / "seed0"
        values[name] = json.loads((folder / "result.json").read_text())
        history = (folder / "metrics.jsonl").read_text()
        assert history.count('"event": "epoch"') == 2
    # The second was not trained, and half as much of the network has moved.
    checkpoints = [
        {path.name: path.read_bytes() for path in folder.glob("ckpt-*")}
        for folder in (
            experiment.folder / name / "seed0/checkpoints" for name in values
        )
    ]
    assert checkpoints[0] and checkpoints[0] == checkpoints[1]
    moved = [v["values"]["objects"]["moved"] for v in values.values()]
    assert 0 < moved[1] < 0.8 * moved[0]


def test_another_experiment_measures_anew_what_is_trained(
    experiment, demo_experiment, tmp_path
):
    """A folder copied from another table keeps its training, not its values."""
    before = experiment.folder / "SCN/seed0"
    shutil.copytree(before, tmp_path / "run/SCN/seed0")
    cache = f"--cache_dir={experiment.folder}/cache"
    run_dir = tmp_path / "run"
    assert demo_experiment(run_dir, "losses", cache, "--variant=SCN:") == 0
    result = json.loads((tmp_path / "run/SCN/seed0/result.json").read_text())
    assert len(result["values"]["over_floor"]) == 2
    history = (tmp_path / "run/SCN/seed0/metrics.jsonl").read_text()
    assert history.count('"event": "epoch"') == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--judge_on=train_part",), "--train_split=train_part"),
        (("--experiment=table1", "--judge_on=test"), "judged by val alone"),
    ],
)
def test_a_judge_that_misleads_is_refused(experiment, arguments, told, capsys):
    assert experiment(*arguments) == 1
    assert told in capsys.readouterr().err


def test_more_epochs_continue_and_are_measured(experiment):
    path = experiment.folder / "SCN/seed1/result.json"
    before = path.read_text()
    assert experiment("--epochs=3", "--seeds=1") == 0
    assert path.read_text() != before
    history = (path.parent / "metrics.jsonl").read_text()
    assert history.count('"event": "epoch"') == 3


def test_a_row_is_replayed_by_its_flags(experiment, tmp_path):
    row = experiment.folder / "SCN/seed1"
    flags = [
        f"--flagfile={row}/flags.txt",
        f"--run_dir={tmp_path}/again",
        "--stages=records,train",
    ]
    assert experiment.command(*flags) == 0
    checks = [
        [line["val_loss"] for line in RunLog(folder).history("epoch")]
        for folder in (row, tmp_path / "again")
    ]
    assert checks[0] == checks[1]


def test_photographs_without_labels_are_refused_before_the_training(
    demo_experiment, tmp_path, capsys
):
    arguments = ("--judge_on=test", "--variant=SCN:")
    assert demo_experiment(tmp_path / "run", "features", *arguments) == 1
    assert "with the splits ['test', 'train'" in capsys.readouterr().err
    assert not (tmp_path / "run/SCN/seed0/checkpoints").exists()


def test_a_dry_run_lists_what_is_done_and_to_do(experiment, capsys):
    arguments = ("--dry_run", "--variant=deep: --learning_rate=0.01")
    assert experiment(*arguments) == 0
    said = capsys.readouterr().out
    assert said.count("measured") >= 2
    assert f"to do     {experiment.folder}/deep/seed0: --learning_rate" in said
    assert not (experiment.folder / "deep").exists()


def test_the_first_variants_can_be_run_alone(experiment, capsys):
    arguments = ("--dry_run", "--max_variants=1")
    assert experiment(*arguments) == 0
    said = capsys.readouterr().out
    assert "original/seed0" in said and "SCN/" not in said


def test_a_variant_that_fails_is_named_and_left_out(experiment, capsys):
    arguments = ("--seeds=0", "--variant=wild: --learning_rate=1e9")
    assert experiment(*arguments) == 1
    said = capsys.readouterr().out
    assert "Features before and after" in said
    assert "Failed and left out: wild, seed 0: The loss became" in said
    assert said.endswith("\nThe same command tries again what failed.\n")
    report = (experiment.folder / "report.txt").read_text()
    assert said.endswith(report)
    assert not (experiment.folder / "wild/seed0/result.json").exists()


def test_a_row_that_runs_out_of_memory_leaves_the_others(
    experiment, capsys, monkeypatch
):
    train = stages.train

    def short_of_memory(run, watch=None):
        if "large" in str(run.config.run_dir):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM of [9,9]")
        train(run, watch)

    monkeypatch.setattr(stages, "train", short_of_memory)
    assert experiment("--seeds=0", "--variant=large: --svm_c=3") == 1
    said = capsys.readouterr().out
    assert "Features before and after" in said
    assert "left out: large, seed 0: Memory ran out: OOM of [9,9]." in said


def test_without_a_failure_nothing_is_to_be_tried_again(experiment, capsys):
    assert experiment("--seeds=0") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Tables and pictures: {experiment.folder}"


@pytest.mark.parametrize("dry", [(), ("--dry_run",)])
def test_weights_that_are_not_there_are_refused_at_once(
    demo_experiment, tmp_path, capsys, dry
):
    arguments = ("--variant=SCN: --weights=typo.h5", *dry)
    assert demo_experiment(tmp_path / "run", "features", *arguments) == 1
    assert "typo.h5" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "variant, fault",
    [
        ("deep: --no_such_flag=1", "Unknown command line flag 'no_such_flag'"),
        ("deep: --epochs=-1", "epochs"),
        ("SCN: --epochs=3", "Two variants have one name"),
        ("deep", "wanted a name"),
        ("deep: --seed=1", "seed cannot differ between rows"),
        ("test: --judge_on=test", "Rows judged on test and on val"),
        ("random: --proposals=uniform", "rows need different records"),
    ],
)
def test_a_wrong_variant_is_found_before_anything_runs(
    experiment, capsys, variant, fault
):
    assert experiment(f"--variant={variant}") == 1
    assert fault in capsys.readouterr().err
