"""Laws of flags that name files and folders."""

import os
import pathlib
import subprocess
import sys

import pytest
from absl import flags
from parsed_flags import parsed_config

from export import feature_vector
from export.finished_run import run_flags
from scn_tf import embed
from scn_tf import neighbours
from scn_tf.run_folder import write_flags
from tfrecords.path_flag import define_path

ROOT = pathlib.Path(__file__).parents[1]
OF_A_RUN = (
    *("run_dir", "records_dir", "cache_dir", "data_dir", "weights"),
    *("edge_model", "proposals_file", "yolo_weights"),
)
# How a command names paths, for flags that a new command may bring.
ENDINGS = ("_dir", "_file", "_model", "weights", "output", "module")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("~/records", "{home}/records"),
        ("~", "{home}"),
        ("a/~b", "a/~b"),
        ("none", "none"),
        ("", ""),
        ("/a/b", "/a/b"),
    ],
)
def test_the_home_folder_is_filled_in(home, given, path):
    values = flags.FlagValues()
    define_path("place", None, "A place.", flag_values=values)
    values(["program", f"--place={given}"])
    assert values.place == path.format(home=home)


def test_a_default_may_be_nothing_and_a_flag_be_required(home):
    values = flags.FlagValues()
    define_path("a", "~/b", "A place.", flag_values=values)
    define_path("c", None, "A place.", flag_values=values)
    values(["program"])
    assert (values.a, values.c) == (f"{home}/b", None)
    define_path("d", None, "A place.", flag_values=values, required=True)
    with pytest.raises(flags.Error, match="--d"):
        values(["program"])


@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_run_uses_and_keeps_the_whole_path(home, name):
    config = parsed_config("--run_dir=r", f"--{name}=~/place")
    assert config.values[name] == f"{home}/place"
    write_flags(f"{home}/run", config.values)
    text = pathlib.Path(home, "run", "flags.txt").read_text()
    assert f"--{name}={home}/place\n" in text


def test_no_path_of_a_run_is_forgotten(home):
    names = [name for name in flags.FLAGS if name.endswith(ENDINGS)]
    own = set(parsed_config("--run_dir=r").values)
    assert set(names) & own == set(OF_A_RUN)


@pytest.mark.parametrize(
    "values",
    [run_flags, feature_vector._flags, embed._flags, neighbours._flags],
)
def test_small_commands_take_the_home_folder_too(home, values):
    values = values()
    others = {"images", "query", "features"} if "images" in values else set()
    names = {name for name in values if name.endswith(ENDINGS)}
    names |= others & set(values)
    assert len(names) >= 4
    values(["command", *(f"--{name}=~/a" for name in names)])
    assert {values[name].value for name in names} == {f"{home}/a"}


def test_the_builder_makes_no_folder_of_that_name(tmp_path):
    """And its --help lists the paths."""
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    builder = [sys.executable, "-m", "tfrecords.build"]
    given = ["--records_dir=~/r", "--source=synthetic", "--limit_images=2"]
    proposals = ["--proposals=ground_truth", "--num_workers=1"]
    where = {"cwd": tmp_path, "env": environment}
    subprocess.run([*builder, *given, *proposals], check=True, **where)
    assert (tmp_path / "r" / "manifest.json").is_file()
    assert not (tmp_path / "~").exists()
    shown = subprocess.run(
        [*builder, "--help"], stdout=subprocess.PIPE, text=True, **where
    ).stdout
    for name in ("data_dir", "records_dir", "edge_model"):
        assert f"--{name}:" in shown
