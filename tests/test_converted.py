"""Consumers of converted files, and what they need."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from foreign_module import save_foreign_module
from small_modules import small_images
from small_modules import write_small_module

from export.consumers import converted
from export.consumers.consumer import NotCheckedError

ALL = [converted.keras_file, converted.onnx_file, converted.litert_file]


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    return write_small_module(tmp_path_factory.mktemp("good") / "module")


@pytest.mark.parametrize("consumer", ALL, ids=lambda each: each.__name__)
@pytest.mark.parametrize("size", [(8, 8), (12, 10)])
def test_each_gives_what_the_module_gives(module_dir, tmp_path, consumer, size):
    images = small_images(3, *size)
    wanted = tf.saved_model.load(str(module_dir))(images).numpy()
    consumed = consumer(module_dir, images, tmp_path)
    np.testing.assert_allclose(consumed.features, wanted, rtol=1e-5)
    assert consumed.path.parent == tmp_path
    assert np.shape(np.squeeze(consumed.run())) == (3, 5)


@pytest.mark.parametrize("consumer", ALL, ids=lambda each: each.__name__)
def test_a_module_of_others_is_not_checked(tmp_path, consumer):
    folder = save_foreign_module(tmp_path / "module")
    with pytest.raises(NotCheckedError, match="has no keras.json"):
        consumer(folder, small_images(), tmp_path)


@pytest.mark.parametrize(
    "consumer, package",
    [
        (converted.onnx_file, "onnxruntime"),
        (converted.litert_file, "ai_edge_litert"),
    ],
)
def test_what_is_not_installed_is_named(
    module_dir, tmp_path, monkeypatch, consumer, package
):
    for module in [package, *sys.modules]:
        if module.split(".")[0] == package:
            monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=package):
        consumer(module_dir, small_images(), tmp_path)
