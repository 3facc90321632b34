"""What a run was made with is written down, and held against what comes."""

import hashlib
import json

import pytest
from trained_folder import leave_checkpoint

from scn_tf.run_environment import record_environment
from tfrecords.errors import InputError


def test_environment_has_versions_and_digests(tmp_path):
    weights = tmp_path / "weights.h5"
    weights.write_bytes(b"weights")
    record_environment(tmp_path, "data", str(weights), "network")
    environment = json.loads((tmp_path / "environment.json").read_text())
    expected = hashlib.sha256(b"weights").hexdigest()
    assert environment["weights_sha256"] == expected
    assert environment["data_digest"] == "data"
    assert environment["network_digest"] == "network"
    assert environment["packages"]["tensorflow"].startswith("2.")
    assert "commit" in environment


def test_weights_that_are_no_file_have_no_digest(tmp_path):
    record_environment(tmp_path, "", "none", "")
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["weights_sha256"] is None


@pytest.mark.parametrize("change", [("other", "network"), ("data", "other")])
def test_a_run_trained_on_other_data_or_weights_is_refused(tmp_path, change):
    record_environment(tmp_path, "data", "none", "network")
    leave_checkpoint(tmp_path)
    with pytest.raises(InputError, match="other data or weights"):
        record_environment(tmp_path, change[0], "none", change[1])


def test_the_environment_of_the_training_is_kept(tmp_path):
    record_environment(tmp_path, "data", "none", "network")
    before = (tmp_path / "environment.json").read_text()
    leave_checkpoint(tmp_path)
    record_environment(tmp_path, "data", "elsewhere", "network")
    assert (tmp_path / "environment.json").read_text() == before
