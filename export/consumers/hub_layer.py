"""Consumers that come with tensorflow-hub, whose layer is one of tf_keras."""

import pathlib
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from export.consumers.consumer import Consumed
from export.consumers.consumer import ConsumerError

_LEARNING_RATE = 0.01
_NUM_CLASSES = 2


def load(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Calls what `hub.load` gives."""
    import tensorflow_hub as hub

    module = hub.load(str(module_dir))
    given = tf.constant(images)
    return Consumed(
        module(given).numpy(), "", lambda: module(given).numpy(), module_dir
    )


def sequential_frozen(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Trains a classifier on frozen features in a Sequential model."""
    import tensorflow_hub as hub
    import tf_keras

    layer = hub.KerasLayer(str(module_dir), trainable=False)
    consumed = _consumed(layer, images, module_dir)
    classifier = tf_keras.layers.Dense(_NUM_CLASSES)
    model = compiled(tf_keras.Sequential([layer, classifier]))
    before = _values(layer.variables)
    _train_one_step(model, images)
    if num_moved(layer.variables, before):
        raise ConsumerError("a frozen layer moved when another was trained")
    return consumed("stays bit-identical under a trained classifier")


def functional_tuned(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Fine-tunes the module under a classifier in a functional model."""
    import tensorflow_hub as hub
    import tf_keras

    layer = hub.KerasLayer(str(module_dir), trainable=True)
    consumed = _consumed(layer, images, module_dir)
    inputs = tf_keras.Input((None, None, 3))
    scores = tf_keras.layers.Dense(_NUM_CLASSES)(layer(inputs))
    model = compiled(tf_keras.Model(inputs, scores))
    declared = layer.resolved_object.regularization_losses
    if len(layer.losses) != len(declared):
        found = f"{len(layer.losses)} of {len(declared)}"
        raise ConsumerError(f"{found} regularization losses were picked up")
    moved = check_learning(model, layer.trainable_variables, images)
    return consumed(f"{moved}, {len(declared)} regularization losses")


def two_replicas(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Fine-tunes the module on two devices that share a batch.

    In a process of its own: how many devices a processor is must be said
    before TensorFlow begins, and a process bears one strategy only.
    """
    np.save(workspace / "images.npy", images)
    command = [sys.executable, "-m", "export.consumers.replicas"]
    done = subprocess.run(
        [*command, str(module_dir), str(workspace)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConsumerError(last)
    features = np.load(workspace / "features.npy")
    note = done.stdout.strip().splitlines()[-1]
    return Consumed(features, note, None, module_dir)


def check_learning(
    model: object, variables: Sequence[tf.Variable], images: np.ndarray
) -> str:
    """Trains one step; returns how many of the variables moved.

    Those are counted that the images move: where they count nothing, the
    regularization losses still do, and move them elsewhere.

    Args:
        model: compiled with an optimizer without memory; tf_keras or Keras 3.
        variables: those that should move.
        images: [B, H, W, 3].

    Raises:
        ConsumerError: if the loss is no number or nothing moved.
    """
    before = _values(variables)
    _train_one_step(model, images, weight=0.0)
    without_images = _values(variables)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    loss = _train_one_step(model, images)
    if not np.isfinite(loss):
        raise ConsumerError(f"the training loss is {loss}")
    moved = num_moved(variables, without_images)
    if not moved:
        raise ConsumerError("no weight was moved by images in a training step")
    return f"{moved} of {len(before)} weights moved"


def num_moved(
    variables: Sequence[tf.Variable], before: Sequence[np.ndarray]
) -> int:
    """Returns how many variables are not what they were, bit for bit."""
    return sum(
        not np.array_equal(variable.numpy(), value)
        for variable, value in zip(variables, before, strict=True)
    )


def _values(variables: Sequence[tf.Variable]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def _consumed(layer: object, images: np.ndarray, module_dir: pathlib.Path):
    """Returns note -> Consumed, with the features of the untrained layer."""
    given = tf.constant(images)
    features = layer(given, training=False).numpy()
    return lambda note: Consumed(
        features, note, lambda: layer(given, training=False), module_dir
    )


def compiled(model: object) -> object:
    """Returns a model of tf_keras, ready to train as a classifier."""
    import tf_keras

    model.compile(
        tf_keras.optimizers.SGD(_LEARNING_RATE),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _train_one_step(
    model: object, images: np.ndarray, weight: float = 1.0
) -> float:
    labels = np.arange(len(images)) % _NUM_CLASSES
    weights = np.full(len(images), weight, np.float32)
    return float(model.train_on_batch(images, labels, sample_weight=weights))
