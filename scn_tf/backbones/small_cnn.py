"""A small random network for the synthetic scenes of section 4.1.

Images of 64x64 pixels in, 512 features out, in a millisecond: four strided
convolutions, fc6 and fc7. It is never trained on labels; as a frozen random
top stream it still tells a circle from a square, a triangle and black.
"""

import keras

from scn_tf.backbones.cut import Network
from scn_tf.backbones.preprocessing import Preprocessing

# Measured over tight white circles, squares, triangles and black, seeds 0-5:
# the variance of an fc7 unit is 0.42 on average (0.17 to 1.1), as in spec 5A.
GAIN = 2.0


def build_small_cnn(
    image_size: int,
    imagenet: bool = False,
    fc6_width: int = 512,
    fc7_width: int = 512,
) -> keras.Model:
    """Builds the network with random weights (He normal, zero biases).

    Args:
        image_size: side S of the images in pixels.
        imagenet: must be False: such weights do not exist.
        fc6_width: units of fc6.
        fc7_width: units of fc7, the length of the features.

    Returns:
        [B, S, S, 3] float32 images in [0, 1] -> [B, fc7_width] fc7 after
        ReLU.

    Raises:
        ValueError: `imagenet` is True.
    """
    if imagenet:
        raise ValueError("There are no ImageNet weights of small_cnn.")
    layers = keras.layers
    images = keras.Input((image_size, image_size, 3), name="images")
    x = Preprocessing(GAIN)(images)
    for number, filters in enumerate((16, 32, 64, 64), start=1):
        x = layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"conv{number}",
        )(x)
    x = layers.Flatten(name="flatten")(x)
    for name, width in (("fc6", fc6_width), ("fc7", fc7_width)):
        x = layers.Dense(
            width,
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
        )(x)
    return keras.Model(images, x, name="small_cnn")


SMALL_CNN = Network(
    build=build_small_cnn,
    image_size=64,
    min_image_size=16,
    default_cut="fc6",
    stages={"fc6": "conv4"},
    has_widths=True,
)
