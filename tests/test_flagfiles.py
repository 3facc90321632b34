"""Every flagfile's smoke command, on a few real photographs."""

import pathlib

import pytest

FLAGFILES = pathlib.Path(__file__).parents[1] / "scn_tf" / "flagfiles"
TINY = FLAGFILES / "tiny.flags"
# Of these the fixtures demo_run and voc_run go on to the export.
SINGLE_RUNS = ("best", "demo", "voc07_mobilenet_v2", "voc07_vgg19")


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(FLAGFILES.glob("*.flags")) if path != TINY],
    ids=lambda path: path.stem,
)
def test_the_smoke_command_of_a_flagfile_works(
    path, command, scn_data, tmp_path
):
    arguments = [f"--flagfile={path}", f"--run_dir={tmp_path}"]
    if "--source=voc" in path.read_text():
        arguments.append(f"--data_dir={scn_data}/data")
    assert f"--flagfile=scn_tf/flagfiles/{TINY.name}" in path.read_text()
    single = path.stem in SINGLE_RUNS
    if single:
        arguments.append("--stages=records,train,evaluate")
    assert command(*arguments, f"--flagfile={TINY}") == 0
    made = "verdict.json" if single else "report.txt"
    assert (tmp_path / made).is_file()
