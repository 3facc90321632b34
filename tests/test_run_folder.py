"""Laws of the folder that replays a run."""

import hashlib
import json

import pytest

from scn_tf.run_folder import write_environment
from scn_tf.run_folder import write_flags
from tfrecords.errors import InputError

FLAGS = {"seed": 0, "epochs": 10, "stages": ["train"], "jit_compile": True}


def test_flags_are_written_as_a_flagfile(tmp_path):
    write_flags(tmp_path, FLAGS)
    lines = (tmp_path / "flags.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "--seed=0",
        "--epochs=10",
        "--stages=train",
        "--jit_compile=true",
    ]


def test_the_same_run_continues_in_its_folder(tmp_path):
    write_flags(tmp_path, FLAGS)
    write_flags(tmp_path, FLAGS)
    write_flags(tmp_path, FLAGS | {"epochs": 20, "stages": ["export"]})
    assert "--epochs=20" in (tmp_path / "flags.txt").read_text()


def test_a_run_of_another_configuration_is_refused(tmp_path):
    write_flags(tmp_path, FLAGS)
    with pytest.raises(InputError, match="--seed=0 there, --seed=1 now"):
        write_flags(tmp_path, FLAGS | {"seed": 1})
    assert "--seed=0" in (tmp_path / "flags.txt").read_text()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--run_dir="):
        write_flags(tmp_path / "file" / "run", FLAGS)


def test_environment_has_versions_and_digests(tmp_path):
    weights = tmp_path / "weights.h5"
    weights.write_bytes(b"weights")
    write_environment(tmp_path, "data digest", str(weights))
    environment = json.loads((tmp_path / "environment.json").read_text())
    expected = hashlib.sha256(b"weights").hexdigest()
    assert environment["weights_sha256"] == expected
    assert environment["data_digest"] == "data digest"
    assert environment["packages"]["tensorflow"].startswith("2.")
    assert "commit" in environment


def test_weights_that_are_no_file_have_no_digest(tmp_path):
    write_environment(tmp_path, "", "none")
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["weights_sha256"] is None
