import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parents[1]


def _run(*arguments):
    command = [sys.executable, "-m", "benchmarks.proposals", *arguments]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)


def test_every_method_gets_a_row_for_every_number_of_boxes():
    done = _run("--source=synthetic", "--limit_images=6", "--boxes=1,8")
    assert done.returncode == 0, done.stderr
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in done.stdout.splitlines()
        if line.startswith("|")
    ]
    assert len(rows) == 2 + 3 * 2
    table = {(row[0], row[1]): row[2:7] for row in rows[2:]}
    # A scene fixes its pair of boxes, so both are always kept.
    assert table["ground_truth", "8"] == "2.0 1.0 1.000 1.000 1.000".split()
    assert table["uniform", "8"][:2] == ["5.0", "10.0"]
    assert table["uniform", "1"][:2] == ["1.0", "0.0"]
    assert "6 photographs, 12 objects" in done.stdout


def test_an_unknown_method_is_named():
    done = _run("--source=synthetic", "--methods=edge_boxes,edges")
    assert done.returncode != 0
    assert "--methods names edges. Wanted: some of edge_boxes," in done.stderr
