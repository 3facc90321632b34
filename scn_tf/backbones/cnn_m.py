"""CNN-M, the medium network of Chatfield et al. 2014, images in, fc7 out.

The paper's smaller network (section 4). Layers as in the Caffe definition
VGG_CNN_M (rbgirshick/fast-rcnn): five convolutions, two normalizations,
three poolings, fc6, fc7. The paper gives fc6 and fc7 as 2048 wide, which
fits no released CNN-M; CNN_M_2048 (fc6 4096, fc7 2048) fits fc7 and is the
default here.
"""

import functools
from typing import Any

import keras
from keras import ops

from scn_tf.backbones.cut import Network
from scn_tf.backbones.preprocessing import caffe_preprocessing


@keras.saving.register_keras_serializable(package="scn_tf")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each activation by its neighbor channels' energy.

    y_c = x_c / (k + alpha / size * sum of x_j^2) ** beta, over the `size`
    channels j around c, in Caffe's convention: alpha is divided by `size`.
    (MatConvNet writes the same layer of CNN-M with alpha 1e-4, undivided.)

    Args:
        size: number of channels in the window; odd.
        alpha: weight of the window's mean energy.
        beta: exponent.
        bias: k.

    Input and output shape: [B, H, W, C].
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 5e-4,
        beta: float = 0.75,
        bias: float = 2.0,
        **kwargs: Any,
    ) -> None:
        """Keeps the numbers; there are no weights."""
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0:
            raise ValueError(
                "`size` counts a channel and as many neighbors on each side, "
                f"so it must be odd and positive. Received: size={size}."
            )
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.bias = bias

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the normalized activations, same shape."""
        half = self.size // 2
        channels = inputs.shape[-1]
        squares = ops.pad(
            ops.square(inputs), [[0, 0], [0, 0], [0, 0], [half, half]]
        )
        energy = sum(
            squares[..., i : i + channels] for i in range(self.size)
        )  # [B, H, W, C]
        denominator = self.bias + self.alpha / self.size * energy
        return inputs * ops.power(denominator, -self.beta)

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return super().get_config() | {
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "bias": self.bias,
        }


def build_cnn_m(
    image_size: int,
    imagenet: bool = False,
    fc6_width: int = 4096,
    fc7_width: int = 2048,
) -> keras.Model:
    """Builds CNN-M with random weights.

    Args:
        image_size: side S of the images in pixels; 224 in the paper.
        imagenet: must be False: Keras has no weights of this network.
        fc6_width: units of fc6.
        fc7_width: units of fc7, the length of the features.

    Returns:
        [B, S, S, 3] float32 RGB images in [0, 1] -> [B, fc7_width] fc7 after
        ReLU. The released network subtracts a mean image; this one its mean
        color.

    Raises:
        ValueError: `imagenet` is True.
    """
    if imagenet:
        raise ValueError("There are no ImageNet weights of CNN-M in Keras.")
    layers = keras.layers
    convolution = functools.partial(layers.Conv2D, activation="relu")
    images = keras.Input((image_size, image_size, 3), name="images")
    x = caffe_preprocessing()(images)
    x = convolution(96, 7, strides=2, name="conv1")(x)
    x = LocalResponseNormalization(name="norm1")(x)
    x = _ceil_pool(x, "pool1")
    x = layers.ZeroPadding2D(1, name="conv2_pad")(x)
    x = convolution(256, 5, strides=2, name="conv2")(x)
    x = LocalResponseNormalization(name="norm2")(x)
    x = _ceil_pool(x, "pool2")
    for name in ("conv3", "conv4", "conv5"):
        x = convolution(512, 3, padding="same", name=name)(x)
    x = _ceil_pool(x, "pool5")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(fc6_width, activation="relu", name="fc6")(x)
    x = layers.Dense(fc7_width, activation="relu", name="fc7")(x)
    return keras.Model(images, x, name="cnn_m")


def _ceil_pool(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Pools 3x3 with stride 2 as Caffe does, rounding the size up."""
    if x.shape[1] % 2 == 0:
        # Zeros are no new maximum: what comes in is never negative.
        x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    return keras.layers.MaxPooling2D(3, strides=2, name=name)(x)


CNN_M = Network(
    build=build_cnn_m,
    image_size=224,
    min_image_size=41,
    default_cut="fc6",
    stages={"fc6": "pool5"},
    has_widths=True,
)
