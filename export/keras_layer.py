"""A trained module as a layer of Keras 3.

In: the folder of a module. Out: a layer like any of Keras's own: it can be
frozen and fine-tuned, goes into Sequential and functional models, and is
saved in a `.keras` file. Keras reads that in its safe mode, without MODULE,
once `import export.keras_layer` has made the class known to it.

    from export.keras_layer import FeatureVector
    model = keras.Sequential([FeatureVector("MODULE"), keras.layers.Dense(20)])

For who has nothing of ours, `export.convert` writes a `.keras` file of Keras's
own layers. `hub.KerasLayer` does this for tf_keras alone.
"""

import os
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from export.keras_description import build_network
from export.keras_description import read_description
from export.keras_description import read_weights
from scn_tf.backbones.inference import half_precision_layers


@keras.saving.register_keras_serializable(package="scn_tf")
class FeatureVector(keras.layers.Layer):
    """Images to feature vectors, by the network of a module.

    With `trainable=False` nothing of it moves, batch statistics included.
    With `trainable=True` it learns, its batch statistics follow the batches
    when it is called with `training=True`, and its weight decay is among its
    `losses`. What the module froze for good (trunk and original neck of
    joined features) stays frozen.

    Args:
        module: folder of a module that `export.feature_vector` wrote. Or
            the layer's description, as `get_config` gives it; the weights
            are then random until Keras reads those of a file.
        trainable: whether it is fine-tuned.
        dtype: Keras policy of the network, such as "mixed_bfloat16".
            Normalizations and the rest of `FULL_PRECISION` stay float32,
            and so do the features. None: as it was exported.
        **kwargs: `name` and what else a Keras layer takes.

    Input shape: [B, H, W, 3] float32 RGB in [0, 1], of any height and width.
    Output shape: [B, D] float32.

    Raises:
        InputError: if the folder is no such module, or damaged.
    """

    def __init__(
        self,
        module: str | os.PathLike | Mapping[str, Any],
        trainable: bool = False,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs: Any,
    ) -> None:
        """Builds the network and reads its weights."""
        # Half precision would round the grays of the images themselves.
        super().__init__(dtype="float32", autocast=False, **kwargs)
        is_folder = not isinstance(module, Mapping)
        description = dict(read_description(module) if is_folder else module)
        places = description.pop("weights", None)
        if is_folder:
            self.network = build_network(description, module)
            read_weights(self.network, places, module)
        else:
            self.network = build_network(description)
        self._description = description
        self._precision = dtype and keras.dtype_policies.get(dtype)
        self._size = (int(description["image_size"]),) * 2
        if dtype is not None:
            _compute_in(self.network, self._precision)
        self.trainable = trainable
        self.built = True

    @property
    def trainable(self) -> bool:
        """Whether the layer is fine-tuned."""
        return keras.layers.Layer.trainable.fget(self)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        keras.layers.Layer.trainable.fset(self, value)
        for name in self._description["frozen"]:
            self.network.get_layer(name).trainable = False

    def call(
        self, images: keras.KerasTensor, training: bool | None = None
    ) -> keras.KerasTensor:
        """Returns the feature vectors, [B, D] float32.

        Raises:
            ValueError: if the images are integers: 255 is no white here.
        """
        images = ops.convert_to_tensor(images)
        if not keras.backend.is_float_dtype(images.dtype):
            raise ValueError(
                "`images` must be floats in [0, 1]. Received: "
                f"{keras.backend.standardize_dtype(images.dtype)}; divide "
                "grays of 0 to 255 by 255."
            )
        images = ops.cast(images, "float32")
        if tuple(images.shape[1:3]) != self._size:
            images = ops.image.resize(images, self._size, antialias=True)
        return self.network(images, training=training)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, int]:
        """Returns (B, D)."""
        return (input_shape[0], self.network.output_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; no folder is among them."""
        return super().get_config() | {
            "module": self._description,
            "dtype": self._precision
            and keras.dtype_policies.serialize(self._precision),
        }


def _compute_in(network: keras.Model, policy: keras.DTypePolicy) -> None:
    """Sets the policy of trunk and necks but for what needs float32."""
    parts = [part for part in network.layers if isinstance(part, keras.Model)]
    for part in parts:
        for layer in half_precision_layers(part):
            layer.dtype_policy = policy
