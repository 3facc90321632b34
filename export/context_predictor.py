"""Writes the whole SCN, which predicts what is at an offset from a patch.

    python -m export.context_predictor --run_dir=RUN --output=DIR

In: trunk, neck and head of a run. The checkpoint is as the flags of the run say
where nothing else is said. The neck keeps all that it learned, for the head was
trained with it, where --neck_blend does not say otherwise. Out: a TensorFlow 2
SavedModel, read without any of our code by `tf.saved_model.load`:

    predict(images, offsets)   [B, H, W, 3] patches, [B, 8] offsets -> h3,
                               [B, D], all float32
    serving_default            signature, images, offsets -> predictions
    offset_unit()              string, see `--offset_unit` of the run
    targets()                  string, what h3 predicts: `--targets`
    variables                  each weight once

Images are RGB in [0, 1], of any height and width: source patches, cut out of
their photograph. Offsets are target minus source of the corners top-left,
top-right, bottom-left, bottom-right, each (x, y), in the run's unit: "image",
parts of the photograph's longest side; "pixels"; "source", x in parts of the
source's width and y of its height; or "ratios", which are no corners, see
`scn_tf.offsets.PairOffsets`. They are not standardized: the module does that.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import os
from collections.abc import Sequence

import keras
import tensorflow as tf
from absl import flags

from export.finished_run import open_named_run
from export.finished_run import run_flags
from export.finished_run import taken_text
from export.image_input import resized
from export.module_folder import replacing_module
from export.packed_weights import bare
from export.packed_weights import call_with
from export.packed_weights import PackedWeights
from scn_tf.backbones.backbone import Backbone
from scn_tf.command_line import run_command
from scn_tf.command_line import start
from scn_tf.geometry import NUM_OFFSETS

_IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")
_OFFSETS = tf.TensorSpec([None, NUM_OFFSETS], tf.float32, name="offsets")


def save_context_predictor(
    backbone: Backbone,
    head: keras.layers.Layer,
    module_dir: str | os.PathLike,
    offset_unit: str,
    targets: str = "features",
) -> None:
    """Writes `head(neck(trunk(images)), offsets)` as a SavedModel.

    Args:
        backbone: its networks are left as they were.
        head: built; (h1, offsets) -> h3.
        module_dir: folder to write. A module that is there is replaced
            whole, and only when the new one is complete.
        offset_unit: of the offsets that the head was trained with.
        targets: what the head was trained to predict.

    Raises:
        InputError: if something other than a module is at `module_dir`, or
            the disk is full.
    """
    models = [backbone.trunk, backbone.neck, head]
    with replacing_module(module_dir) as temporary_dir, bare(models):
        weights = PackedWeights(models, models)

        @tf.function(input_signature=[_IMAGES, _OFFSETS])
        def predict(images, offsets):
            values = weights.read()
            x = resized(images, backbone.image_size)
            for model in models[:2]:
                x = call_with(values, model, x, training=False)
            return tf.cast(call_with(values, head, x, offsets), tf.float32)

        @tf.function(input_signature=[_IMAGES, _OFFSETS])
        def serve(images, offsets):
            return {"predictions": predict(images, offsets)}

        module = tf.train.Checkpoint()
        module.predict = predict
        module.offset_unit = _constant(offset_unit)
        module.targets = _constant(targets)
        module.variables = weights.variables
        tf.saved_model.save(module, str(temporary_dir), serve)


def _constant(text: str) -> tf.types.experimental.PolymorphicFunction:
    """Returns a function that gives a string: it outlives our code."""
    return tf.function(lambda: tf.constant(text), input_signature=[])


def main(arguments: Sequence[str]) -> int:
    """Writes the module; returns the exit code."""
    return run_command(_export, run_flags(), __doc__, arguments)


def _export(values: flags.FlagValues) -> int:
    if values.neck_blend == "":
        values.neck_blend = 1.0
    run = open_named_run(values)
    config = run.config
    save_context_predictor(
        run.backbone,
        run.head,
        values.output,
        config.offset_unit,
        config.targets,
    )
    print(
        f"{values.output}: predict(images, offsets) of {values.run_dir}, "
        f"offsets in the unit {config.offset_unit!r}; {taken_text(run)}."
    )
    return 0


if __name__ == "__main__":
    start(main)
