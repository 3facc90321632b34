"""Laws of the comparison of a module's consumers."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from foreign_module import save_foreign_module
from small_modules import small_images
from small_modules import write_small_module

from export.comparison import check_module
from export.comparison import ConsumerResult
from export.comparison import exact_products
from export.comparison import HALF_TOLERANCE
from export.comparison import size_ratio
from export.consumers import LOADING
from export.consumers import saved_model
from export.consumers import THOROUGH

ONLY_LOADING = {"tf.saved_model.load": saved_model.load}
TUNED = "hub.KerasLayer, Functional, fine-tuned"
UNTIMED = (
    "FeatureVector, fine-tuned and saved",
    "hub.KerasLayer, two replicas",
)
FROZEN = "hub.KerasLayer, Sequential, frozen"
IMAGES = np.random.default_rng(0).random((4, 6, 5, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    return save_foreign_module(tmp_path_factory.mktemp("good") / "module")


def expected_features():
    return IMAGES.mean(axis=(1, 2)) @ np.ones((3, 2), np.float32)


def by_consumer(results):
    return {result.consumer: result for result in results}


def test_each_consumer_is_compared_with_what_was_expected(module_dir):
    results = by_consumer(check_module(module_dir, IMAGES, expected_features()))
    assert list(results) == list(LOADING)
    # The signature gives twice the features: |2 b - b| / |b| = 1.
    served = results.pop("serving_default")
    assert served.max_relative_difference == pytest.approx(1.0, abs=1e-6)
    assert not served.is_good
    notes = {name: result.note for name, result in results.items()}
    for result in results.values():
        assert result.is_good
        if not result.note.startswith("not checked"):
            assert result.max_relative_difference <= 1e-6
    assert notes == {
        "tf.saved_model.load": "1 of 2 variables trainable",
        "serving_jpeg": "not checked: the module has no such signature",
        "hub.load": "",
        FROZEN: "stays bit-identical under a trained classifier",
        TUNED: "1 of 1 weights moved, 1 regularization losses",
        "keras.layers.TFSMLayer": "1 trainable weights",
        "FeatureVector, frozen": "not checked: the module has no keras.json",
        "FeatureVector, fine-tuned and saved": (
            "not checked: the module has no keras.json"
        ),
    }


@pytest.mark.parametrize(
    "joined", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_every_consumer_gets_what_our_module_gives(tmp_path, joined):
    folder = write_small_module(tmp_path / "module", joined)
    images = small_images()
    expected = tf.saved_model.load(str(folder))(images).numpy()
    consumers = LOADING | THOROUGH
    results = check_module(folder, images, expected, consumers, seconds=0.01)
    assert [result.consumer for result in results] == list(consumers)
    for result in results:
        assert result.max_relative_difference <= 1e-5, result
        assert result.num_bytes > 1000
        if result.consumer not in UNTIMED:
            assert result.images_per_second > 0


@pytest.mark.slow
def test_half_precision_may_be_rounded_in_other_places(tmp_path):
    folder = write_small_module(tmp_path / "module", precision="bfloat16")
    images = small_images()
    expected = tf.saved_model.load(str(folder))(images).numpy()
    consumers = LOADING | THOROUGH
    for result in check_module(folder, images, expected, consumers):
        assert result.tolerance == HALF_TOLERANCE
        assert result.is_good, result


def test_the_difference_is_relative_to_the_largest_expected(
    module_dir,
):
    expected = expected_features()
    expected[0, 0] += 0.25
    (result,) = check_module(module_dir, IMAGES, expected, ONLY_LOADING)
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
    for consumer in (FROZEN, TUNED):
        assert results[consumer] == ConsumerResult(
            consumer, None, "not checked: tensorflow_hub is not installed"
        )
        assert results[consumer].is_good
    assert results["keras.layers.TFSMLayer"].is_good


def test_a_missing_endpoint_fails_one_consumer_only(tmp_path):
    module_dir = save_foreign_module(tmp_path / "module", endpoints=False)
    results = by_consumer(check_module(module_dir, IMAGES, expected_features()))
    failed = results["keras.layers.TFSMLayer"]
    assert failed.max_relative_difference is None
    assert failed.note.startswith("failed: The endpoint 'call_inference'")
    assert not failed.is_good
    assert results[TUNED].is_good


def test_features_of_another_length_fail(module_dir):
    results = check_module(
        module_dir, IMAGES, np.ones((4, 3), np.float32), ONLY_LOADING
    )
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


def test_products_are_exact_while_programs_are_compared():
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    switch = tf.config.experimental.enable_tensor_float_32_execution
    before = enabled()
    try:
        for was in (True, False):
            switch(was)
            with pytest.raises(KeyError), exact_products():
                assert not enabled()
                raise KeyError
            assert enabled() == was
    finally:
        switch(before)
