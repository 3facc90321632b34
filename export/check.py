"""Loads a feature-vector module as strangers would, and compares numbers.

In: the folder of a SavedModel, images, the features they should have. Out:
one result per consumer. Imports TensorFlow and the consumers' own packages,
nothing of ours: what works here works for someone who has only the folder.

    python -m export.check DIR [--images N --seed S]
"""

import argparse
import dataclasses
import os
import pathlib
import sys
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

TOLERANCE = 1e-5
_IMAGE_SIZE = 224  # The usual one; a module resizes what it takes.
_LEARNING_RATE = 0.01


class _CheckError(Exception):
    """A consumer loaded the module but it did not behave."""


@dataclasses.dataclass(frozen=True)
class ConsumerResult:
    """How one consumer fared.

    Attributes:
        consumer: the way of loading.
        max_relative_difference: max |a - b| / max |b| between its features a
            and the expected b; None if it gave none.
        note: what else was seen, "failed: why" or "not checked: why".
    """

    consumer: str
    max_relative_difference: float | None
    note: str

    @property
    def is_good(self) -> bool:
        """Whether nothing failed and the difference is within TOLERANCE."""
        if self.max_relative_difference is None:
            return not self.note.startswith("failed")
        return self.max_relative_difference <= TOLERANCE  # NaN is not.


def check_module(
    module_dir: str | os.PathLike, images: np.ndarray, expected: np.ndarray
) -> list[ConsumerResult]:
    """Loads a module in every way that we know and compares.

    The folder is only read: each consumer trains a copy in memory.

    Args:
        module_dir: folder of the SavedModel.
        images: [B, H, W, 3] float32, RGB in [0, 1].
        expected: [B, D] float32, the features of `images`.

    Returns:
        One result per consumer; what a consumer raises is its note.
    """
    results = []
    for consumer, load in _CONSUMERS.items():
        difference = None
        try:
            features, note = load(str(module_dir), images)
            difference = _relative_difference(features, expected)
        except ModuleNotFoundError as error:
            note = f"not checked: {error.name} is not installed"
        except Exception as error:
            # A consumer may raise anything; the others are still checked.
            note = f"failed: {_first_line(error)}"
        results.append(ConsumerResult(consumer, difference, note))
    return results


def size_ratio(module_dir: str | os.PathLike) -> float:
    """Returns bytes of all files of a module / bytes of its variables.

    Raises:
        ValueError: if the module lists no variables.
    """
    variables = getattr(tf.saved_model.load(str(module_dir)), "variables", ())
    size = sum(variable.numpy().nbytes for variable in variables)
    if not size:
        raise ValueError(
            f"{module_dir} lists no `variables`: export it with its weights."
        )
    return _folder_size(module_dir) / size


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the module named on the command line with random images.

    Returns:
        0 if all went well, 1 if a consumer failed or differs, 2 if there is
        no module to check.
    """
    parser = argparse.ArgumentParser(
        prog="python -m export.check",
        description="Loads a feature-vector module as strangers would.",
    )
    parser.add_argument("module_dir", help="folder of the SavedModel")
    parser.add_argument(
        "--images", type=_positive, default=4, help="random images to try"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the images")
    flags = parser.parse_args(arguments)
    images = np.random.default_rng(flags.seed).random(
        (flags.images, _IMAGE_SIZE, _IMAGE_SIZE, 3), dtype=np.float32
    )
    try:
        expected = _features(flags.module_dir, images)
        ratio = size_ratio(flags.module_dir)
    except Exception as error:
        # Whatever is wrong with a stranger's folder is one line, no traceback.
        print(_first_line(error), file=sys.stderr)
        return 2
    results = check_module(flags.module_dir, images, expected)
    print(_table(results))
    size = f"{_folder_size(flags.module_dir):,} bytes"
    print(f"{flags.module_dir}: {size}, {ratio:.4f} times its variables")
    return 0 if all(result.is_good for result in results) else 1


def _features(module_dir: str, images: np.ndarray) -> np.ndarray:
    """Returns what a module gives; a ValueError says why it is none."""
    module = _load(module_dir)
    foreign = f"{module_dir} is a SavedModel but no image feature vector: "
    if not callable(module):
        raise ValueError(f"{foreign}it cannot be called with images.")
    wanted = f"wanted [B, D] float32 of images {images.shape} float32"
    try:
        features = module(images)
    except Exception as error:
        why = _first_line(error).partition(" Received")[0]
        raise ValueError(f"{foreign}{wanted}. {why}") from error
    shape = tuple(getattr(features, "shape", ()))
    kind = getattr(features, "dtype", type(features).__name__)
    if kind != tf.float32 or len(shape) != 2 or shape[0] != len(images):
        raise ValueError(f"{foreign}it gives {shape} {kind}, {wanted}.")
    return features.numpy()


def _load(module_dir: str) -> tf.Module:
    """Returns the loaded module; a ValueError says what is wrong with it."""
    if not os.path.isdir(module_dir):
        raise ValueError(f"{module_dir}: no such folder. Name a SavedModel.")
    if not tf.saved_model.contains_saved_model(module_dir):
        raise ValueError(
            f"{module_dir} holds no saved_model.pb, so it is no SavedModel."
        )
    try:
        return tf.saved_model.load(module_dir)
    except Exception as error:
        raise ValueError(
            f"{module_dir} cannot be loaded as a SavedModel, it is damaged. "
            f"Export it again. ({_first_line(error)})"
        ) from error


def _check_loaded(module_dir: str, images: np.ndarray) -> tuple:
    module = tf.saved_model.load(module_dir)
    num_trainable = len(module.trainable_variables)
    note = f"{num_trainable} of {len(module.variables)} variables trainable"
    return module(images).numpy(), note


def _check_signature(module_dir: str, images: np.ndarray) -> tuple:
    module = tf.saved_model.load(module_dir)
    serve = module.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    ((output, features),) = serve(**{name: tf.constant(images)}).items()
    return features.numpy(), f"{name} -> {output}"


def _check_hub_frozen(module_dir: str, images: np.ndarray) -> tuple:
    layer, model, features = _hub_model(module_dir, images, trainable=False)
    before = [variable.numpy() for variable in layer.variables]
    _train_one_step(model, images)
    if _num_moved(layer.variables, before):
        raise _CheckError("a frozen layer moved when another was trained")
    return features, "stays bit-identical under a trained classifier"


def _check_hub_tuned(module_dir: str, images: np.ndarray) -> tuple:
    layer, model, features = _hub_model(module_dir, images, trainable=True)
    declared = layer.resolved_object.regularization_losses
    if len(layer.losses) != len(declared):
        found = f"{len(layer.losses)} of {len(declared)}"
        raise _CheckError(f"{found} regularization losses were picked up")
    before = [variable.numpy() for variable in layer.trainable_variables]
    loss = _train_one_step(model, images)
    if not np.isfinite(loss):
        raise _CheckError(f"the training loss is {loss}")
    num_moved = _num_moved(layer.trainable_variables, before)
    if not num_moved:
        raise _CheckError("no weight moved in a training step")
    return features, (
        f"{num_moved} of {len(before)} weights moved, "
        f"{len(declared)} regularization losses"
    )


def _check_tfsm_layer(module_dir: str, images: np.ndarray) -> tuple:
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.TFSMLayer(
        module_dir,
        call_endpoint="call_inference",
        call_training_endpoint="call_training",
    )
    model = keras.Model(inputs, layer(inputs))
    features = model(images, training=False).numpy()
    if not np.isfinite(model(images, training=True).numpy()).all():
        raise _CheckError("call_training gives numbers not finite")
    return features, f"{len(layer.trainable_weights)} trainable weights"


_CONSUMERS = {
    "tf.saved_model.load": _check_loaded,
    "serving_default": _check_signature,
    "hub.KerasLayer, frozen": _check_hub_frozen,
    "hub.KerasLayer, fine-tuned": _check_hub_tuned,
    "keras.layers.TFSMLayer": _check_tfsm_layer,
}


def _hub_model(module_dir: str, images: np.ndarray, trainable: bool) -> tuple:
    """Returns the hub layer, a classifier on top of it and its features."""
    import tensorflow_hub as hub
    import tf_keras

    layer = hub.KerasLayer(module_dir, trainable=trainable)
    features = layer(images, training=False).numpy()
    model = tf_keras.Sequential([layer, tf_keras.layers.Dense(2)])
    model.compile(
        tf_keras.optimizers.SGD(_LEARNING_RATE),
        tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return layer, model, features


def _train_one_step(model: tf.Module, images: np.ndarray) -> float:
    return float(model.train_on_batch(images, np.arange(len(images)) % 2))


def _num_moved(
    variables: Sequence[tf.Variable], before: Sequence[np.ndarray]
) -> int:
    return sum(
        not np.array_equal(variable.numpy(), value)
        for variable, value in zip(variables, before, strict=True)
    )


def _relative_difference(features: np.ndarray, expected: np.ndarray) -> float:
    if features.shape != expected.shape:
        raise _CheckError(
            f"features are {features.shape}, wanted {expected.shape}"
        )
    return float(np.abs(features - expected).max() / np.abs(expected).max())


def _folder_size(module_dir: str | os.PathLike) -> int:
    files = pathlib.Path(module_dir).rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file())


def _table(results: Sequence[ConsumerResult]) -> str:
    rows = [("consumer", "max relative difference", "note")]
    for result in results:
        difference = result.max_relative_difference
        shown = "-" if difference is None else f"{difference:.1e}"
        rows.append((result.consumer, shown, result.note))
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    return "\n".join(
        f"{consumer:<{first}}  {difference:>{second}}  {note}"
        for consumer, difference, note in rows
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"wanted 1 or more, received {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
