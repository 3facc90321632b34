"""The pass of patches through trunk and frozen neck, for speed.

In: patches of uint8. Out: trunk features and top-stream targets in the type
that the cache stores. Each device that takes part has networks of its own.
"""

import contextlib
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

import keras
import tensorflow as tf

from scn_tf.backbones.inference import inference_copy
from scn_tf.backbones.preprocessing import as_images

FrozenPass = Callable[[tf.Tensor], dict[str, tf.Tensor]]

# Patches per pass through the trunk. The maps of so many stay in a
# processor's caches; a GPU is only busy with more.
_TRUNK_BATCH = {"CPU": 32, "GPU": 128}


@functools.lru_cache(maxsize=1)  # copied and traced once for all caches
def frozen_passes(
    trunk: keras.Model,
    frozen_neck: keras.Model,
    precision: str,
    dtype: str,
    weights: str | None = None,
    devices: tuple[str, ...] = ("",),
) -> tuple[FrozenPass, ...]:
    """Returns a `frozen_pass` for each device.

    Args:
        trunk: see `frozen_pass`, as for all others.
        frozen_neck: of the top stream.
        precision: of both.
        dtype: of what comes out.
        weights: digest of the weights of both; the networks of the last call
            are used again while it is the same.
        devices: their names.
    """
    networks = (trunk, frozen_neck)
    return tuple(
        frozen_pass(*networks, precision, dtype, device) for device in devices
    )


def frozen_pass(
    trunk: keras.Model,
    frozen_neck: keras.Model,
    precision: str,
    dtype: str,
    device: str = "",
) -> FrozenPass:
    """Returns a function from patches to what is cached of them.

    It may be called from any thread: what it does is traced already, and its
    weights lie on their device.

    Args:
        trunk: [B, S, S, 3] float32 images in [0, 1] -> feature map.
        frozen_neck: feature map -> [B, D].
        precision: "float32", "bfloat16" or "float16", in which both work.
        dtype: of what comes out.
        device: where, such as "GPU:1"; empty for what TensorFlow prefers.

    Returns:
        [B, S, S, 3] uint8 -> `features` [B, ...] and `targets` [B, D], both
        of `dtype`. The targets are those of the rounded features, which the
        trained neck is given too. Where the trunk has no weights, `features`
        is missing.
    """
    has_features = trunk.count_params() > 0
    map_dtype = dtype if has_features else "float32"
    patch_shape = [None, *trunk.input_shape[1:]]
    map_shape = [None, *trunk.output_shape[1:]]
    step = _TRUNK_BATCH[_kind(device)]
    with _on(device):
        fast_trunk = inference_copy(trunk, precision)
        fast_neck = inference_copy(frozen_neck, precision)

        @_traced(tf.TensorSpec(patch_shape, tf.uint8))
        def maps_of(patches: tf.Tensor) -> tf.Tensor:
            maps = fast_trunk(as_images(patches), training=False)
            return tf.cast(maps, map_dtype)

        @_traced(tf.TensorSpec(map_shape, map_dtype))
        def targets_of(maps: tf.Tensor) -> tf.Tensor:
            vectors = fast_neck(tf.cast(maps, "float32"), training=False)
            return tf.cast(vectors, dtype)

    def run(patches: tf.Tensor) -> dict[str, tf.Tensor]:
        with _on(device):
            patches = tf.convert_to_tensor(patches)
            parts = [
                maps_of(patches[start : start + step])
                for start in range(0, len(patches), step)
            ]
            # The neck's weights are many: they pass through the processor
            # once for all the parts.
            maps = tf.concat(parts, axis=0)
            outputs = {"targets": targets_of(maps)}
        if has_features:
            outputs["features"] = maps
        return outputs

    return run


def _on(device: str) -> AbstractContextManager:
    return tf.device(device) if device else contextlib.nullcontext()


def _kind(device: str) -> str:
    kind = tf.DeviceSpec.from_string(device).device_type
    if kind:
        return kind
    return "GPU" if tf.config.list_physical_devices("GPU") else "CPU"


def _traced(signature: tf.TensorSpec) -> Callable:
    """Traces a function of one input at once, without AutoGraph.

    Its parser is not for several threads at a time in Python 3.11, and others
    read patches meanwhile.
    """

    def trace(function: Callable) -> Callable:
        traced = tf.function(
            function, input_signature=[signature], autograph=False
        )
        traced.get_concrete_function()
        # Not the concrete function: that does not keep variables alive.
        return traced

    return trace
