"""The pass of patches through trunk and frozen neck, for speed.

In: patches of uint8. Out: trunk features and top-stream targets in the type
that the cache stores.
"""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from scn_tf.backbones.inference import inference_copy
from scn_tf.backbones.preprocessing import as_images

FrozenPass = Callable[[tf.Tensor], dict[str, tf.Tensor]]

# Patches per pass through the trunk. The maps of so many stay in a
# processor's caches; a GPU is only busy with more.
_TRUNK_BATCH = {"CPU": 32, "GPU": 128}


@functools.lru_cache(maxsize=1)  # copied and traced once for all caches
def frozen_pass(
    trunk: keras.Model,
    frozen_neck: keras.Model,
    precision: str,
    dtype: str,
    weights: str | None = None,
) -> FrozenPass:
    """Returns a function from patches to what is cached of them.

    Args:
        trunk: [B, S, S, 3] float32 images in [0, 1] -> feature map.
        frozen_neck: feature map -> [B, D].
        precision: "float32", "bfloat16" or "float16", in which both work.
        dtype: of what comes out.
        weights: digest of the weights of both; the networks of the last call
            are used again while it is the same.

    Returns:
        [B, S, S, 3] uint8 -> `features` [B, ...] and `targets` [B, D], both
        of `dtype`. The targets are those of the rounded features, which the
        trained neck is given too. Where the trunk has no weights, `features`
        is missing.
    """
    fast_trunk = inference_copy(trunk, precision)
    fast_neck = inference_copy(frozen_neck, precision)
    has_features = trunk.count_params() > 0
    map_dtype = dtype if has_features else "float32"
    map_shape = trunk.output_shape[1:]
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"

    patch_shape = [None, *trunk.input_shape[1:]]

    @_traced(tf.TensorSpec(patch_shape, tf.uint8))
    def maps_of(patches: tf.Tensor) -> tf.Tensor:
        maps = fast_trunk(as_images(patches), training=False)
        return tf.cast(maps, map_dtype)

    @_traced(tf.TensorSpec([None, *map_shape], map_dtype))
    def targets_of(maps: tf.Tensor) -> tf.Tensor:
        vectors = fast_neck(tf.cast(maps, "float32"), training=False)
        return tf.cast(vectors, dtype)

    def run(patches: tf.Tensor) -> dict[str, tf.Tensor]:
        step = _TRUNK_BATCH[kind]
        parts = [
            maps_of(patches[start : start + step])
            for start in range(0, len(patches), step)
        ]
        # The neck's weights are many: they pass through the processor once
        # for all the parts.
        maps = tf.concat(parts, axis=0)
        outputs = {"targets": targets_of(maps)}
        if has_features:
            outputs["features"] = maps
        return outputs

    return run


def _traced(signature: tf.TensorSpec) -> Callable:
    """Returns `tf.function` for one input, without AutoGraph.

    Its parser is not for several threads at a time in Python 3.11, and others
    read patches meanwhile.
    """
    return tf.function(input_signature=[signature], autograph=False)
