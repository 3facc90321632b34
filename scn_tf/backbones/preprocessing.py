"""What a network does to an image first, as a layer.

In: float32 RGB images in [0, 1]. Out: the numbers the network was trained
on. It is a layer so that it travels inside every saved or exported model.
Before it, `as_images` makes images of the bytes that patches are read as.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

# Mean of ImageNet's training pictures, blue, green, red, in 0..255 (Caffe).
CAFFE_MEAN = (103.939, 116.779, 123.68)


def as_images(patches: keras.KerasTensor) -> keras.KerasTensor:
    """Returns float32 images in [0, 1] of patches of uint8, any shape."""
    return ops.cast(patches, "float32") * (1 / 255)


@keras.saving.register_keras_serializable(package="scn_tf")
class Preprocessing(keras.layers.Layer):
    """Computes `scale * image - mean`, per channel.

    Works in float32 whatever the dtype policy is: bfloat16 would round the
    grays of a photograph.

    Args:
        scale: factor on images in [0, 1].
        mean: one number per channel, in the order of the output's channels.
        reverse_channels: turn RGB into BGR first.

    Input shape: [B, H, W, 3] RGB in [0, 1].
    Output shape: [B, H, W, 3] float32.
    """

    def __init__(
        self,
        scale: float,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        reverse_channels: bool = False,
        **kwargs: Any,
    ) -> None:
        """Keeps the numbers; there are no weights."""
        super().__init__(
            **{"name": "preprocessing", "dtype": "float32"} | kwargs
        )
        self.scale = scale
        self.mean = tuple(mean)
        self.reverse_channels = reverse_channels

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the preprocessed images, same shape."""
        if self.reverse_channels:
            images = ops.flip(images, axis=-1)
        return images * self.scale - ops.convert_to_tensor(
            self.mean, dtype=self.compute_dtype
        )

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return super().get_config() | {
            "scale": self.scale,
            "mean": self.mean,
            "reverse_channels": self.reverse_channels,
        }


def caffe_preprocessing() -> Preprocessing:
    """Returns BGR in 0..255 minus ImageNet's mean (VGG, ResNet50, CNN-M)."""
    return Preprocessing(255.0, CAFFE_MEAN, reverse_channels=True)


def signed_preprocessing() -> Preprocessing:
    """Returns RGB in [-1, 1] (MobileNetV2, InceptionV3)."""
    return Preprocessing(2.0, (1.0, 1.0, 1.0))
