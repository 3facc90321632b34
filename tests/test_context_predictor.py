"""Laws of the exported predictor of context."""

import numpy as np
import pytest
import tensorflow as tf
from run_copies import copy_run
from run_copies import leave_another_best
from tiny import SIZE
from tiny import tiny_backbone
from tiny import tiny_head

from export import context_predictor
from export.context_predictor import save_context_predictor
from export.finished_run import open_run


@pytest.fixture(scope="module")
def parts():
    return tiny_backbone(), tiny_head(offset_spread=0.3, offset_gain=4.0)


@pytest.fixture(scope="module")
def module(parts, tmp_path_factory):
    module_dir = tmp_path_factory.mktemp("predictor") / "module"
    save_context_predictor(*parts, module_dir, "source", "features")
    return tf.saved_model.load(module_dir)


def inputs(size=SIZE):
    rng = np.random.default_rng(0)
    images = rng.random((3, size, size, 3), np.float32)
    return images, rng.normal(0, 0.3, (3, 8)).astype(np.float32)


def test_it_predicts_what_head_and_backbone_do(parts, module):
    backbone, head = parts
    images, offsets = inputs()
    vectors = backbone.neck(backbone.trunk(images), training=False)
    expected = head(vectors, offsets)
    predicted = module.predict(images, offsets)
    assert predicted.dtype == tf.float32
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)


def test_the_signature_gives_the_same(module):
    images, offsets = map(tf.constant, inputs())
    serve = module.signatures["serving_default"]
    served = serve(images=images, offsets=offsets)["predictions"]
    np.testing.assert_array_equal(served, module.predict(images, offsets))


def test_offsets_matter(module):
    images, offsets = inputs()
    moved = module.predict(images, offsets + 0.5)
    assert not np.allclose(moved, module.predict(images, offsets))


def test_patches_of_another_size_are_resized(module):
    images, offsets = inputs(SIZE + 5)
    resized = tf.image.resize(images, [SIZE, SIZE], antialias=True)
    np.testing.assert_array_equal(
        module.predict(images, offsets), module.predict(resized, offsets)
    )


def test_it_says_what_its_offsets_and_predictions_are(module):
    assert module.offset_unit() == b"source"
    assert module.targets() == b"features"


def test_each_weight_is_there_once(parts, module):
    backbone, head = parts
    wanted = sum(
        int(np.prod(variable.shape))
        for part in (backbone.trunk, backbone.neck, head)
        for variable in part.variables
    )
    assert sum(np.prod(v.shape) for v in module.variables) == wanted


def check_predictor(module_dir, run):
    """Holds a module against the networks of a run."""
    module = tf.saved_model.load(module_dir)
    offsets = np.full((3, 8), 0.1, np.float32)
    images = np.random.default_rng(0).random((3, 64, 64, 3), np.float32)
    vectors = run.backbone.neck(run.backbone.trunk(images))
    np.testing.assert_allclose(
        module.predict(images, offsets),
        run.head(vectors, offsets),
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_command_writes_the_whole_network(short_run, tmp_path, capsys):
    arguments = [f"--run_dir={short_run}", f"--output={tmp_path}/module"]
    assert context_predictor.main(["context_predictor", *arguments]) == 0
    out = capsys.readouterr().out
    run = open_run(short_run)
    assert "unit 'image'" in out
    assert f"'last', step {run.restored_step}, neck_blend 1" in out
    check_predictor(tmp_path / "module", run)


def test_the_command_writes_the_checkpoint_and_blend_that_are_wanted(
    short_run, tmp_path, capsys
):
    folder = copy_run(
        short_run, tmp_path / "run", "--checkpoint=best", "--neck_blend=0.5"
    )
    step = leave_another_best(folder)
    arguments = [f"--run_dir={folder}", f"--output={tmp_path}/module"]
    assert context_predictor.main(["context_predictor", *arguments]) == 0
    # Whatever the run is judged by: the head fits the whole neck.
    assert f"'best', step {step}, neck_blend 1" in capsys.readouterr().out
    check_predictor(tmp_path / "module", open_run(folder, "best", 1.0))
    arguments += ["--checkpoint=last", "--neck_blend=0.25"]
    assert context_predictor.main(["context_predictor", *arguments]) == 0
    out = capsys.readouterr().out
    assert f"'last', step {step - 1}, neck_blend 0.25" in out
    check_predictor(tmp_path / "module", open_run(short_run, "", 0.25))


def test_a_folder_that_is_no_run_is_named(tmp_path, capsys):
    arguments = [f"--run_dir={tmp_path}", f"--output={tmp_path}/module"]
    assert context_predictor.main(["context_predictor", *arguments]) == 1
    assert "holds no flags.txt" in capsys.readouterr().err
    assert not (tmp_path / "module").exists()
