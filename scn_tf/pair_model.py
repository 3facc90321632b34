"""The functional Keras model over the pair graph (Figure 2 of the paper).

In: the different patches of a batch, or their cached trunk features, and
the pairs as indices into them. Out: h3 and g, one row per pair.
"""

from collections.abc import Callable

import keras
from keras import ops

from scn_tf.backbones.backbone import Backbone
from scn_tf.backbones.preprocessing import as_images
from scn_tf.geometry import NUM_OFFSETS
from scn_tf.head import SpatialContextHead

# A batch -> `prediction` and `target` of its pairs, both [P, D] float32.
Forward = Callable[[dict], dict]


def forward_of(model: keras.Model, gather: Callable | None = None) -> Forward:
    """A batch -> the outputs of a pair model.

    Args:
        model: one of the models below.
        gather: a batch of nodes -> one of their rows, where these lie on the
            device, see `scn_tf.device_cache`.
    """

    def forward(batch: dict) -> dict:
        rows = gather(batch) if gather else batch
        return model({name: rows[name] for name in model.input})

    return forward


def patch_network(backbone: Backbone) -> keras.Model:
    """[B, S, S, 3] uint8 patches -> [B, D]: trunk and neck in one."""
    shape = backbone.trunk.input_shape[1:]
    patches = keras.Input(shape, dtype="uint8", name="patches")
    maps = backbone.trunk(as_images(patches), training=False)
    vectors = backbone.neck(maps, training=False)
    return keras.Model(patches, vectors, name="patch_network")


def cached_pair_model(
    neck: keras.Model, head: SpatialContextHead
) -> keras.Model:
    """The model that starts at the cut, for a frozen trunk.

    A patch stands once in `features` however many pairs it belongs to. The
    neck runs in inference mode: no dropout, batch-norm statistics as they
    came, so a patch's h1 does not depend on the patches beside it.

    Args:
        neck: feature map -> [S, D], the trained part of the bottom stream;
            or a `patch_network`, where all of it is trained.
        head: the spatial context module.

    Returns:
        A `keras.Model` from a dict of `features` [S, ...] (source patches),
        `target_features` [T, D] (g of target patches, from the frozen top
        stream, or whatever else `head` predicts), `source` [P] and `target`
        [P] int32 (rows of the former two), `offset` [P, 8] to a dict of
        `prediction` and `target`, both [P, D].
    """
    shape = neck.input_shape[1:]
    dtype = neck.inputs[0].dtype
    features = keras.Input(shape, dtype=dtype, name="features")
    target_features = keras.Input((head.num_targets,), name="target_features")
    pairs = _pair_inputs()
    outputs = _predict(neck(features, training=False), head, pairs)
    outputs["target"] = ops.take(target_features, pairs["target"], axis=0)
    inputs = {
        "features": features,
        "target_features": target_features,
        **pairs,
    }
    return keras.Model(inputs, outputs, name="cached_pair_model")


def live_pair_model(
    backbone: Backbone, frozen_neck: keras.Model, head: SpatialContextHead
) -> keras.Model:
    """The whole model, from pixels, for any cut.

    Args:
        backbone: trunk (shared, frozen) and the trained neck.
        frozen_neck: the top stream's neck, a frozen copy of the neck as it
            came; its variables never change.
        head: the spatial context module.

    Returns:
        A `keras.Model` from a dict of `patches` [U, S, S, 3] uint8,
        `source_patch` [S] and `target_patch` [T] int32 (rows of `patches`
        that are sources, targets), `source` [P], `target` [P] int32 (rows of
        these), `offset` [P, 8] to the same outputs as `cached_pair_model`.
    """
    shape = backbone.trunk.input_shape[1:]
    patches = keras.Input(shape, dtype="uint8", name="patches")
    source_patch = keras.Input((), dtype="int32", name="source_patch")
    target_patch = keras.Input((), dtype="int32", name="target_patch")
    pairs = _pair_inputs()
    features = backbone.trunk(as_images(patches), training=False)  # [U, ...]
    bottom = ops.take(features, source_patch, axis=0)
    top = ops.take(features, target_patch, axis=0)
    outputs = _predict(backbone.neck(bottom, training=False), head, pairs)
    target_features = frozen_neck(top, training=False)  # [T, D]
    outputs["target"] = ops.take(target_features, pairs["target"], axis=0)
    inputs = {
        "patches": patches,
        "source_patch": source_patch,
        "target_patch": target_patch,
        **pairs,
    }
    return keras.Model(inputs, outputs, name="live_pair_model")


def _pair_inputs() -> dict:
    return {
        "source": keras.Input((), dtype="int32", name="source"),
        "target": keras.Input((), dtype="int32", name="target"),
        "offset": keras.Input((NUM_OFFSETS,), name="offset"),
    }


def _predict(h1, head: SpatialContextHead, pairs: dict) -> dict:
    source = ops.take(h1, pairs["source"], axis=0)  # [P, D]
    return {"prediction": head(source, pairs["offset"])}
