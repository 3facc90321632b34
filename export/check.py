"""Loads a feature-vector module as its users would: a table.

In: the folder of a SavedModel. Out: for each consumer of `export.consumers`
how far its features are from the module's own, images per second, the size of
what it loaded, and what else was seen.

    python -m export.check DIR [--images=N --seed=S --size=PIXELS]

The images are of the module's own size, as its keras.json states it, or of
224 pixels where none states it. serving_jpeg resizes in a way of its own, so
at another --size it is not checked.

What is not installed, and what a module of strangers cannot do, is named as
not checked.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import os
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import flags

from export.comparison import check_module
from export.comparison import ConsumerResult
from export.comparison import exact_products
from export.comparison import first_line
from export.comparison import num_bytes
from export.comparison import size_ratio
from export.consumers import LOADING
from export.consumers import THOROUGH
from export.consumers.saved_model import own_size
from scn_tf.command_line import run_command
from scn_tf.command_line import start

_USUAL_SIZE = 224  # where a module does not say: that of most networks
_SECONDS = 1.0  # of calls, by each consumer's stopwatch


def main(arguments: Sequence[str]) -> int:
    """Checks the module named on the command line with random images.

    Returns:
        0 if all went well, 1 if a consumer failed or differs, 2 if there is
        no module to check.
    """
    return run_command(_check, _flags(), __doc__, arguments, ("DIR",))


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    for name, default, least, text in (
        ("images", 4, 1, "Random images to try."),
        (
            "size",
            0,
            0,
            "Of the images, in pixels; 0: the module's own as its keras.json "
            f"states it, or {_USUAL_SIZE} where none states it.",
        ),
        ("seed", 0, 0, "Of the images."),
    ):
        flags.DEFINE_integer(
            name, default, text, lower_bound=least, flag_values=values
        )
    return values


@exact_products()
def _check(values: flags.FlagValues, module_dir: str) -> int:
    side = values.size or own_size(module_dir) or _USUAL_SIZE
    shape = (values.images, side, side, 3)
    try:
        images = np.random.default_rng(values.seed).random(shape, np.float32)
        expected = _features(module_dir, images)
        ratio = size_ratio(module_dir)
    except Exception as error:
        # Whatever is wrong with a stranger's folder is one line, no traceback.
        print(first_line(error), file=sys.stderr)
        return 2
    print(_row(_HEAD))
    is_good = True
    for consumer in (LOADING | THOROUGH).items():
        (result,) = check_module(
            module_dir, images, expected, dict([consumer]), _SECONDS
        )
        print(_row(_cells(result)), flush=True)
        is_good &= result.is_good
    size = f"{num_bytes(pathlib.Path(module_dir)):,} bytes"
    print(
        f"{module_dir}: {size}, {ratio:.4f} times its variables; images of "
        f"{side} x {side} pixels"
    )
    return 0 if is_good else 1


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
        why = first_line(error).partition(" Received")[0]
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
            f"Export it again. ({first_line(error)})"
        ) from error


_HEAD = ("consumer", "difference", "images/s", "MB", "note")


def _cells(result: ConsumerResult) -> tuple[str, ...]:
    numbers = (
        (result.max_relative_difference, ".1e", 1),
        (result.images_per_second, ".1f", 1),
        (result.num_bytes, ".2f", 1e-6),
    )
    cells = [
        "-" if value is None else f"{value * factor:{form}}"
        for value, form, factor in numbers
    ]
    return (result.consumer, *cells, result.note)


def _row(cells: Sequence[str]) -> str:
    consumer, difference, speed, size, note = cells
    width = max(map(len, LOADING | THOROUGH))
    return (
        f"{consumer:<{width}}{difference:>12}{speed:>10}{size:>9}  {note}"
    ).rstrip()


if __name__ == "__main__":
    start(main)
