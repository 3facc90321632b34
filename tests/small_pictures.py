"""Small folders of pictures, and a small module made by hand."""

import numpy as np
import tensorflow as tf
from PIL import Image

SIZE = 16  # of the pictures of the small module
NUM_FEATURES = 12


def picture(seed, height=20, width=30):
    """Returns colored tiles, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    tiles = rng.integers(0, 256, [-(-height // 10), -(-width // 10), 3])
    return np.kron(tiles, np.ones([10, 10, 1]))[:height, :width].astype("uint8")


def write_pictures(folder, number, first=0):
    """Writes pictures a/0.png, b/1.png, a/2.png, ...; returns their names."""
    names = []
    for index in range(first, first + number):
        name = f"{'ab'[index % 2]}/{index}.png"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(index, 20 + index, 30)).save(path)
        names.append(name)
    return sorted(names)


def write_module(folder, size=SIZE, scale=1.0):
    """Writes features = mean colors of a 2 x 2 grid: nothing of ours.

    Args:
        folder: to write.
        size: of its pictures; None takes any size and states none.
        scale: of its features.
    """
    module = tf.train.Checkpoint()
    module.scale = tf.Variable(scale)
    spec = tf.TensorSpec([None, size, size, 3], tf.float32)

    @tf.function
    def call(images, training=False):
        cells = tf.image.resize(images, [2, 2], antialias=True)
        return module.scale * tf.reshape(cells, [-1, NUM_FEATURES])

    for training in (False, True):
        call.get_concrete_function(spec, training=training)
    module.__call__ = call
    tf.saved_model.save(module, str(folder))
    return folder
