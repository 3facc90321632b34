"""Laws of the memory that may still be taken."""

import numpy as np
import pytest
import tensorflow as tf

from scn_tf import host_memory
from tfrecords.errors import InputError

MEMORY = "MemTotal:  9000 kB\nMemFree: 10 kB\nMemAvailable:    4000 kB\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 4000 kB left and no container."""
    (tmp_path / "meminfo").write_text(MEMORY)
    (tmp_path / "cgroup").write_text("1:name=systemd:/x\n0::/a/b\n")
    groups = tmp_path / "groups"
    (groups / "a" / "b").mkdir(parents=True)
    monkeypatch.setattr(host_memory, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(host_memory, "_PROCESS_GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(host_memory, "_GROUPS", groups)
    return groups


def limit(group, most: str, used: int, inactive: int = 0) -> None:
    (group / "memory.max").write_text(most)
    (group / "memory.current").write_text(str(used))
    (group / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")


def test_this_machine_has_some():
    assert host_memory.available_memory() > 0


def test_files_that_are_kept_count_as_available(machine):
    assert host_memory.available_memory() == 4000 * 1024


def test_a_container_may_have_less(machine):
    limit(machine / "a" / "b", "100000", 60000, inactive=10000)
    assert host_memory.available_memory() == 50000


def test_the_container_around_counts_too(machine):
    limit(machine / "a" / "b", "max", 60000)
    limit(machine / "a", "90000", 60000)
    assert host_memory.available_memory() == 30000


def test_a_container_that_is_full_has_nothing(machine):
    limit(machine / "a", "90000", 95000)
    assert host_memory.available_memory() == 0


def test_elsewhere_half_of_all_memory_is_taken(machine, monkeypatch):
    monkeypatch.setattr(host_memory, "_MEMORY", machine / "none")
    monkeypatch.setattr(host_memory, "_PROCESS_GROUP", machine / "none")
    assert host_memory.available_memory() > 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((10**9, 10**9), np.dtype("f4")),
        tf.errors.ResourceExhaustedError(None, None, "OOM of [9,9]\nHint: x"),
    ],
)
def test_a_shortage_says_what_takes_less(error):
    with pytest.raises(InputError, match="--accumulate") as caught:
        with host_memory.shortage_named():
            raise error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("a"),
        tf.errors.ResourceExhaustedError(None, None, "No space left on device"),
    ],
)
def test_other_errors_pass_as_they_are(error):
    with pytest.raises(type(error)):
        with host_memory.shortage_named():
            raise error
