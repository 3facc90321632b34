"""The three pieces of code in a module's card.

In: the name of the module's folder, and the size of its images. Out: Python
text that runs as it stands, in the folder that holds the module's.
"""

import json

_TENSORFLOW = """\
import tensorflow as tf

module = tf.saved_model.load({module})
images = tf.random.uniform([4, {size}, {size}, 3])  # your images, in [0, 1]
vectors = module(images)  # [4, {features}]
ends = module(images, return_endpoints=True)
feature_map = ends["feature_map"]

# A file as it is: decoded and resized inside.
serve = module.signatures["serving_jpeg"]
photo = tf.io.read_file("photo.jpg")
served = serve(encoded=tf.stack([photo]))["features"]  # [1, {features}]
"""

_HUB = """\
import numpy as np
import tensorflow_hub as hub
import tf_keras

layer = hub.KerasLayer({module}, trainable=True)
model = tf_keras.Sequential([layer, tf_keras.layers.Dense(2)])
model.compile(
    optimizer=tf_keras.optimizers.SGD(1e-3),
    loss=tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
images = np.random.rand(4, {size}, {size}, 3).astype("float32")  # yours
classes = np.array([0, 1, 0, 1])
loss = model.train_on_batch(images, classes)  # one step; or model.fit
vectors = layer(images)  # [4, {features}]
"""

_KERAS = """\
import keras
import numpy as np

layer = keras.layers.TFSMLayer(
    {module},
    call_endpoint="call_inference",
    call_training_endpoint="call_training",
)
inputs = keras.Input((None, None, 3))
features = layer(inputs)
extractor = keras.Model(inputs, features)
model = keras.Model(inputs, keras.layers.Dense(2)(features))

images = np.random.rand(4, {size}, {size}, 3).astype("float32")  # yours
vectors = extractor(images)  # [4, {features}]
logits = model(images)  # [4, 2]
"""


def snippets(
    module_name: str, image_size: int, num_features: int
) -> dict[str, str]:
    """Returns Python text by what it is written for.

    Args:
        module_name: name of the module's folder.
        image_size: S, in pixels.
        num_features: D.

    Returns:
        Three texts. Each leaves features [4, D] of four images in `vectors`;
        the first reads a picture, photo.jpg.
    """
    values = {
        "module": json.dumps(module_name, ensure_ascii=False),
        "size": image_size,
        "features": num_features,
    }
    return {
        "TensorFlow alone": _TENSORFLOW.format(**values),
        "`hub.KerasLayer`, fine-tuned (`tf_keras`)": _HUB.format(**values),
        "Keras 3": _KERAS.format(**values),
    }
