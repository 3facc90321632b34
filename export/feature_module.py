"""Writes a trained network as a TF-Hub image feature vector.

In: a trunk, a neck and the folder to write. Out: a TensorFlow 2 SavedModel
that `tf.saved_model.load`, `hub.KerasLayer` (frozen or fine-tuned),
`keras.layers.TFSMLayer` and a model server read without any of our code:

    __call__(images, training=False, return_endpoints=False)
                                       [B, H, W, 3] -> [B, D], both float32
    call_inference, call_training      the same, one argument each
    serving_default                    signature, images -> features
    serving_jpeg                       signature, encoded [B] -> features
    variables, trainable_variables     each weight once
    regularization_losses              functions without arguments

Images are RGB in [0, 1], of any height and width. `return_endpoints=True`
gives a dict: "feature_vector", what is given otherwise; "feature_map", the
last one of the network; "fc6" where it has one.
"""

import dataclasses
import os
from collections.abc import Callable

import keras
import tensorflow as tf

from export.endpoints import OUTPUT
from export.endpoints import with_endpoints
from export.image_input import decoded
from export.image_input import resized
from export.keras_description import write_description
from export.module_folder import replacing_module
from export.packed_weights import bare
from export.packed_weights import call_with
from export.packed_weights import computing_in
from export.packed_weights import PackedWeights
from export.plain_network import plain_network
from scn_tf.export_flags import INFERENCE_PRECISIONS

_IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")
_ENCODED = tf.TensorSpec([None], tf.string, name="encoded")
_VECTOR = "feature_vector"
_Function = tf.types.experimental.PolymorphicFunction


def save_feature_vector(
    trunk: keras.Model,
    neck: keras.Model,
    image_size: int,
    module_dir: str | os.PathLike,
    weight_decay: float = 0.0,
    original_neck: keras.Model | None = None,
    inference_precision: str = "float32",
    card: str = "",
) -> None:
    """Writes `neck(trunk(images))` as a SavedModel for strangers to load.

    Which layers are frozen in `trunk` and `neck` makes no difference: every
    weight can be fine-tuned, and with `training=True` batch statistics move;
    to freeze is the consumer's choice. All models are left as they were.

    With `original_neck` the features are those of both necks, each vector of
    unit length, one beside the other: [B, D + D']. Trunk and original neck
    are then frozen for good: `neck` alone can be fine-tuned.

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
            kernels w of L / 2 * sum(w^2); 0 declares none.
        original_neck: as `neck`, with the weights that it began with.
        inference_precision: one of INFERENCE_PRECISIONS, of the network's
            activations where `training` is false. Weights, training and what
            comes out are float32.
        card: text of a README.md in the folder; empty writes none.

    Raises:
        InputError: if something other than a module is at `module_dir`, or
            the disk is full.
        ValueError: if the parts do not fit together.
    """
    necks = [neck] if original_neck is None else [neck, original_neck]
    _check_parts(trunk, necks, image_size, weight_decay, inference_precision)
    network = _Network(
        with_endpoints(trunk),
        with_endpoints(neck),
        original_neck,
        image_size,
        inference_precision,
    )
    with computing_in(inference_precision, network.models):
        plain = plain_network(trunk, neck, original_neck, weight_decay)
    with replacing_module(module_dir) as folder, bare(network.models):
        weights = PackedWeights(network.models, network.tuned)
        module, signatures = _build_module(network, weights, weight_decay)
        tf.saved_model.save(module, str(folder), signatures)
        write_description(plain, weights, inference_precision, folder)
        if card:
            (folder / "README.md").write_text(card, encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class _Network:
    """What a module computes; trunk and neck give named outputs."""

    trunk: keras.Model
    neck: keras.Model
    original_neck: keras.Model | None
    image_size: int
    precision: str

    @property
    def models(self) -> list[keras.Model]:
        models = [self.trunk, self.neck, self.original_neck]
        return [model for model in models if model is not None]

    @property
    def tuned(self) -> list[keras.Model]:
        if self.original_neck is None:
            return [self.trunk, self.neck]
        return [self.neck]

    def __call__(
        self, values: dict[int, tf.Tensor], images: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        """All endpoints, float32; `values` are moved by a training."""
        images = resized(images, self.image_size)
        moves = training and self.trunk in self.tuned
        ends = call_with(values, self.trunk, images, training=moves)
        maps = ends.pop(OUTPUT)
        ends |= call_with(values, self.neck, maps, training=training)
        vector = tf.cast(ends.pop(OUTPUT), tf.float32)
        if self.original_neck is not None:
            other = call_with(values, self.original_neck, maps, training=False)
            both = [vector, tf.cast(other, tf.float32)]
            both = [tf.math.l2_normalize(part, axis=-1) for part in both]
            vector = tf.concat(both, axis=-1)  # [B, D + D']
        ends[_VECTOR] = vector
        return {name: tf.cast(end, tf.float32) for name, end in ends.items()}


def _build_module(
    network: _Network, weights: PackedWeights, weight_decay: float
) -> tuple[tf.train.Checkpoint, dict[str, _Function]]:
    """Returns the object to save and its signatures."""
    inference, training = _endpoint_functions(network, weights)

    @tf.function(input_signature=[_IMAGES])
    def call_inference(images):
        return inference(images)[_VECTOR]

    @tf.function(input_signature=[_IMAGES])
    def call_training(images):
        return training(images)[_VECTOR]

    @tf.function
    def call(images, training=False, return_endpoints=False):
        ends = all_ends[training](images)
        return ends if return_endpoints else ends[_VECTOR]

    @tf.function(input_signature=[_IMAGES])
    def serve(images):
        return {"features": call_inference(images)}

    @tf.function(input_signature=[_ENCODED])
    def serve_jpeg(encoded):
        images = decoded(encoded, network.image_size)
        return {"features": call_inference(images)}

    all_ends = {False: inference, True: training}
    for mode in (False, True):
        for ends in (False, True):
            call.get_concrete_function(
                _IMAGES, training=mode, return_endpoints=ends
            )
    module = tf.train.Checkpoint()
    module.__call__ = call
    module.call_inference = call_inference
    module.call_training = call_training
    module.variables = weights.variables
    module.trainable_variables = weights.trainable_variables
    kernels = weights.kernels(network.neck)
    module.regularization_losses = _weight_decay(kernels, weight_decay)
    return module, {"serving_default": serve, "serving_jpeg": serve_jpeg}


def _endpoint_functions(
    network: _Network, weights: PackedWeights
) -> tuple[Callable, Callable]:
    """Returns images -> endpoints of inference and of training.

    Only these two hold the network: all other functions call them.
    """

    @tf.function(input_signature=[_IMAGES])
    def inference(images):
        return network(weights.read(), images, training=False)

    @tf.function(input_signature=[_IMAGES])
    def training(images):
        before = weights.read()
        after = dict(before)
        ends = network(after, images, training=True)
        weights.write(before, after)
        return ends

    # As they are traced here: another call would trace them once more.
    with computing_in(network.precision, network.models):
        traced = inference.get_concrete_function()
    return traced, training.get_concrete_function()


def _weight_decay(
    kernels: list[tf.Variable], weight_decay: float
) -> list[_Function]:
    """Returns L / 2 * sum(w^2) of all kernels as one function, or none."""
    if not kernels or not weight_decay:
        return []

    @tf.function(input_signature=[])
    def regularization_loss():
        # TensorFlow's `l2_loss` is half the sum of squares.
        return weight_decay * tf.add_n([tf.nn.l2_loss(w) for w in kernels])

    return [regularization_loss]


def _check_parts(
    trunk: keras.Model,
    necks: list[keras.Model],
    image_size: int,
    weight_decay: float,
    precision: str,
) -> None:
    wanted = (None, image_size, image_size, 3)
    if trunk.input_shape != wanted:
        raise ValueError(
            f"`trunk` must take images of shape {wanted}. "
            f"Received: trunk.input_shape={trunk.input_shape}. "
            "Give the `image_size` that the trunk was built with."
        )
    for neck in necks:
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
    if precision not in INFERENCE_PRECISIONS:
        raise ValueError(
            "`inference_precision` must be one of "
            f"{INFERENCE_PRECISIONS}. Received: {precision!r}."
        )
