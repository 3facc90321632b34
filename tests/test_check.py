import os
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf

from export import check
from export.check import check_module
from export.check import ConsumerResult
from export.check import size_ratio

ALL_CONSUMERS = [
    "tf.saved_model.load",
    "serving_default",
    "hub.KerasLayer, frozen",
    "hub.KerasLayer, fine-tuned",
    "keras.layers.TFSMLayer",
]
IMAGES = np.random.default_rng(0).random((4, 6, 5, 3), dtype=np.float32)


def save_module(module_dir, penalty=True, endpoints=True, scale=1.0):
    """Writes features = mean color * kernel, by hand: nothing of ours."""
    module = tf.train.Checkpoint()
    kernel = tf.Variable(np.ones((3, 2), np.float32), name="kernel")
    num_calls = tf.Variable(0.0, trainable=False, name="num_calls")
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")

    @tf.function(input_signature=[spec])
    def call_inference(images):
        return tf.reduce_mean(images, [1, 2]) @ kernel

    @tf.function(input_signature=[spec])
    def call_training(images):
        num_calls.assign_add(1.0)
        return scale * call_inference(images)

    @tf.function
    def call(images, training=False):
        return call_training(images) if training else call_inference(images)

    @tf.function(input_signature=[spec])
    def serve(images):
        return {"features": 2.0 * call_inference(images)}

    for training in (False, True):
        call.get_concrete_function(spec, training=training)
    module.__call__ = call
    module.variables = [kernel, num_calls]
    module.trainable_variables = [kernel]
    module.regularization_losses = []
    if penalty:
        module.regularization_losses = [
            tf.function(lambda: tf.nn.l2_loss(kernel), input_signature=[])
        ]
    if endpoints:
        module.call_inference = call_inference
        module.call_training = call_training
    tf.saved_model.save(module, str(module_dir), serve)
    return module_dir


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    return save_module(tmp_path_factory.mktemp("good") / "module")


@pytest.fixture
def only_loading(monkeypatch):
    consumers = {"tf.saved_model.load": check._check_loaded}
    monkeypatch.setattr(check, "_CONSUMERS", consumers)


def expected_features():
    return IMAGES.mean(axis=(1, 2)) @ np.ones((3, 2), np.float32)


def by_consumer(results):
    return {result.consumer: result for result in results}


def test_each_consumer_is_compared_with_what_was_expected(module_dir):
    results = by_consumer(check_module(module_dir, IMAGES, expected_features()))
    assert list(results) == ALL_CONSUMERS
    # The signature gives twice the features: |2 b - b| / |b| = 1.
    served = results.pop("serving_default")
    assert served.max_relative_difference == pytest.approx(1.0, abs=1e-6)
    assert not served.is_good
    for result in results.values():
        assert result.max_relative_difference <= 1e-6
        assert result.is_good
    notes = [result.note for result in (served, *results.values())]
    assert notes == [
        "images -> features",
        "1 of 2 variables trainable",
        "stays bit-identical under a trained classifier",
        "1 of 1 weights moved, 1 regularization losses",
        "1 trainable weights",
    ]


def test_the_difference_is_relative_to_the_largest_expected(
    module_dir, only_loading
):
    expected = expected_features()
    expected[0, 0] += 0.25
    result = check_module(module_dir, IMAGES, expected)[0]
    largest = np.abs(expected).max()
    assert result.max_relative_difference == pytest.approx(
        0.25 / largest, rel=1e-5
    )


def test_checking_changes_nothing_in_the_folder(module_dir):
    def contents():
        files = [path for path in module_dir.rglob("*") if path.is_file()]
        return {path: path.read_bytes() for path in files}

    before = contents()
    check_module(module_dir, IMAGES, expected_features())
    assert contents() == before


def test_a_missing_package_is_named_and_no_failure(module_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    results = by_consumer(check_module(module_dir, IMAGES, expected_features()))
    for consumer in ("hub.KerasLayer, frozen", "hub.KerasLayer, fine-tuned"):
        assert results[consumer] == ConsumerResult(
            consumer, None, "not checked: tensorflow_hub is not installed"
        )
        assert results[consumer].is_good
    assert results["keras.layers.TFSMLayer"].is_good


def test_a_missing_endpoint_fails_one_consumer_only(tmp_path):
    module_dir = save_module(tmp_path / "module", endpoints=False)
    results = by_consumer(check_module(module_dir, IMAGES, expected_features()))
    failed = results["keras.layers.TFSMLayer"]
    assert failed.max_relative_difference is None
    assert failed.note.startswith("failed: The endpoint 'call_inference'")
    assert not failed.is_good
    assert results["hub.KerasLayer, fine-tuned"].is_good


def test_a_training_loss_that_is_not_finite_fails(tmp_path):
    module_dir = save_module(tmp_path / "module", scale=float("nan"))
    results = by_consumer(check_module(module_dir, IMAGES, expected_features()))
    tuned = results["hub.KerasLayer, fine-tuned"]
    assert tuned.note == "failed: the training loss is nan"
    layer = results["keras.layers.TFSMLayer"]
    assert layer.note == "failed: call_training gives numbers not finite"
    assert results["hub.KerasLayer, frozen"].is_good


def test_weights_that_do_not_learn_fail(tmp_path):
    module_dir = save_module(tmp_path / "module", penalty=False, scale=0.0)
    results = by_consumer(check_module(module_dir, IMAGES, expected_features()))
    tuned = results["hub.KerasLayer, fine-tuned"]
    assert tuned.note == "failed: no weight moved in a training step"


def test_features_of_another_length_fail(module_dir, only_loading):
    results = check_module(module_dir, IMAGES, np.ones((4, 3), np.float32))
    assert results[0].note == "failed: features are (4, 2), wanted (4, 3)"


def test_a_difference_that_is_not_a_number_is_no_success():
    assert not ConsumerResult("any", float("nan"), "").is_good
    assert not ConsumerResult("any", 1.1e-5, "").is_good
    assert ConsumerResult("any", 0.9e-5, "").is_good


def test_the_size_is_measured_against_the_variables(module_dir):
    size = sum(
        path.stat().st_size for path in module_dir.rglob("*") if path.is_file()
    )
    # kernel 3 * 2 and num_calls 1, float32: 28 bytes.
    assert size_ratio(module_dir) == pytest.approx(size / 28)


def test_a_module_that_lists_no_variables_has_no_ratio(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(ValueError, match="lists no `variables`"):
        size_ratio(tmp_path / "empty")


def test_the_command_prints_a_table_and_fails_on_a_difference(
    module_dir, capsys
):
    assert check.main([str(module_dir), "--images", "2", "--seed", "3"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == "consumer max relative difference note".split()
    assert [line[:26].strip() for line in lines[1:6]] == ALL_CONSUMERS
    assert "1.0e+00  images -> features" in lines[2]
    assert lines[6].startswith(f"{module_dir}: ")
    assert lines[6].endswith(" times its variables")


def test_the_command_succeeds_where_all_agree(module_dir, only_loading, capsys):
    assert check.main([str(module_dir), "--images", "1"]) == 0
    assert "0.0e+00" in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage, message",
    [
        (shutil.rmtree, "no such folder"),
        (lambda path: (path / "saved_model.pb").unlink(), "no saved_model.pb"),
        (
            lambda path: (path / "saved_model.pb").write_bytes(b"half"),
            "cannot be loaded as a SavedModel",
        ),
        (
            lambda path: shutil.rmtree(path / "variables"),
            "cannot be loaded as a SavedModel",
        ),
    ],
)
def test_a_folder_without_a_whole_module_is_one_line_and_code_2(
    module_dir, tmp_path, capsys, damage, message
):
    broken = tmp_path / "broken"
    shutil.copytree(module_dir, broken)
    damage(broken)
    assert check.main([str(broken)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert str(broken) in line
    assert message in line


def test_a_model_that_cannot_be_called_is_code_2(tmp_path, capsys):
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    assert check.main([str(tmp_path / "empty")]) == 2
    assert "cannot be called" in capsys.readouterr().err


def test_no_images_are_refused(module_dir, capsys):
    with pytest.raises(SystemExit) as refusal:
        check.main([str(module_dir), "--images", "0"])
    assert refusal.value.code == 2
    assert "wanted 1 or more, received 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["variables.index", "variables.data-00000-of-00001"]
)
@pytest.mark.parametrize("share", [0, 0.5])
def test_weights_cut_short_are_one_line_and_code_2(
    module_dir, tmp_path, capsys, name, share
):
    broken = tmp_path / "broken"
    shutil.copytree(module_dir, broken)
    path = broken / "variables" / name
    os.truncate(path, int(path.stat().st_size * share))
    assert check.main([str(broken)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{broken} cannot be loaded" in line
    assert "it is damaged. Export it again." in line


class Foreign(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        return tf.strings.length(texts)


class Detector(tf.Module):
    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)]
    )
    def __call__(self, images):
        return {"boxes": tf.zeros([tf.shape(images)[0], 4])}


@pytest.mark.parametrize(
    "module, why", [(Foreign(), "failed"), (Detector(), "gives () dict")]
)
def test_a_module_of_another_kind_is_one_line_and_code_2(
    tmp_path, capsys, module, why
):
    tf.saved_model.save(module, str(tmp_path / "other"))
    assert check.main([str(tmp_path / "other"), "--images=2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is a SavedModel but no image feature vector" in line
    assert why in line
    assert "(2, 224, 224, 3) float32" in line
