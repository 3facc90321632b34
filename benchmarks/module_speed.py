"""An exported module against the bare Keras model: size and speed.

In: nothing; the network has random weights. Out: the module's size over that
of its weights, the time of its export, and images per second through
`hub.KerasLayer`, `tf.saved_model.load` and our `FeatureVector` over those of
the bare keras.applications model, same weights, same batch, in turns in one
run; and how far the features are from those of the bare model. The module
includes its preprocessing; the bare model gets images that are preprocessed.

The fastest round of each side counts, and the least processor time, which
tells more where others use the machine.

    python -m benchmarks.module_speed [--batch=8 --rounds=8]
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import argparse
import pathlib
import tempfile
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import tensorflow_hub as hub

from export.comparison import size_ratio
from export.feature_module import save_feature_vector
from export.keras_layer import FeatureVector
from scn_tf.backbones import build_backbone
from scn_tf.backbones.backbone import Backbone
from scn_tf.backbones.preprocessing import Preprocessing
from scn_tf.export_flags import INFERENCE_PRECISIONS

_BARE = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}


def main() -> None:
    """Exports in every precision, measures, prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.module_speed")
    parser.add_argument("--backbone", default="vgg19", choices=sorted(_BARE))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    backbone = build_backbone(options.backbone)
    size = backbone.image_size
    images = np.random.default_rng(0).random((options.batch, size, size, 3))
    images = tf.constant(images, tf.float32)
    with tempfile.TemporaryDirectory() as folder:
        sides = _sides(backbone, images, pathlib.Path(folder))
        expected = sides["bare model"]().numpy()
        taken = _least_seconds(sides, options.rounds)
    bare = taken["bare model"]
    print(f"{'':<31}{'images/s':>9}{'ratio':>8}{'CPU':>8}{'difference':>12}")
    for name, side in sides.items():
        features = side().numpy()
        error = np.linalg.norm(features - expected) / np.linalg.norm(expected)
        speed = options.batch / taken[name][0]
        ratio, processor = bare / taken[name]
        print(
            f"{name:<31}{speed:>9.2f}{ratio:>8.3f}{processor:>8.3f}"
            f"{error:>12.1e}"
        )


def _sides(
    backbone: Backbone, images: tf.Tensor, folder: pathlib.Path
) -> dict[str, Callable[[], tf.Tensor]]:
    bare, preprocessed = _bare_model(backbone, images)
    bare_function = tf.function(lambda batch: bare(batch, training=False))
    sides = {"bare model": lambda: bare_function(preprocessed)}
    for precision in INFERENCE_PRECISIONS:
        module_dir = str(folder / precision)
        began = time.perf_counter()
        save_feature_vector(
            backbone.trunk,
            backbone.neck,
            backbone.image_size,
            module_dir,
            inference_precision=precision,
        )
        print(
            f"{precision}: exported in {time.perf_counter() - began:.1f} s, "
            f"{size_ratio(module_dir):.4f} times its weights"
        )
        layer = hub.KerasLayer(module_dir)
        sides |= {
            f"hub.KerasLayer, {precision}": lambda layer=layer: layer(images),
            f"tf.saved_model.load, {precision}": lambda layer=layer: (
                layer.resolved_object(images)
            ),
        }
        call = tf.function(FeatureVector(module_dir))
        sides[f"FeatureVector, {precision}"] = lambda call=call: call(images)
    return sides


def _bare_model(
    backbone: Backbone, images: tf.Tensor
) -> tuple[keras.Model, tf.Tensor]:
    """Returns the model without preprocessing, and images that have had it."""
    constructor = _BARE[backbone.name]
    whole = constructor(weights=None, classes=1)
    bare = keras.Model(whole.input, whole.get_layer("fc2").output)
    bare.set_weights(backbone.trunk.get_weights() + backbone.neck.get_weights())
    (preprocessing,) = [
        layer
        for layer in backbone.trunk.layers
        if isinstance(layer, Preprocessing)
    ]
    return bare, preprocessing(images)


def _least_seconds(
    sides: dict[str, Callable[[], tf.Tensor]], rounds: int
) -> dict[str, np.ndarray]:
    """Returns (seconds, processor seconds) of a batch, sides in turns."""
    taken = {name: [] for name in sides}
    for number in range(rounds + 1):
        # There and back: what ran before a side has its effect on it.
        for name, side in list(sides.items())[:: 1 if number % 2 else -1]:
            began = np.array([time.perf_counter(), time.process_time()])
            side().numpy()
            ended = np.array([time.perf_counter(), time.process_time()])
            taken[name].append(ended - began)
    # The first round is not counted: it compiles and allocates.
    return {name: np.min(times[1:], axis=0) for name, times in taken.items()}


if __name__ == "__main__":
    main()
