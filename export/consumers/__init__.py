"""Every way of loading a module that we know, each in the words of its user.

A new consumer is a function in one of these files and a line in LOADING or
THOROUGH.
"""

from export.consumers import converted
from export.consumers import hub_layer
from export.consumers import keras_layers
from export.consumers import saved_model
from export.consumers.consumer import Consumer

# They read the folder itself; the export stage asks these.
LOADING: dict[str, Consumer] = {
    "tf.saved_model.load": saved_model.load,
    "serving_default": saved_model.serve_images,
    "serving_jpeg": saved_model.serve_files,
    "hub.load": hub_layer.load,
    "hub.KerasLayer, Sequential, frozen": hub_layer.sequential_frozen,
    "hub.KerasLayer, Functional, fine-tuned": hub_layer.functional_tuned,
    "keras.layers.TFSMLayer": keras_layers.tfsm_layer,
    "FeatureVector, frozen": keras_layers.frozen,
    "FeatureVector, fine-tuned and saved": keras_layers.tuned,
}
# They take longer: a process of their own, or a file that is made first.
THOROUGH: dict[str, Consumer] = {
    "hub.KerasLayer, two replicas": hub_layer.two_replicas,
    ".keras file, safe mode": converted.keras_file,
    "ONNX, onnxruntime": converted.onnx_file,
    "LiteRT, interpreter": converted.litert_file,
}
