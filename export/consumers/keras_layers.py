"""Consumers that are layers of Keras 3: Keras's own and ours."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from export.consumers.consumer import Consumed
from export.consumers.consumer import ConsumerError
from export.consumers.consumer import NotCheckedError
from export.consumers.hub_layer import check_learning
from export.consumers.hub_layer import num_moved
from export.keras_description import KERAS_JSON
from export.keras_layer import FeatureVector

_LEARNING_RATE = 0.01


def tfsm_layer(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Puts the module into a functional model with Keras's own layer."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.TFSMLayer(
        str(module_dir),
        call_endpoint="call_inference",
        call_training_endpoint="call_training",
    )
    model = keras.Model(inputs, layer(inputs))
    given = tf.constant(images)
    features = model(given, training=False).numpy()
    if not np.isfinite(model(given, training=True).numpy()).all():
        raise ConsumerError("call_training gives numbers not finite")
    note = f"{len(layer.trainable_weights)} trainable weights"
    return Consumed(
        features, note, lambda: model(given, training=False), module_dir
    )


def frozen(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Trains a classifier on frozen features in a Sequential model."""
    layer = _layer(module_dir, trainable=False)
    given = tf.constant(images)
    features = layer(given).numpy()
    model = _compiled(keras.Sequential([layer, keras.layers.Dense(2)]))
    before = [variable.numpy() for variable in layer.variables]
    model.train_on_batch(images, np.arange(len(images)) % 2)
    if num_moved(layer.variables, before):
        raise ConsumerError("a frozen layer moved when another was trained")
    call = tf.function(layer)
    note = "stays bit-identical under a trained classifier"
    return Consumed(features, note, lambda: call(given).numpy(), module_dir)


def tuned(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Fine-tunes the layer, saves the model and reads it in safe mode."""
    layer = _layer(module_dir, trainable=True)
    features = layer(images).numpy()
    inputs = keras.Input((None, None, 3))
    scores = keras.layers.Dense(2)(layer(inputs))
    model = _compiled(keras.Model(inputs, scores))
    moved = check_learning(model, layer.trainable_variables, images)
    path = workspace / "tuned.keras"
    model.save(path)
    again = keras.saving.load_model(path, safe_mode=True)
    wanted, found = (each(images, training=False) for each in (model, again))
    if not np.array_equal(wanted, found):
        raise ConsumerError("the model that was saved and read differs")
    note = f"{moved}, {len(layer.losses)} regularization losses, reads alike"
    return Consumed(features, note, None, module_dir)


def _layer(module_dir: pathlib.Path, trainable: bool) -> FeatureVector:
    if not (module_dir / KERAS_JSON).is_file():
        raise NotCheckedError(f"the module has no {KERAS_JSON}")
    return FeatureVector(module_dir, trainable=trainable)


def _compiled(model: keras.Model) -> keras.Model:
    model.compile(
        keras.optimizers.SGD(_LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model
