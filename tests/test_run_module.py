"""Laws of a run's module, held against the run's networks."""

import numpy as np
import pytest

from export.consumers import LOADING
from export.finished_run import open_run
from export.run_module import compare_module
from export.run_module import save_module
from scn_tf.export_flags import ExportOptions

IMAGES = np.random.default_rng(0).random((4, 64, 64, 3), np.float32)


@pytest.fixture
def run(short_run):
    return open_run(short_run)


def compared(run, folder, options):
    save_module(run, folder / "module", options)
    return compare_module(run, folder / "module", options, IMAGES)


def test_every_consumer_gets_what_the_networks_give(run, tmp_path):
    numbers, bad = compared(run, tmp_path, ExportOptions("joined"))
    assert bad == []
    assert numbers["features"] == "joined"
    assert numbers["rounding"] is None
    assert list(numbers["consumers"]) == list(LOADING)
    assert max(numbers["consumers"].values()) <= 1e-5
    assert 1 < numbers["size_over_weights"]


def test_the_rounding_of_half_precision_is_stated(run, tmp_path):
    options = ExportOptions("tuned", "bfloat16")
    numbers, bad = compared(run, tmp_path, options)
    assert bad == []
    assert max(numbers["consumers"].values()) <= 0.03
    assert 1e-4 < numbers["rounding"] < 0.02


def test_a_module_of_other_weights_is_not_right(run, tmp_path):
    options = ExportOptions()
    save_module(run, tmp_path / "module", options)
    neck = run.backbone.neck
    neck.set_weights([2 * weight for weight in neck.get_weights()])
    _, bad = compare_module(run, tmp_path / "module", options, IMAGES)
    assert len(bad) == len(LOADING)
