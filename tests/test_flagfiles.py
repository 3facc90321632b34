"""Every flagfile's smoke command, on a few real photographs."""

import pathlib

import pytest

FLAGFILES = pathlib.Path(__file__).parents[1] / "scn_tf" / "flagfiles"
TINY = FLAGFILES / "tiny.flags"
# What a flagfile must have made in its run folder.
MADE = {
    "demo": "verdict.json",
    "voc07_mobilenet_v2": "module/saved_model.pb",
    "voc07_vgg19": "module/saved_model.pb",
}


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
    assert command(*arguments, f"--flagfile={TINY}") == 0
    assert (tmp_path / MADE.get(path.stem, "report.txt")).is_file()
