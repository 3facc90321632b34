"""A network that gives what lies on its way besides its output.

In: a functional Keras model. Out: the same layers as a model that gives its
output, its last feature map, and fc6 where it has one.
"""

import keras

OUTPUT = "output"
FEATURE_MAP = "feature_map"
FC6 = "fc6"
_FC6_LAYERS = ("fc6", "fc1")  # Keras's VGG calls it fc1


def with_endpoints(model: keras.Model) -> keras.Model:
    """Returns a model of the same layers with named outputs.

    Args:
        model: functional.

    Returns:
        The input of `model` -> dict of "output", what `model` gives;
        "feature_map", [B, h, w, C], what the last of its layers gives that
        gives one; "fc6", [B, F], what a layer of that name gives.
    """
    ends = {}

    def call(layer: keras.Layer, *inputs: object, **options: object) -> object:
        output = layer(*inputs, **options)
        if layer.name in _FC6_LAYERS:
            ends[FC6] = output
        elif len(getattr(output, "shape", ())) == 4:
            ends[FEATURE_MAP] = output
        return output

    # The tensors of a layer may be those of another model that it is part
    # of; these are new.
    same = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )
    return keras.Model(same.input, {**ends, OUTPUT: same.output})
