"""Every flagfile's smoke command, on a few real photographs."""

import json
import pathlib
import re

import pytest
from parsed_flags import parsed_config

FLAGFILES = pathlib.Path(__file__).parents[1] / "scn_tf" / "flagfiles"
TINY = FLAGFILES / "tiny.flags"
# Of these the fixtures demo_run and voc_run go on to the export.
SINGLE_RUNS = ("best", "demo", "voc07_mobilenet_v2", "voc07_vgg19")
# Given after a table's flagfile.
OVERLAYS = sorted(FLAGFILES.glob("paper_*.flags"))
ALL = sorted(FLAGFILES.glob("*.flags"))


@pytest.mark.parametrize(
    "path", [p for p in ALL if p != TINY], ids=lambda path: path.stem
)
def test_a_head_tells_what_is_reproduced_and_what_it_costs(path):
    lines = path.read_text().splitlines()
    head = "\n".join(line for line in lines if line.startswith("#"))
    assert lines[0].startswith("# ")
    # What the paper says, what was measured, in what time, and how to try it.
    assert re.search(r"^# (Paper\b|The paper does not)", head, re.MULTILINE)
    assert re.search(r"^# Result\b", head, re.MULTILINE)
    assert re.search(
        r"\bmin\b|minute|hour|^# Time: not run", head, re.MULTILINE
    )
    assert f"--flagfile=scn_tf/flagfiles/{path.name}" in head
    told = f"# Smoke run: --flagfile=scn_tf/flagfiles/{TINY.name} after it."
    assert told in lines
    assert max(map(len, head.splitlines())) <= 80


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
@pytest.mark.parametrize("table", ["table1", "table2", "table3", "table4"])
def test_a_table_is_run_with_the_papers_networks(table, overlay):
    """The overlay decides the network, the table everything else."""
    alone = parsed_config(f"--flagfile={FLAGFILES}/{table}.flags")
    flags = (f"--flagfile={FLAGFILES}/{table}.flags", f"--flagfile={overlay}")
    both = parsed_config(*flags)
    assert both.backbone == overlay.stem.removeprefix("paper_")
    assert (both.train_from, both.batching) == ("fc6", "pairs")
    # Section 3 of the paper, "Implementation Details".
    assert (both.training.epochs, both.batch_pairs) == (200, 64)
    assert [both.training.rate(epoch) for epoch in (0, 99, 100, 199)] == (
        pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    )
    assert both.training.weight_decay == 5e-4
    assert both.records == alone.records
    assert both.plan == alone.plan


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_the_papers_numbers_are_written_down(overlay):
    """Another default of the flags would not change them."""
    lines = overlay.read_text().splitlines()
    for name, value in {
        "learning_rate": "1e-3",
        "drop_factor": "0.1",
        "drop_epoch": "100",
        "weight_decay": "5e-4",
        "batch_pairs": "64",
        "epochs": "200",
    }.items():
        assert f"--{name}={value}" in lines


def assert_all_rows_were_run(folder: pathlib.Path) -> None:
    """And that a network was trained for one of them."""
    assert "Failed and left out" not in (folder / "report.txt").read_text()
    outcomes = json.loads((folder / "outcomes.json").read_text())
    rows = [folder / o["variant"] / f"seed{o['seed']}" for o in outcomes]
    assert any((row / "checkpoints/checkpoint").is_file() for row in rows)


@pytest.mark.parametrize(
    "path",
    [path for path in ALL if path != TINY and path not in OVERLAYS],
    ids=lambda path: path.stem,
)
def test_the_smoke_command_of_a_flagfile_works(
    path, command, scn_data, tmp_path
):
    arguments = [f"--flagfile={path}", f"--run_dir={tmp_path}"]
    if "--source=voc" in path.read_text():
        arguments.append(f"--data_dir={scn_data}/data")
    single = path.stem in SINGLE_RUNS
    if single:
        arguments.append("--stages=records,train,evaluate")
    assert command(*arguments, f"--flagfile={TINY}") == 0
    if single:
        assert (tmp_path / "verdict.json").is_file()
    else:
        assert_all_rows_were_run(tmp_path)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_the_smoke_command_of_an_overlay_works(
    overlay, command, scn_data, tmp_path
):
    code = command(
        f"--flagfile={FLAGFILES}/table2.flags",
        f"--flagfile={overlay}",
        f"--data_dir={scn_data}/data",
        f"--run_dir={tmp_path}",
        f"--flagfile={TINY}",
    )
    assert code == 0
    assert (tmp_path / "table2.csv").is_file()
    assert_all_rows_were_run(tmp_path)
