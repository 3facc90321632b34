"""`keras.json` of a module: its network for Keras 3, without a program.

In: the networks of a module and where its weights lie. Out: a file beside
`saved_model.pb` that names Keras's own layers and, for each of their
weights, its place among the module's variables. Whoever reads it gets a
Keras model with the module's weights; they are stored once.

A SavedModel's graph is a program: Keras loads one in its unsafe mode only.
This file is data, and Keras reads it in its safe mode.
"""

import copy
import json
import math
import os
import pathlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from export.packed_weights import PackedWeights
from export.plain_network import PlainNetwork
from tfrecords.errors import InputError

KERAS_JSON = "keras.json"
_FORMAT = "scn_tf.keras_description"
_VERSION = 1
# Null is what Keras takes for these where they are not given.
_EMPTY = ("_regularizer", "_constraint")
_CHECKPOINT = pathlib.Path("variables", "variables")


def write_description(
    network: PlainNetwork,
    weights: PackedWeights,
    inference_precision: str,
    module_dir: str | os.PathLike,
) -> None:
    """Writes `keras.json` into the folder of a module.

    Args:
        network: the module's network; its own weights do not matter.
        weights: the module's variables, of the same originals.
        inference_precision: what the network computes in; noted only, the
            layers have it.
        module_dir: folder to write to.
    """
    size = network.model.input_shape[1]
    description = {
        "format": _FORMAT,
        "version": _VERSION,
        "image_size": size,
        "inference_precision": inference_precision,
        "frozen": network.frozen,
        "network": _compact(keras.saving.serialize_keras_object(network.model)),
    }
    places = [weights.place(original) for original in network.originals]
    # A description without its weights is what a layer keeps of it.
    document = description | {"weights": places}
    text = json.dumps(document, separators=(",", ":"))
    pathlib.Path(module_dir, KERAS_JSON).write_text(text)


def read_description(module_dir: str | os.PathLike) -> dict:
    """Reads `keras.json` of a module.

    Returns:
        format; version; image_size, S in pixels; inference_precision;
        frozen, names of layers that are never trained; network, a serialized
        Keras model; weights, for each of its variables the index of a
        variable of the module and where in its flat values the weight begins.

    Raises:
        InputError: if there is no such file, or it is none of ours.
    """
    path = pathlib.Path(module_dir, KERAS_JSON)
    if not path.is_file():
        raise InputError(
            f"{module_dir} holds no {KERAS_JSON}, so export.feature_vector "
            "did not write it, or an earlier version did. Export the run "
            "again, or load any SavedModel with keras.layers.TFSMLayer."
        )
    try:
        description = json.loads(path.read_text())
        known = description["format"] == _FORMAT
        version = int(description["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    if not known or version > _VERSION:
        raise InputError(
            f"{path} is of format {description['format']!r}, version "
            f"{version}; this program reads {_FORMAT!r} up to {_VERSION}."
        )
    return description


def build_network(
    description: dict, origin: str | os.PathLike = "The description"
) -> keras.Model:
    """Builds the network of a description, with random weights.

    Only classes of Keras itself are made, and no Lambda layer: the
    description may come from anyone.

    Args:
        description: what `read_description` gave.
        origin: where it came from, named in errors.

    Returns:
        [B, S, S, 3] -> [B, D]; what is frozen for good is frozen.

    Raises:
        InputError: if Keras cannot make a model of it.
    """
    try:
        # Keras takes what it is given apart.
        serialized = copy.deepcopy(description["network"])
        network = keras.saving.deserialize_keras_object(
            serialized, safe_mode=True
        )
        for name in description["frozen"]:
            network.get_layer(name).trainable = False
        size = int(description["image_size"])
        if network.input_shape != (None, size, size, 3):
            raise ValueError(f"its input is {network.input_shape}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(origin, error) from error
    return network


def read_weights(
    network: keras.Model, places: Sequence, module_dir: str | os.PathLike
) -> None:
    """Assigns the weights of a module to its network.

    Args:
        network: what `build_network` made of the same module.
        places: `weights` of the description.
        module_dir: folder of the module.

    Raises:
        InputError: if the variables are missing, damaged or of other sizes.
    """
    path = pathlib.Path(module_dir, _CHECKPOINT)
    try:
        reader = tf.train.load_checkpoint(str(path))
        loaded = {
            index: reader.get_tensor(
                f"variables/{index}/.ATTRIBUTES/VARIABLE_VALUE"
            ).ravel()
            for index in sorted({int(index) for index, _ in places})
        }
        for variable, (index, start) in zip(
            network.variables, places, strict=True
        ):
            end = start + math.prod(variable.shape)
            values = loaded[index][start:end]
            variable.assign(np.reshape(values, variable.shape))
    except (ValueError, TypeError, IndexError, tf.errors.OpError) as error:
        raise _damaged(path, error) from error


def _compact(value: object) -> object:
    """Leaves out what a Keras config says of nothing, and spells less.

    It halves the file: a sixtieth of MobileNetV2's module otherwise.
    """
    if isinstance(value, list | tuple):
        return [_compact(child) for child in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "DTypePolicy":
        return value["config"]["name"]
    short = {}
    for key, child in value.items():
        if key.endswith("_initializer"):
            # Every weight is assigned. Random ones would take time too.
            short[key] = "zeros"
        elif child is not None or not key.endswith(_EMPTY):
            short[key] = _compact(child)
    return short


def _damaged(path: str | os.PathLike, error: Exception) -> InputError:
    first = (str(error) or type(error).__name__).splitlines()[0]
    return InputError(
        f"{path} cannot be read, it is damaged or does not belong to its "
        f"module. Export the module again. ({first})"
    )
