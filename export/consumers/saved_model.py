"""Consumers that need TensorFlow alone."""

import json
import os
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
    The signature resizes as photographs are for the verdict, a call resizes
    with antialias: only at the module's own size must they agree.
    """
    module = tf.saved_model.load(str(module_dir))
    if "serving_jpeg" not in module.signatures:
        raise NotCheckedError("the module has no such signature")
    size = own_size(module_dir)
    height, width = images.shape[1:3]
    if size and (height, width) != (size, size):
        raise NotCheckedError(
            f"images are {height} x {width}; files are compared at the "
            f"module's own {size} x {size}, as they are resized in another way"
        )
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


def own_size(module_dir: str | os.PathLike) -> int:
    """Returns S, the side in pixels of the images a module works at.

    It stands in `keras.json`, which is read as the plain data that it is: this
    file needs no code of ours.

    Args:
        module_dir: folder of the module.

    Returns:
        S, or 0 where no such file states it.
    """
    try:
        text = pathlib.Path(module_dir, "keras.json").read_text()
        size = json.loads(text)["image_size"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return size if isinstance(size, int) and size > 0 else 0
