"""Consumers of files that are made of a module: Keras, ONNX, LiteRT."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from export.consumers.consumer import Consumed
from export.consumers.consumer import NotCheckedError
from export.convert import convert
from export.keras_description import KERAS_JSON


def keras_file(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Reads the `.keras` file in Keras's safe mode."""
    path = _converted(module_dir, workspace / "module.keras")
    model = keras.saving.load_model(path, safe_mode=True)
    given = tf.constant(images)
    features = model(given, training=False).numpy()
    call = tf.function(lambda: model(given, training=False))
    num_layers = len(model._flatten_layers())
    note = f"{num_layers} layers, all of Keras itself"
    return Consumed(features, note, lambda: call().numpy(), path)


def onnx_file(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Runs the ONNX file in onnxruntime."""
    import onnxruntime

    path = _converted(module_dir, workspace / "module.onnx")
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    (given,), (output,) = session.get_inputs(), session.get_outputs()
    fed = {given.name: _sized(images, given.shape[1])}
    (features,) = session.run([output.name], fed)
    note = f"{given.name} {given.shape} -> {output.name}"
    return Consumed(
        features, note, lambda: session.run([output.name], fed), path
    )


def litert_file(
    module_dir: pathlib.Path, images: np.ndarray, workspace: pathlib.Path
) -> Consumed:
    """Runs the LiteRT file in its interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    path = _converted(module_dir, workspace / "module.tflite")
    # As many threads as onnxruntime and TensorFlow take by themselves.
    threads = tf.config.threading.get_intra_op_parallelism_threads() or None
    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    given = interpreter.get_input_details()[0]
    output = interpreter.get_output_details()[0]
    fed = _sized(images, given["shape"][1])
    interpreter.resize_tensor_input(given["index"], fed.shape)
    interpreter.allocate_tensors()

    def run() -> np.ndarray:
        interpreter.set_tensor(given["index"], fed)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    size = given["shape"][1]
    return Consumed(run(), f"images [B, {size}, {size}, 3]", run, path)


def _converted(module_dir: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
    if not (module_dir / KERAS_JSON).is_file():
        raise NotCheckedError(f"the module has no {KERAS_JSON}")
    convert(module_dir, path)
    return path


def _sized(images: np.ndarray, size: int) -> np.ndarray:
    """Resizes as the module would; these files take one size alone."""
    if images.shape[1:3] == (size, size):
        return images
    return tf.image.resize(images, [size, size], antialias=True).numpy()
