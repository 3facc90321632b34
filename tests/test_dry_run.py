"""Laws of the dry run: true numbers, and nothing trained."""

import json
import re
import shutil

import numpy as np
import pytest

from scn_tf import optimizer


def run_dry(command, demo_run, tmp_path, capsys, *flags):
    code = command(
        "--flagfile=scn_tf/flagfiles/demo.flags",
        f"--run_dir={tmp_path}",
        f"--records_dir={demo_run}/records",
        "--dry_run",
        *flags,
    )
    assert code == 0
    said = capsys.readouterr().out.partition("nothing is trained.")[2]
    rows = [
        re.split(r"  +", line.strip(), maxsplit=1)
        for line in said.strip().splitlines()
    ]
    return dict(rows)


def test_it_says_what_the_run_is_made_of(command, demo_run, tmp_path, capsys):
    rows = run_dry(command, demo_run, tmp_path, capsys)
    assert rows["photographs"] == "600 to train on, 200 held out"
    assert rows["patches"] == "1,200 and 400"
    assert rows["pairs"] == "600, 64 a step"
    # 600 / 64 = 9 whole batches
    assert rows["steps"] == "9 an epoch, 225 in 25 epochs"
    assert rows["done already"] == "0 epochs"
    assert "measured" in rows["a step"]
    assert not list(tmp_path.iterdir())


def test_a_batch_is_never_larger_than_the_set(
    command, demo_run, tmp_path, capsys
):
    flag = "--batch_pairs=1000"
    rows = run_dry(command, demo_run, tmp_path, capsys, flag)
    assert rows["pairs"] == "600, 600 a step"
    assert rows["steps"].startswith("1 an epoch")


def test_what_is_held_out_of_nothing_is_cached_once(
    command, demo_run, tmp_path, capsys
):
    """Where there is no other split, the losses are of training pairs."""
    records = tmp_path / "records"
    shutil.copytree(demo_run / "records", records)
    manifest = json.loads((records / "manifest.json").read_text())
    del manifest["splits"]["val"]
    (records / "manifest.json").write_text(json.dumps(manifest))
    flag = f"--records_dir={records}"
    rows = run_dry(command, demo_run, tmp_path / "run", capsys, flag)
    assert rows["photographs"] == "600 to train on, 600 held out"
    assert "for 1,200 patches" in rows["feature cache"]


def test_the_cache_takes_as_much_as_it_says(
    command, demo_run, tmp_path, capsys
):
    rows = run_dry(command, demo_run, tmp_path, capsys)
    number, unit = rows["feature cache"].split()[:2]
    said = float(number) * {"KB": 1e3, "MB": 1e6}[unit]
    kept = [
        path.stat().st_size
        for path in (demo_run / "cache").glob("proposals-*/*.npy")
    ]
    assert np.sum(kept) == pytest.approx(said, rel=0.02)


def test_several_devices_and_other_targets_are_measured_too(
    command, demo_run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(optimizer, "_LARGE", 1)  # as the layers of real ones
    for flag in ("--devices=CPU:0,CPU:1", "--targets=pixels"):
        rows = run_dry(command, demo_run, tmp_path, capsys, flag)
        assert "pairs/s" in rows["a step"]


def test_live_training_is_measured_too(command, demo_run, tmp_path, capsys):
    rows = run_dry(command, demo_run, tmp_path, capsys, "--nofeature_cache")
    assert "pairs/s" in rows["a step"]
    assert "400 patches" in rows["feature cache"]
