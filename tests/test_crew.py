"""Laws of who fills a cache."""

import json

import numpy as np
import pytest
import tensorflow as tf

from scn_tf import crew as crew_module
from scn_tf.crew import Crew
from scn_tf.crew import local_devices
from scn_tf.distribution import make_strategy


@pytest.fixture
def worker(monkeypatch):
    """Makes this process worker `index` of `total`, without a network."""

    def become(index: int, total: int) -> Crew:
        names = [f"host{number}:1" for number in range(total)]
        task = {"type": "worker", "index": index}
        text = json.dumps({"cluster": {"worker": names}, "task": task})
        monkeypatch.setenv("TF_CONFIG", text)
        return Crew(strategy=tf.distribute.get_strategy())

    return become


def test_alone_everything_is_done_here(worker):
    worker(1, 2)
    crew = Crew()  # whatever TF_CONFIG says
    assert crew.leads
    assert crew.share([3, 4, 9]) == [3, 4, 9]
    np.testing.assert_array_equal(crew.gather([1.0, 2.0]), [[1, 2]])
    crew.wait()


@pytest.mark.parametrize("total", [1, 2, 3, 7])
@pytest.mark.parametrize("number", [0, 1, 2, 6, 7, 20])
def test_shares_are_the_whole_and_differ_by_one(worker, total, number):
    items = list(range(100, 100 + number))
    shares = [worker(index, total).share(items) for index in range(total)]
    assert sum(shares, []) == items
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_one_of_all_leads(worker):
    leads = [worker(index, 3).leads for index in range(3)]
    assert leads == [True, False, False]


def test_what_is_said_goes_to_all(worker, monkeypatch):
    crew = worker(0, 2)
    monkeypatch.setattr(
        crew_module, "gather", lambda strategy, values: (strategy, values)
    )
    assert crew.gather([5.0]) == (crew.strategy, [5.0])


@pytest.mark.parametrize("devices", [("CPU:0", "CPU:1"), ("CPU:1",)])
def test_a_strategy_computes_on_its_devices(monkeypatch, devices):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    strategy = make_strategy(devices)
    names = local_devices(strategy)
    assert [name[-5:] for name in names] == list(devices)


def test_without_a_strategy_tensorflow_chooses_the_device():
    assert local_devices(tf.distribute.get_strategy()) == ("",)
