"""Laws of training in half precision: the weights stay what they are."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from test_run import open_run
from tiny import mirrored
from tiny import tiny_backbone
from tiny import tiny_head

from scn_tf import optimizer as optimizer_module
from scn_tf import stages
from scn_tf.optimizer import MomentumSGD
from scn_tf.working_copy import working_copy
from scn_tf.working_copy import WorkingCopies

RNG = np.random.default_rng(0)
HALF = "--training_precision=bfloat16"


def networks(precision="bfloat16"):
    originals = (tiny_backbone().neck, tiny_head())
    copies = [working_copy(part, precision) for part in originals]
    working = WorkingCopies(originals, copies)
    working.refresh()
    return originals, copies, working


def test_in_full_precision_nothing_is_copied():
    originals, copies, working = networks("float32")
    for original, copy in zip(originals, copies, strict=True):
        assert copy is original
    variable = originals[0].trainable_variables[0]
    assert working.of(variable) is variable


def test_copies_are_rounded_and_normalizations_are_not():
    (neck, head), copies, working = networks()
    dtypes = {v.path: working.of(v).dtype for v in neck.weights + head.weights}
    assert set(dtypes.values()) == {"float32", "bfloat16"}
    for path, dtype in dtypes.items():
        full = "normalization" in path or "vloc" in path
        assert dtype == ("float32" if full else "bfloat16"), path
    for original, copy in zip((neck, head), copies, strict=True):
        assert copy is not original
        for one, other in zip(original.weights, copy.weights, strict=True):
            np.testing.assert_allclose(
                one.numpy(), np.float32(other.numpy()), rtol=2**-8
            )


def test_what_copies_compute_is_close():
    (neck, head), (fast_neck, fast_head), _ = networks()
    maps = RNG.normal(size=(6, *neck.input_shape[1:])).astype(np.float32)
    offset = RNG.normal(size=(6, 8)).astype(np.float32)
    exact = head(neck(maps, training=False), offset)
    fast = fast_head(fast_neck(maps, training=False), offset)
    assert exact.dtype == fast.dtype == tf.float32
    error = np.linalg.norm(exact - fast) / np.linalg.norm(exact)
    assert 0 < error < 0.02


@pytest.mark.parametrize("devices", [(), ("CPU:0",), ("CPU:0", "CPU:1")])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("large", [1, 2**20])
def test_every_update_rounds_the_originals_anew(
    devices, momentum, large, monkeypatch
):
    monkeypatch.setattr(optimizer_module, "_LARGE", large)
    strategy = mirrored(*devices) if devices else tf.distribute.get_strategy()
    with strategy.scope():
        (neck, head), _, working = networks()
        variables = neck.trainable_variables + head.trainable_variables
        compiled = len(devices) < 2
        optimizer = MomentumSGD(1e-3, momentum, 0.1, compiled=compiled)
        optimizer.build(variables)
    optimizer.working = working
    # Gradients are summed over replicas in full precision.
    dtypes = {
        v.path: working.of(v).dtype if compiled else "float32"
        for v in variables
    }

    @tf.function
    def step():
        def replica():
            optimizer.apply(
                [tf.ones(v.shape, dtypes[v.path]) for v in variables],
                variables,
            )

        strategy.run(replica)

    before = [v.numpy() for v in variables]
    for _ in range(3):
        step()
    for variable, old in zip(variables, before, strict=True):
        new = variable.numpy()
        assert np.abs(new - old).min() > 0  # far less than bfloat16 resolves
        copy = working.of(variable)
        rounded = tf.cast(new, copy.dtype)
        np.testing.assert_array_equal(copy.numpy(), rounded)


def trained(demo_run, run_dir, *flags):
    """The run after its train stage."""
    run = open_run(demo_run, run_dir, "--epochs=3", *flags)
    config = dataclasses.replace(run.config)
    assert config.training.training_precision in ("float32", "bfloat16")
    stages.train(run)
    return run


def weights(run):
    parts = (run.backbone.neck, run.head)
    return [v.numpy() for part in parts for v in part.weights]


def test_half_precision_learns_and_continues_bit_for_bit(demo_run, tmp_path):
    full = trained(demo_run, tmp_path / "full").log.history("epoch")
    run = trained(demo_run, tmp_path / "half", HALF)
    half = run.log.history("epoch")
    assert half[-1]["loss"] < half[0]["loss"]
    for one, other in zip(full, half, strict=True):
        assert one["loss"] != other["loss"]
        assert one["loss"] == pytest.approx(other["loss"], rel=0.05)
    assert {v.dtype for v in run.backbone.neck.weights} == {"float32"}
    trained(demo_run, tmp_path / "parts", HALF, "--epochs=1")
    resumed = trained(demo_run, tmp_path / "parts", HALF)
    for one, other in zip(weights(run), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, other)
