"""Consumers that are layers of Keras 3 find what is wrong."""

import keras
import numpy as np
import pytest
from foreign_module import save_foreign_module
from small_modules import small_images
from small_modules import write_small_module

from export.consumers import keras_layers
from export.consumers.consumer import ConsumerError
from export.consumers.consumer import NotCheckedError
from export.keras_layer import FeatureVector


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    return write_small_module(tmp_path_factory.mktemp("good") / "module")


def test_all_give_the_same(module_dir, tmp_path):
    consumers = (
        keras_layers.tfsm_layer,
        keras_layers.frozen,
        keras_layers.tuned,
    )
    first, *others = [
        consumer(module_dir, small_images(), tmp_path).features
        for consumer in consumers
    ]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-6)


def test_numbers_that_are_none_fail(tmp_path):
    folder = save_foreign_module(tmp_path / "module", scale=float("nan"))
    with pytest.raises(ConsumerError, match="numbers not finite"):
        keras_layers.tfsm_layer(folder, small_images(), tmp_path)


def test_a_module_of_others_is_not_checked(tmp_path):
    folder = save_foreign_module(tmp_path / "module")
    for consumer in (keras_layers.frozen, keras_layers.tuned):
        with pytest.raises(NotCheckedError, match="has no keras.json"):
            consumer(folder, small_images(), tmp_path)


def test_a_frozen_layer_that_moves_fails(module_dir, tmp_path, monkeypatch):
    def move(self, images, training=None):
        self.network.variables[0].assign_add(
            keras.ops.ones_like(self.network.variables[0])
        )
        return self.network(images)

    monkeypatch.setattr(FeatureVector, "call", move)
    with pytest.raises(ConsumerError, match="a frozen layer moved"):
        keras_layers.frozen(module_dir, small_images(), tmp_path)


def test_a_model_that_is_read_otherwise_fails(
    module_dir, tmp_path, monkeypatch
):
    read = keras.saving.load_model

    def read_otherwise(path, **options):
        model = read(path, **options)
        model.set_weights([weight + 1 for weight in model.get_weights()])
        return model

    monkeypatch.setattr(keras.saving, "load_model", read_otherwise)
    with pytest.raises(ConsumerError, match="saved and read differs"):
        keras_layers.tuned(module_dir, small_images(), tmp_path)
