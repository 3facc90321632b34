"""Consumers that need TensorFlow alone."""

import pathlib

import numpy as np
import tensorflow as tf

from export.consumers.consumer import Consumed
from export.consumers.consumer import ConsumerError
from export.consumers.consumer import NotCheckedError


def load(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Calls what `tf.saved_model.load` gives."""
    module = tf.saved_model.load(str(module_dir))
    num_trainable = len(module.trainable_variables)
    note = f"{num_trainable} of {len(module.variables)} variables trainable"
    given = tf.constant(images)
    return Consumed(
        module(given).numpy(), note, lambda: module(given).numpy(), module_dir
    )


def serve_images(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Calls the signature that a model server calls by default."""
    module = tf.saved_model.load(str(module_dir))
    serve = module.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    given = {name: tf.constant(images)}
    ((output, features),) = serve(**given).items()
    return Consumed(
        features.numpy(),
        f"{name} -> {output}",
        lambda: serve(**given)[output].numpy(),
        module_dir,
    )


def serve_files(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Calls the signature that takes encoded pictures.

    They are of 8 bits, so its features are held against those of images
    rounded to 8 bits, and what they differ by is added to `images`' own.
    """
    module = tf.saved_model.load(str(module_dir))
    if "serving_jpeg" not in module.signatures:
        raise NotCheckedError("the module has no such signature")
    serve = module.signatures["serving_jpeg"]
    levels = np.round(images * 255).astype(np.uint8)
    encoded = tf.stack([tf.io.encode_png(level) for level in levels])
    served = serve(encoded=encoded)["features"].numpy()
    rounded = module(tf.constant(levels / np.float32(255))).numpy()
    if served.shape != rounded.shape:
        raise ConsumerError(
            f"features are {served.shape}, wanted {rounded.shape}"
        )
    features = module(tf.constant(images)).numpy() + (served - rounded)
    return Consumed(
        features,
        "encoded -> features",
        lambda: serve(encoded=encoded)["features"].numpy(),
        module_dir,
    )
