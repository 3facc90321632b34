"""Laws of training on several machines, here two processes on loopback."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from scn_tf.run_log import RunLog

FLAGS = (
    "--flagfile=scn_tf/flagfiles/demo.flags",
    "--stages=records,train",
    "--check_pairs=16",
)


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


# gRPC asks the proxy of the environment for the other worker, too.
NO_PROXY = dict.fromkeys(("no_proxy", "no_grpc_proxy"), "localhost")


def start(*flags, cluster=None, index=0):
    environment = {**os.environ, **NO_PROXY, "TF_CONFIG": ""}
    if cluster:
        config = {
            "cluster": {"worker": cluster},
            "task": {"type": "worker", "index": index},
        }
        environment["TF_CONFIG"] = json.dumps(config)
    return subprocess.Popen(
        [sys.executable, "-m", "scn_tf.main", *FLAGS, *flags],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_both(*flags):
    cluster = [f"localhost:{port}" for port in free_ports(2)]
    return [start(*flags, cluster=cluster, index=index) for index in (0, 1)]


def finish(process, seconds=600):
    """Waits for the end; so long only where something hangs."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        pytest.fail(f"still running after {seconds} s:\n{output}")
    return process.returncode, output


def weights(run_dir):
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints"))
    names = sorted(reader.get_variable_to_shape_map())
    return [
        reader.get_tensor(name)
        for name in names
        if name.endswith("VARIABLE_VALUE")
    ]


@pytest.fixture(scope="module")
def alone(demo_run, tmp_path_factory):
    """Three epochs in one process."""
    run_dir = tmp_path_factory.mktemp("alone")
    flags = [f"--run_dir={run_dir}", f"--records_dir={demo_run}/records"]
    code, output = finish(start(*flags, "--epochs=3"))
    assert code == 0, output
    return run_dir


def test_two_workers_learn_what_one_process_learns(demo_run, tmp_path, alone):
    flags = [f"--run_dir={tmp_path}", f"--records_dir={demo_run}/records"]
    results = [finish(each) for each in start_both(*flags, "--epochs=3")]
    assert [code for code, _ in results] == [0, 0], results
    for one, two in zip(weights(alone), weights(tmp_path), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)
    losses = [
        [line["loss"] for line in RunLog(path).history("epoch")]
        for path in (alone, tmp_path)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    # One of them writes: no line stands twice.
    assert len(RunLog(tmp_path).history("epoch")) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "told"),
    [("--stages=evaluate", "Protocol"), ("--dry_run", "nothing is trained")],
)
def test_what_the_chief_does_alone_needs_no_training_before_it(
    demo_run, tmp_path, flag, told
):
    shutil.copytree(demo_run, tmp_path / "run", symlinks=True)
    (tmp_path / "run" / "verdict.json").unlink()
    flags = [f"--run_dir={tmp_path}/run", "--check_pairs=0", flag]
    (code, output), (other, silent) = map(finish, start_both(*flags))
    assert [code, other] == [0, 0], output + silent
    assert told in output


@pytest.mark.slow
def test_a_killed_worker_ends_the_other_and_both_continue(
    demo_run, tmp_path, alone
):
    flags = [f"--run_dir={tmp_path}", f"--records_dir={demo_run}/records"]
    # Long enough to be killed within; the rate is that of three epochs.
    chief, other = start_both(*flags, "--epochs=4000")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("checkpoints/ckpt-27.index")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    other.send_signal(signal.SIGKILL)
    finish(other)
    code, output = finish(chief)
    assert code == 1
    assert "Another worker was lost" in output
    assert "same command on all workers" in output
    assert "Traceback" not in output
    epochs = len(RunLog(tmp_path).history("epoch")) + 2
    results = [finish(p) for p in start_both(*flags, f"--epochs={epochs}")]
    assert [code for code, _ in results] == [0, 0], results
    lines = RunLog(tmp_path).history("epoch")
    assert [line["epoch"] for line in lines] == list(range(1, epochs + 1))
    first = RunLog(alone).history("epoch")
    for one, two in zip(first, lines, strict=False):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)


def test_a_broken_cluster_is_named(tmp_path):
    for text in ("{", '{"cluster": {"worker": ["a:1"]}, "task": {}}'):
        done = subprocess.run(
            [sys.executable, "-m", "scn_tf.main", f"--run_dir={tmp_path}"],
            env={**os.environ, "TF_CONFIG": text},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "is not a cluster" in done.stderr
        assert "Traceback" not in done.stderr
