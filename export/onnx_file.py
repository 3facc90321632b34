"""A Keras network as an ONNX file of plain operations.

In: a functional Keras model. Out: a file in which batch normalizations are
part of the convolutions before them and kernels lie as ONNX wants them.

The converter is given a network without weights, which are its inputs: as
constants it would copy them so often that VGG19's half gigabyte takes over
eighteen. They are put in afterwards, and onnxruntime folds what can be
computed of them alone.
"""

import pathlib
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

if TYPE_CHECKING:
    import onnx  # an extra

_IMAGES = "images"
_FEATURES = "features"
_OPSET = 17  # onnxruntime reads it since 1.12


def write_onnx(network: keras.Model, path: pathlib.Path) -> None:
    """Writes a network as ONNX: "images" -> "features", batches of any size.

    Args:
        network: [B, S, S, 3] float32 -> [B, D] float32, for inference.
        path: file to write. What is computed on the way lies beside it.

    Raises:
        ModuleNotFoundError: if the extra "onnx" is not installed.
    """
    import onnx
    import onnxruntime

    unfolded = path.with_suffix(".unfolded.onnx")
    onnx.save(_with_weights(_converted(network), network.variables), unfolded)
    options = onnxruntime.SessionOptions()
    # More would be for this processor alone, and not of ONNX's own words.
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    )
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(
        unfolded, options, providers=["CPUExecutionProvider"]
    )
    unfolded.unlink()
    model = onnx.load(path)
    # onnxruntime names all sets of operations that it knows.
    used = {node.domain for node in model.graph.node}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _converted(network: keras.Model) -> "onnx.ModelProto":
    """Returns a graph whose inputs are images and the weights by number."""
    import tf2onnx

    variables = network.variables
    images = tf.TensorSpec(network.input_shape, tf.float32, name=_IMAGES)
    weights = [
        tf.TensorSpec(variable.shape, tf.float32, name=_name(index))
        for index, variable in enumerate(variables)
    ]

    @tf.function(input_signature=[images, weights])
    def call(images, weights):
        pairs = list(zip(variables, weights, strict=True))
        with keras.StatelessScope(pairs):
            return {_FEATURES: network(images, training=False)}

    model, _ = tf2onnx.convert.from_function(
        call, input_signature=[images, weights], opset=_OPSET
    )
    return model


def _with_weights(
    model: "onnx.ModelProto",
    variables: list[keras.Variable],
) -> "onnx.ModelProto":
    """Makes the weights constants of the graph; changes `model`."""
    import onnx

    graph = model.graph
    given = [value for value in graph.input if value.name == _IMAGES]
    del graph.input[:]
    graph.input.extend(given)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(variable.numpy(), _name(index))
        for index, variable in enumerate(variables)
    )
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def _name(index: int) -> str:
    return f"weight_{index}"
