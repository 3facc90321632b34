"""Script: fine-tunes a module on two devices with `hub.KerasLayer`.

    python -m export.consumers.replicas MODULE FOLDER

In: the folder of a module, and `images.npy` in another folder. Out:
`features.npy` beside it, those before the training, and a line of text. Two
GPUs where there are some, else two halves of the processor.
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf

from export.consumers.consumer import ConsumerError
from export.consumers.hub_layer import check_learning
from export.consumers.hub_layer import compiled


def main(module_dir: str, folder: str) -> str:
    """Trains a step; returns what was seen.

    Raises:
        ConsumerError: if nothing moved, or the replicas differ.
    """
    import tensorflow_hub as hub
    import tf_keras

    # As the process that compares; GPUs would round factors to 10 bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    images = np.load(pathlib.Path(folder, "images.npy"))
    strategy = tf.distribute.MirroredStrategy(_two_devices())
    with strategy.scope():
        layer = hub.KerasLayer(module_dir, trainable=True)
        classifier = tf_keras.layers.Dense(2)
        model = compiled(tf_keras.Sequential([layer, classifier]))
    features = layer(images, training=False).numpy()
    moved = check_learning(model, layer.trainable_variables, images)
    for variable in layer.trainable_variables:
        one, other = strategy.experimental_local_results(variable)
        if not np.array_equal(one.numpy(), other.numpy()):
            raise ConsumerError("the replicas' weights differ")
    np.save(pathlib.Path(folder, "features.npy"), features)
    return f"{moved}, alike on both"


def _two_devices() -> list[str]:
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return ["GPU:0", "GPU:1"]
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    return ["CPU:0", "CPU:1"]


if __name__ == "__main__":
    try:
        print(main(*sys.argv[1:]))
    except (ConsumerError, ImportError) as error:
        sys.exit(str(error))
