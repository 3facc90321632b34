"""Laws of a feature cache that several workers fill: here two processes."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
from fill_cache import NUM_PATCHES
from fill_cache import ROWS_PER_SHARD
from test_feature_cache import content
from test_multi_worker import finish
from test_multi_worker import free_ports
from test_multi_worker import NO_PROXY

ROOT = pathlib.Path(__file__).parents[1]
NUM_SHARDS = -(-NUM_PATCHES // ROWS_PER_SHARD)


def start(folder, seconds=0.0, cluster=(), index=0):
    config = {
        "cluster": {"worker": cluster},
        "task": {"type": "worker", "index": index},
    }
    environment = {
        **os.environ,
        **NO_PROXY,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "TF_CONFIG": json.dumps(config) if cluster else "",
    }
    return subprocess.Popen(
        [sys.executable, ROOT / "tests/fill_cache.py", folder, str(seconds)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_both(folder, seconds=(0.0, 0.0)):
    cluster = [f"localhost:{port}" for port in free_ports(2)]
    return [
        start(folder, pause, cluster, index)
        for index, pause in enumerate(seconds)
    ]


def num_computed(output: str) -> int:
    """Shards that a process says it has computed."""
    found = re.findall(r"Cached \d+ patches in (\d+) of", output)
    return sum(map(int, found))


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, bytes]:
    """What one process writes."""
    folder = tmp_path_factory.mktemp("alone")
    code, output = finish(start(folder))
    assert code == 0, output
    assert num_computed(output) == NUM_SHARDS
    return content(folder)


def test_two_workers_write_half_each_and_the_bytes_of_one(tmp_path, alone):
    results = [finish(each) for each in start_both(tmp_path)]
    assert [code for code, _ in results] == [0, 0], results
    halves = [num_computed(output) for _, output in results]
    assert halves == [NUM_SHARDS // 2] * 2
    assert content(tmp_path) == alone
    # What is damaged and lost is shared out again, and nothing else is done.
    (folder,) = tmp_path.iterdir()
    (folder / "targets-00003.npy").write_bytes(b"?")
    (folder / "shard-00030.json").unlink()
    results = [finish(each) for each in start_both(tmp_path)]
    assert [num_computed(output) for _, output in results] == [1, 1], results
    assert content(tmp_path) == alone


@pytest.mark.slow  # test_multi_worker kills one while it trains
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_worker_ends_the_other_and_shards_stay(
    tmp_path, alone, killed
):
    # The one to be killed is slow, the other soon waits for it.
    pauses = [0.0, 0.0]
    pauses[killed] = 0.1
    processes = start_both(tmp_path, pauses)
    first = killed * NUM_SHARDS // 2
    deadline = time.monotonic() + 100
    while not list(tmp_path.glob(f"*/shard-{first + 2:05}.json")):
        assert time.monotonic() < deadline
        assert processes[killed].poll() is None, finish(processes[killed])
        time.sleep(0.02)
    processes[killed].send_signal(signal.SIGKILL)
    finish(processes[killed])
    code, output = finish(processes[1 - killed])
    assert code == 1, output
    assert "Another worker was lost" in output
    assert "Traceback" not in output
    there = len(list(tmp_path.glob("*/shard-*.json")))
    assert NUM_SHARDS // 2 + 3 <= there < NUM_SHARDS
    results = [finish(each) for each in start_both(tmp_path)]
    assert [code for code, _ in results] == [0, 0], results
    computed = sum(num_computed(output) for _, output in results)
    assert computed == NUM_SHARDS - there
    assert content(tmp_path) == alone
