"""Laws of the command that exports a run."""

import numpy as np
import pytest
import tensorflow as tf
from run_copies import copy_run
from run_copies import leave_another_best

from export import feature_vector
from export.finished_run import open_run

SIZE = 64


@pytest.fixture(scope="module")
def run(short_run):
    return open_run(short_run)


def images():
    return np.random.default_rng(0).random((3, SIZE, SIZE, 3), np.float32)


def snapshot(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in paths}


def test_the_command_writes_the_trained_network(
    run, short_run, tmp_path, capsys
):
    before = snapshot(short_run)
    output = f"--output={tmp_path}/module"
    assert (
        feature_vector.main(
            ["feature_vector", f"--run_dir={short_run}", output]
        )
        == 0
    )
    assert "tuned features" in capsys.readouterr().out
    assert snapshot(short_run) == before
    module = tf.saved_model.load(tmp_path / "module")
    expected = run.backbone.neck(run.backbone.trunk(images()))
    np.testing.assert_allclose(module(images()), expected, rtol=1e-5, atol=1e-6)
    # --weight_decay is 5e-4: half of it on the squares of the kernels.
    kernels = [w for w in run.backbone.neck.weights if len(w.shape) > 1]
    squares = sum(np.sum(np.square(kernel.numpy())) for kernel in kernels)
    (loss,) = module.regularization_losses
    assert float(loss()) == pytest.approx(2.5e-4 * squares, rel=1e-4)


def test_the_command_writes_joined_features_in_bfloat16(
    run, short_run, tmp_path
):
    arguments = [f"--run_dir={short_run}", f"--output={tmp_path}/module"]
    arguments += ["--features=joined", "--inference_precision=bfloat16"]
    assert (
        feature_vector.main(["feature_vector", *arguments, "--checkpoint=best"])
        == 0
    )
    features = tf.saved_model.load(tmp_path / "module")(images()).numpy()
    original = run.frozen_neck(run.backbone.trunk(images())).numpy()
    original /= np.linalg.norm(original, axis=1, keepdims=True)
    np.testing.assert_allclose(features[:, 16:], original, atol=0.02)
    assert not np.allclose(features[:, 16:], original, atol=1e-6)


def test_the_command_can_take_all_that_was_trained_back(
    run, short_run, tmp_path
):
    arguments = [f"--run_dir={short_run}", f"--output={tmp_path}/module"]
    arguments += ["--neck_blend=0"]
    assert feature_vector.main(["feature_vector", *arguments]) == 0
    features = tf.saved_model.load(tmp_path / "module")(images())
    original = run.frozen_neck(run.backbone.trunk(images()))
    np.testing.assert_allclose(features, original, rtol=1e-5, atol=1e-6)
    text = (tmp_path / "module/README.md").read_text()
    assert "| `neck_blend` | 0.0 |" in text


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_what_the_run_was_set_to_export_is_exported(
    short_run, tmp_path, capsys
):
    folder = copy_run(
        short_run,
        tmp_path / "run",
        *("--export_features=joined", "--inference_precision=bfloat16"),
        *("--checkpoint=best", "--neck_blend=0.5"),
    )
    step = leave_another_best(folder)
    arguments = [f"--run_dir={folder}", f"--output={tmp_path}/module"]
    assert feature_vector.main(["feature_vector", *arguments]) == 0
    out = capsys.readouterr().out
    assert "joined features" in out and "computed in bfloat16" in out
    assert f"checkpoint 'best', step {step}, neck_blend 0.5" in out
    text = (tmp_path / "module/README.md").read_text()
    for line in ("`export_features` | joined", "`checkpoint` | best"):
        assert f"| {line} |" in text
    assert "| `inference_precision` | bfloat16 |" in text
    features = tf.saved_model.load(tmp_path / "module")(images()).numpy()
    wanted = open_run(folder, "best", 0.5)
    vectors = wanted.backbone.neck(wanted.backbone.trunk(images()))
    np.testing.assert_allclose(features[:, :16], unit(vectors), atol=0.02)
    # What is said counts more than the flags of the run.
    arguments += ["--features=tuned", "--inference_precision=float32"]
    arguments += ["--checkpoint=last", "--neck_blend=1"]
    assert feature_vector.main(["feature_vector", *arguments]) == 0
    assert f"'last', step {step - 1}, neck_blend 1" in capsys.readouterr().out
    features = tf.saved_model.load(tmp_path / "module")(images()).numpy()
    last = open_run(short_run)
    vectors = last.backbone.neck(last.backbone.trunk(images()))
    np.testing.assert_allclose(features, vectors, rtol=1e-5, atol=1e-6)


def test_help_says_where_defaults_come_from(capsys):
    assert feature_vector.main(["feature_vector", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for flag in (
        *("features", "inference_precision", "checkpoint", "neck_blend"),
    ):
        about = text.partition(f" --{flag} ")[2].partition(" --run_dir")[0]
        assert "as the flags of the run say" in about, flag
        assert not about.startswith("(required)"), flag


def test_what_is_no_run_is_one_line_and_code_1(tmp_path, capsys):
    gone = [f"--run_dir={tmp_path}/gone", f"--output={tmp_path}/module"]
    assert feature_vector.main(["feature_vector", *gone]) == 1
    assert "gone: no such folder" in capsys.readouterr().err
