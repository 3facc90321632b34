"""Laws of the code in a card; test_model_card runs it."""

import keras
import numpy as np
import pytest
from tiny import FEATURES
from tiny import SIZE
from tiny import tiny_backbone

from export.card.card_snippets import snippets
from export.feature_module import save_feature_vector


def test_there_are_three_and_each_names_the_module():
    codes = snippets("mine", 32, 5)
    assert len(codes) == 3
    for code in codes.values():
        assert '"mine"' in code
        assert "vectors = " in code
        assert "# [4, 5]" in code


@pytest.mark.parametrize(
    "name", ['a "b"', "a\\b", "caf\u00e9 \U0001f600", "{x}"]
)
def test_any_name_of_a_folder_is_python(name):
    for code in snippets(name, 32, 5).values():
        constants = compile(code, "snippet", "exec").co_consts
        assert name in str(constants) or name in constants


def test_a_layer_of_keras_3_without_training_endpoint_is_frozen(tmp_path):
    backbone = tiny_backbone()
    save_feature_vector(backbone.trunk, backbone.neck, SIZE, tmp_path / "m")
    images = np.random.default_rng(0).random((4, SIZE, SIZE, 3), np.float32)
    frozen = keras.layers.TFSMLayer(
        str(tmp_path / "m"), call_endpoint="call_inference", trainable=False
    )
    assert frozen.trainable_weights == []
    features = frozen(images)
    assert features.shape == (4, FEATURES)
    np.testing.assert_array_equal(features, frozen(images, training=True))
