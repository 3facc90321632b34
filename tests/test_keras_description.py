"""Laws of `keras.json`: a module's network as data."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from small_modules import small_images
from small_modules import write_small_module

from export.keras_description import build_network
from export.keras_description import KERAS_JSON
from export.keras_description import read_description
from export.keras_description import read_weights
from tfrecords.errors import InputError


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write_small_module(tmp_path_factory.mktemp("good") / "module", True)


@pytest.fixture
def module_dir(good, tmp_path):
    return shutil.copytree(good, tmp_path / "module")


def read(module_dir):
    description = read_description(module_dir)
    network = build_network(description, module_dir)
    read_weights(network, description["weights"], module_dir)
    return network


def test_the_network_has_the_modules_weights(good):
    images = small_images()
    wanted = tf.saved_model.load(str(good))(images).numpy()
    np.testing.assert_allclose(read(good)(images), wanted, atol=1e-7)


def test_weights_are_not_stored_again(good):
    assert (good / KERAS_JSON).stat().st_size < 20_000
    places = read_description(good)["weights"]
    assert len(places) == len({tuple(place) for place in places}) == 22


def test_what_is_frozen_for_good_is_frozen(good):
    network = read(good)
    trained = {v.path.split("/")[0] for v in network.trainable_variables}
    assert trained == {"neck"} or len(network.trainable_variables) == 6


def test_nothing_but_data_lies_in_the_folder(good):
    files = [path for path in good.rglob("*") if path.is_file()]
    names = {str(path.relative_to(good)) for path in files}
    assert names == {
        KERAS_JSON,
        "saved_model.pb",
        "fingerprint.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    }
    assert not any(os.access(path, os.X_OK) for path in files)
    found = []

    def look(value):
        if isinstance(value, dict):
            found.append(value.get("module"))
            [look(child) for child in value.values()]
        elif isinstance(value, list):
            [look(child) for child in value]

    look(read_description(good)["network"])
    rooms = {str(name).split(".")[0] for name in found if name}
    assert rooms == {"keras"}


def test_a_folder_without_it_is_told_what_to_do(module_dir):
    (module_dir / KERAS_JSON).unlink()
    with pytest.raises(InputError, match="TFSMLayer"):
        read_description(module_dir)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"format": "x"}', '{"version": 1}', "\udcff"]
)
def test_a_damaged_file_is_named(module_dir, text):
    (module_dir / KERAS_JSON).write_bytes(text.encode("utf8", "replace"))
    with pytest.raises(InputError, match=str(module_dir)):
        read_description(module_dir)


@pytest.mark.parametrize("key", ["format", "version"])
def test_another_format_is_refused(module_dir, key):
    description = read_description(module_dir)
    description[key] = {"format": "other", "version": 2}[key]
    (module_dir / KERAS_JSON).write_text(json.dumps(description))
    with pytest.raises(InputError, match="this program reads"):
        read_description(module_dir)


def lambda_layer():
    import keras

    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Lambda(lambda x: x[:, 0, 0])(inputs)
    model = keras.Model(inputs, outputs)
    return keras.saving.serialize_keras_object(model)


@pytest.mark.parametrize(
    "change",
    [
        {"network": 7},
        {"network": {"class_name": "Popen", "module": "subprocess"}},
        {"network": lambda_layer()},
        {"frozen": ["nobody"]},
        {"image_size": 9},
        {"image_size": None},
    ],
)
def test_what_keras_would_not_make_is_refused(good, change):
    description = read_description(good) | change
    with pytest.raises(InputError, match="cannot be read"):
        build_network(description, good)


def test_a_description_is_left_as_it_was(good):
    description = read_description(good)
    build_network(description, good)
    assert description == read_description(good)


@pytest.mark.parametrize(
    "name", ["variables.index", "variables.data-00000-of-00001"]
)
@pytest.mark.parametrize("share", [None, 0, 0.5])
def test_damaged_variables_are_named(module_dir, name, share):
    path = module_dir / "variables" / name
    if share is None:
        path.unlink()
    else:
        os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(InputError, match=str(module_dir)):
        read(module_dir)


@pytest.mark.parametrize(
    "places",
    [
        lambda places: places[:-1],
        lambda places: [[99, 0], *places[1:]],
        lambda places: [[places[0][0], 10**9], *places[1:]],
        lambda places: [None, *places[1:]],
        lambda places: None,
    ],
)
def test_places_that_are_none_are_named(good, places):
    description = read_description(good)
    network = build_network(description, good)
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(network, places(description["weights"]), good)
