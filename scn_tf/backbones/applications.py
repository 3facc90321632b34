"""The networks of keras.applications, images in [0, 1] in, features out.

VGG16 and VGG19 give fc7 after its ReLU (the paper's h1; Keras calls the
layers fc1 and fc2), the others their global average pooled last map, as
section 3 of the paper allows for other architectures.
"""

import functools
from collections.abc import Callable

import keras

from scn_tf.backbones.cut import Network
from scn_tf.backbones.preprocessing import caffe_preprocessing
from scn_tf.backbones.preprocessing import Preprocessing
from scn_tf.backbones.preprocessing import signed_preprocessing
from tfrecords.errors import InputError


def _construct(
    constructor: Callable[..., keras.Model],
    inputs: keras.KerasTensor,
    imagenet: bool,
    **options: object,
) -> keras.Model:
    """Calls a keras.applications constructor; downloads only if asked."""
    options |= {"input_tensor": inputs, "input_shape": inputs.shape[1:]}
    if not imagenet:
        return constructor(weights=None, **options)
    try:
        return constructor(weights="imagenet", **options)
    except Exception as error:  # Keras raises a bare Exception for a URL.
        raise InputError(
            f"Keras could not provide the ImageNet weights of "
            f"{constructor.__name__} at {inputs.shape[1]} pixels ({error}). "
            "Give --weights a file that you have, or 'none' for random "
            "weights."
        ) from error


def _vgg(
    constructor: Callable[..., keras.Model], image_size: int, imagenet: bool
) -> keras.Model:
    """Builds VGG up to fc7; the classifier is dropped."""
    images = keras.Input((image_size, image_size, 3), name="images")
    network = _construct(
        constructor,
        caffe_preprocessing()(images),
        imagenet,
        include_top=True,
        classes=1000 if imagenet else 1,
    )
    features = network.get_layer("fc2").output
    return keras.Model(images, features, name=network.name)


def _pooled(
    constructor: Callable[..., keras.Model],
    preprocessing: Callable[[], Preprocessing],
    image_size: int,
    imagenet: bool,
) -> keras.Model:
    """Builds a network without fc layers, up to its pooled features."""
    images = keras.Input((image_size, image_size, 3), name="images")
    network = _construct(
        constructor,
        preprocessing()(images),
        imagenet,
        include_top=False,
        pooling="avg",
    )
    return keras.Model(images, network.output, name=network.name)


_VGG = functools.partial(
    Network,
    image_size=224,
    min_image_size=32,
    default_cut="fc6",
    stages={"fc6": "block5_pool", "fc7": "fc1"},
    has_imagenet=True,
)

APPLICATIONS = {
    "inception_v3": Network(
        build=functools.partial(
            _pooled, keras.applications.InceptionV3, signed_preprocessing
        ),
        image_size=299,
        min_image_size=75,
        default_cut="mixed10",
        # The first layers of a block have no fixed names; the blocks have.
        stages={f"mixed{i}": f"mixed{i - 1}" for i in range(1, 11)},
        has_imagenet=True,
    ),
    "mobilenet_v2": Network(
        build=functools.partial(
            _pooled, keras.applications.MobileNetV2, signed_preprocessing
        ),
        image_size=224,
        min_image_size=32,
        default_cut="Conv_1",
        stages={"Conv_1": "block_16_project_BN"},
        has_imagenet=True,
    ),
    "resnet50": Network(
        build=functools.partial(
            _pooled, keras.applications.ResNet50, caffe_preprocessing
        ),
        image_size=224,
        min_image_size=32,
        default_cut="conv5",
        stages={
            "conv3": "conv2_block3_out",
            "conv4": "conv3_block4_out",
            "conv5": "conv4_block6_out",
        },
        has_imagenet=True,
    ),
    "vgg16": _VGG(build=functools.partial(_vgg, keras.applications.VGG16)),
    "vgg19": _VGG(build=functools.partial(_vgg, keras.applications.VGG19)),
}
