"""Writes a trained network as a TF-Hub image feature vector.

In: a trunk, a neck and the folder to write. Out: a TensorFlow 2 SavedModel
that `tf.saved_model.load`, `hub.KerasLayer` (frozen or fine-tuned),
`keras.layers.TFSMLayer` and a model server read without any of our code:

    __call__(images, training=False)   [B, H, W, 3] -> [B, D], both float32
    call_inference, call_training      the same, one argument each
    serving_default                    signature, images -> features
    variables, trainable_variables     each weight once
    regularization_losses              functions without arguments

Images are RGB in [0, 1], of any height and width.

The weights of a small network come in hundreds of short vectors (biases, the
four of each batch normalization). To describe, save and restore each would
fill more than a tenth of MobileNetV2's own size, so all vectors of a kind
lie one behind another in one variable; kernels keep their own.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from tfrecords import files
from tfrecords.errors import InputError

_IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")


def save_feature_vector(
    trunk: keras.Model,
    neck: keras.Model,
    image_size: int,
    module_dir: str | os.PathLike,
    weight_decay: float = 0.0,
) -> None:
    """Writes `neck(trunk(images))` as a SavedModel for strangers to load.

    Which layers are frozen in `trunk` and `neck` makes no difference: every
    weight but the statistics of batch normalization can be fine-tuned, and
    with `training=True` those statistics move; to freeze is the consumer's
    choice. Both models are left as they were.

    Args:
        trunk: functional; [B, S, S, 3] float32 images in [0, 1] -> feature
            map. Holds the network's own preprocessing.
        neck: functional; feature map -> [B, D] features.
        image_size: S, in pixels. Images of another height or width are
            resized inside the module, bilinear with antialias; images of
            this size are not touched.
        module_dir: folder to write. A module that is there is replaced
            whole, and only when the new one is complete.
        weight_decay: L; the regularization loss is the sum over the neck's
            kernels w of L / 2 * sum(w^2). 0 declares no such loss.

    Raises:
        InputError: if something other than a module is at `module_dir`, or
            the disk is full.
        ValueError: if the parts do not fit together.
    """
    _check_parts(trunk, neck, image_size, weight_decay)
    _check_place(pathlib.Path(module_dir))
    network = keras.Model(trunk.input, neck(trunk.output))
    with _bare(network):
        module, signature = _build_module(
            network, neck, image_size, weight_decay
        )
        with files.replacing(module_dir) as temporary_dir:
            tf.saved_model.save(module, str(temporary_dir), signature)


class _Weights:
    """Copies of Keras variables as plain ones, vectors packed into one."""

    def __init__(
        self, originals: list[keras.Variable], trainable: bool
    ) -> None:
        """Copies the values of `originals`, which share `trainable`."""
        kinds = {}
        for index, original in enumerate(originals):
            is_vector = len(original.shape) == 1
            kind = original.dtype if is_vector else index
            kinds.setdefault(kind, []).append(index)
        self._groups = list(kinds.values())
        self._lengths = [tuple(original.shape)[:1] for original in originals]
        self.variables = []
        for group in self._groups:
            values = [originals[index].numpy() for index in group]
            value = values[0] if len(group) == 1 else tf.concat(values, axis=0)
            # The name is part of the format of every operation that touches
            # the variable: a short one saves kilobytes.
            self.variables.append(
                tf.Variable(value, trainable=trainable, name="v")
            )

    def read(self) -> list[tf.Tensor]:
        """Returns the values, in the order and shapes of the originals."""
        values = [None] * len(self._lengths)
        for variable, group in zip(self.variables, self._groups, strict=True):
            parts = [tf.convert_to_tensor(variable)]
            if len(group) > 1:
                lengths = [self._lengths[index][0] for index in group]
                parts = tf.split(parts[0], lengths)
            for index, part in zip(group, parts, strict=True):
                values[index] = part
        return values

    def write(self, before: list[tf.Tensor], after: list[tf.Tensor]) -> None:
        """Assigns those of `after` that are not what `read` gave."""
        for variable, group in zip(self.variables, self._groups, strict=True):
            if all(after[index] is before[index] for index in group):
                continue
            values = [after[index] for index in group]
            variable.assign(
                values[0] if len(group) == 1 else tf.concat(values, axis=0)
            )

    def variable_of(self, index: int) -> tf.Variable:
        """Returns the variable that holds original number `index`."""
        for variable, group in zip(self.variables, self._groups, strict=True):
            if index in group:
                return variable
        raise IndexError(index)


def _build_module(
    network: keras.Model,
    neck: keras.Model,
    image_size: int,
    weight_decay: float,
) -> tuple[tf.train.Checkpoint, tf.types.experimental.PolymorphicFunction]:
    """Returns the object to save and its `serving_default` function."""
    trained = _Weights(network.trainable_variables, trainable=True)
    state = _Weights(network.non_trainable_variables, trainable=False)

    def features(images: tf.Tensor, training: bool) -> tf.Tensor:
        before = state.read()
        output, after = network.stateless_call(
            trained.read(),
            before,
            _resize(images, image_size),
            training=training,
        )
        if training:
            state.write(before, after)
        return tf.cast(output, tf.float32)

    # Only these two hold the network: the other functions call them.
    @tf.function(input_signature=[_IMAGES])
    def call_inference(images):
        return features(images, training=False)

    @tf.function(input_signature=[_IMAGES])
    def call_training(images):
        return features(images, training=True)

    @tf.function
    def call(images, training=False):
        return call_training(images) if training else call_inference(images)

    @tf.function(input_signature=[_IMAGES])
    def serve(images):
        return {"features": call_inference(images)}

    for training in (False, True):
        call.get_concrete_function(_IMAGES, training=training)
    module = tf.train.Checkpoint()
    module.__call__ = call
    module.call_inference = call_inference
    module.call_training = call_training
    module.variables = trained.variables + state.variables
    module.trainable_variables = trained.variables
    kernels = _kernels(network, neck, trained)
    module.regularization_losses = _weight_decay(kernels, weight_decay)
    return module, serve


def _resize(images: tf.Tensor, image_size: int) -> tf.Tensor:
    """Returns [B, S, S, 3]; the very same values where the size is S."""
    size = [image_size, image_size]
    images = tf.cond(
        tf.reduce_all(tf.shape(images)[1:3] == image_size),
        lambda: images,
        lambda: tf.image.resize(images, size, antialias=True),
    )
    return tf.ensure_shape(images, [None, *size, 3])


def _kernels(
    network: keras.Model, neck: keras.Model, trained: _Weights
) -> list[tf.Variable]:
    """Returns the neck's weights of two or more axes: biases do not decay."""
    kernels = {
        id(original)
        for original in neck.trainable_variables
        if len(original.shape) > 1
    }
    return [
        trained.variable_of(index)
        for index, original in enumerate(network.trainable_variables)
        if id(original) in kernels
    ]


def _weight_decay(
    kernels: list[tf.Variable], weight_decay: float
) -> list[tf.types.experimental.PolymorphicFunction]:
    """Returns L / 2 * sum(w^2) of all kernels as one function, or none."""
    if not kernels or not weight_decay:
        return []

    @tf.function(input_signature=[])
    def regularization_loss():
        # TensorFlow's `l2_loss` is half the sum of squares.
        return weight_decay * tf.add_n([tf.nn.l2_loss(w) for w in kernels])

    return [regularization_loss]


@contextlib.contextmanager
def _bare(network: keras.Model) -> Iterator[None]:
    """Thaws and renames every layer while the graphs are made.

    A frozen batch normalization would ignore `training=True`. The name of a
    layer stands in each of its operations, so that long names cost a sixth
    of the graphs' size.
    """
    # Keras offers no public walk over nested layers. Parents come first:
    # setting a parent's flag sets those of its children.
    layers = network._flatten_layers()
    kept = [(layer, layer.name, layer.trainable) for layer in layers]
    try:
        for layer in layers:
            layer.name = ""
            layer.trainable = True
        yield
    finally:
        for layer, name, trainable in kept:
            layer.name = name
            layer.trainable = trainable


def _check_parts(
    trunk: keras.Model, neck: keras.Model, image_size: int, weight_decay: float
) -> None:
    wanted = (None, image_size, image_size, 3)
    if trunk.input_shape != wanted:
        raise ValueError(
            f"`trunk` must take images of shape {wanted}. "
            f"Received: trunk.input_shape={trunk.input_shape}. "
            "Give the `image_size` that the trunk was built with."
        )
    if trunk.output_shape != neck.input_shape:
        raise ValueError(
            "`neck` must take what `trunk` gives. Received: "
            f"trunk.output_shape={trunk.output_shape}, "
            f"neck.input_shape={neck.input_shape}. "
            "Give the two halves of one backbone."
        )
    if len(neck.output_shape) != 2:
        raise ValueError(
            "`neck` must give one vector per image, [B, D]. Received: "
            f"neck.output_shape={neck.output_shape}. "
            "End it with pooling or Flatten."
        )
    if weight_decay < 0:
        raise ValueError(
            "`weight_decay` must not be negative. "
            f"Received: weight_decay={weight_decay}."
        )


def _check_place(module_dir: pathlib.Path) -> None:
    """Refuses to replace what is not a module."""
    if module_dir.is_dir():
        names = {entry.name for entry in module_dir.iterdir()}
        if not names or "saved_model.pb" in names:
            return
        found = f"a folder with other files ({min(names)}, ...)"
    elif module_dir.exists():
        found = "a file"
    else:
        return
    raise InputError(
        f"{module_dir} is {found}; wanted a new or empty folder, or a "
        "module to replace. Choose another folder or move it away."
    )
