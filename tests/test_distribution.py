"""Laws of devices and workers."""

import json

import pytest
import tensorflow as tf

from scn_tf import distribution
from tfrecords.errors import InputError


def cluster(monkeypatch, index=0, kind="worker", **jobs):
    jobs = jobs or {"worker": ["a:1", "b:1"]}
    task = {"type": kind, "index": index}
    text = json.dumps({"cluster": jobs, "task": task})
    monkeypatch.setenv("TF_CONFIG", text)


def test_one_device_needs_no_strategy(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = distribution.make_strategy(())
    assert strategy is tf.distribute.get_strategy()
    assert strategy.num_replicas_in_sync == 1


def test_several_devices_are_mirrored(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = distribution.make_strategy(("CPU:0", "CPU:1"))
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 2


def test_run_after_run_in_one_process_has_one_strategy(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    devices = ("CPU:0", "CPU:1")
    strategy = distribution.make_strategy(devices)
    assert distribution.make_strategy(devices) is strategy
    sums = [
        strategy.reduce("SUM", strategy.run(tf.ones, [(size,)]), axis=None)
        for size in (3, 5)  # of one number they would have to be alike
    ]
    assert [total.numpy().tolist() for total in sums] == [[2.0] * 3, [2.0] * 5]


def test_a_named_device_is_used(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = distribution.make_strategy(("CPU:1",))
    with strategy.scope():
        assert "CPU:1" in tf.Variable(1.0).device


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(InputError, match="no GPU:7. Known here: CPU:0, CPU:1"):
        distribution.make_strategy(("GPU:7",))


def test_devices_are_not_chosen_for_workers(monkeypatch):
    cluster(monkeypatch)
    with pytest.raises(InputError, match="CUDA_VISIBLE_DEVICES"):
        distribution.make_strategy(["GPU:0"])


def test_without_a_cluster_this_process_is_the_chief(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert distribution.num_workers() == 1
    assert distribution.is_chief()
    strategy = tf.distribute.get_strategy()
    assert distribution.agree(strategy, 3.0) == [3.0]


@pytest.mark.parametrize(
    ("kind", "index", "jobs", "number"),
    [
        ("worker", 1, {"worker": ["a:1", "b:1"]}, 1),
        ("chief", 0, {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, 0),
        ("worker", 1, {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, 2),
    ],
)
def test_workers_are_numbered_after_the_chief(
    monkeypatch, kind, index, jobs, number
):
    cluster(monkeypatch, index, kind, **jobs)
    assert distribution.worker_index() == number
    assert distribution.num_workers() == sum(map(len, jobs.values()))
    assert distribution.is_chief() == (number == 0)


@pytest.mark.parametrize("index", [2, -1])
def test_a_task_that_is_not_in_the_cluster_is_refused(monkeypatch, index):
    cluster(monkeypatch, index)
    with pytest.raises(InputError, match="TF_CONFIG=.*is not a cluster"):
        distribution.num_workers()


def test_a_lost_worker_is_said_in_plain_words(monkeypatch):
    lost = tf.errors.UnavailableError(None, None, "peer is gone\ntrace")
    with pytest.raises(tf.errors.UnavailableError):
        with distribution.workers_watched():
            raise lost  # no cluster: nobody was lost
    cluster(monkeypatch)
    with pytest.raises(InputError, match="worker was lost.*peer is gone"):
        with distribution.workers_watched():
            raise lost


def test_alone_one_row_is_gathered(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = tf.distribute.get_strategy()
    assert distribution.gather(strategy, [1.0, 2.0]).tolist() == [[1.0, 2.0]]


def test_a_driver_without_a_gpu_is_told_of(monkeypatch, tmp_path, caplog):
    """The CUDA libraries are missing, most often; a CPU would train on."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    for path, told in ((tmp_path / "none", False), (tmp_path, True)):
        monkeypatch.setattr(distribution, "_DRIVER", path)
        caplog.clear()
        distribution.make_strategy(())
        assert ("TensorFlow finds no GPU" in caplog.text) == told


@pytest.mark.parametrize("gpus, wanted", [([], "AUTO"), (["a GPU"], "NCCL")])
def test_gradients_of_gpus_go_by_nccl(monkeypatch, gpus, wanted):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    assert distribution._communication().implementation.value == wanted


def test_what_gathers_is_traced_once(monkeypatch):
    cluster(monkeypatch)
    strategy = distribution._mirrored(("CPU:0", "CPU:1"))
    assert distribution.agree(strategy, 3.0) == [3.0, 3.0]
    collect = distribution._collector(strategy)
    assert distribution.agree(strategy, 5.0) == [5.0, 5.0]
    assert distribution._collector(strategy) is collect
    assert collect.experimental_get_tracing_count() == 1
