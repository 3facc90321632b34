"""Modules that are quick to write, with batch normalization in both parts."""

import pathlib

import keras
import numpy as np
from keras import layers

from export.feature_module import save_feature_vector
from scn_tf.backbones.preprocessing import caffe_preprocessing

SIZE = 8
FEATURES = 5
DECAY = 0.25


def small_parts(seed: int = 0) -> tuple[keras.Model, keras.Model]:
    """A trunk with preprocessing and a neck; weights far from their start."""
    images = keras.Input((SIZE, SIZE, 3))
    x = caffe_preprocessing()(images)
    x = layers.Conv2D(4, 3, name="conv")(x)
    x = layers.BatchNormalization(momentum=0.5, name="norm")(x)
    trunk = keras.Model(images, layers.ReLU()(x), name="first")
    maps = keras.Input(trunk.output_shape[1:])
    x = layers.DepthwiseConv2D(3, name="depthwise")(maps)
    # The same names as in the trunk: nothing forbids it.
    x = layers.Conv2D(FEATURES, 1, name="conv")(x)
    x = layers.BatchNormalization(momentum=0.5, name="norm")(x)
    x = layers.GlobalAveragePooling2D()(x)
    neck = keras.Model(maps, x, name="second")
    scramble([trunk, neck], seed)
    trunk.trainable = False
    return trunk, neck


def scramble(models: list[keras.Model], seed: int) -> None:
    """Sets all weights; variances stay positive."""
    rng = np.random.default_rng(seed)
    for model in models:
        for weight in model.weights:
            value = rng.uniform(0.1, 0.9, weight.shape)
            weight.assign(value.astype("float32"))


def write_small_module(
    module_dir: pathlib.Path, joined: bool = False, precision: str = "float32"
) -> pathlib.Path:
    """Writes a module of `small_parts`; its folder."""
    trunk, neck = small_parts()
    original = small_parts(seed=1)[1] if joined else None
    save_feature_vector(
        trunk, neck, SIZE, module_dir, DECAY, original, precision
    )
    return module_dir


def small_images(num: int = 4, height: int = SIZE, width: int = SIZE):
    """[num, height, width, 3] float32 in [0, 1]."""
    shape = (num, height, width, 3)
    return np.random.default_rng(2).random(shape, dtype=np.float32)
