"""Cuts a network in two where training begins.

In: a functional Keras model from images to features and the name of the
first trained layer. Out: the trunk (everything before) and the neck (that
layer and everything after), which share the model's layers. In the paper
the cut is at fc6 (section 4, "only fc6/fc7 are trained"); Table 3 moves it.
"""

import dataclasses
import difflib
from collections.abc import Callable
from collections.abc import Mapping

import keras

from scn_tf.backbones.preprocessing import Preprocessing
from tfrecords.errors import InputError

# Everything is trained; the trunk only preprocesses.
INPUT_CUT = "input"


@dataclasses.dataclass(frozen=True)
class Network:
    """How one network is built and where it may be cut.

    Attributes:
        build: (image size in pixels, ImageNet weights wanted) -> model from
            [B, S, S, 3] float32 images in [0, 1] to [B, D] features; its
            first layer is a `Preprocessing`.
        image_size: side in pixels of the images it was made for.
        min_image_size: smallest side that leaves a feature map.
        default_cut: where it is cut if nobody says otherwise.
        stages: name of a part that may be trained from -> name of the layer
            before it. Any other layer's name is a cut too.
        has_imagenet: whether Keras can download ImageNet weights.
        has_widths: whether `build` takes `fc6_width` and `fc7_width`, units
            of the layers of these names.
    """

    build: Callable[..., keras.Model]
    image_size: int
    min_image_size: int
    default_cut: str
    stages: Mapping[str, str]
    has_imagenet: bool = False
    has_widths: bool = False


def cut_network(
    network: keras.Model, train_from: str, stages: Mapping[str, str]
) -> tuple[keras.Model, keras.Model]:
    """Splits `network` at the input of `train_from`.

    Args:
        network: functional model whose first layer is a `Preprocessing`.
        train_from: key of `stages`, a layer's name or "input".
        stages: see `Network.stages`.

    Returns:
        (trunk, neck). The trunk is not trainable, the neck is; neck(trunk(x))
        is network(x), with the same variables.

    Raises:
        InputError: no such layer, or other paths lead around it, or nothing
            behind it has weights.
    """
    tensor = _cut_tensor(network, train_from, stages)
    try:
        neck = keras.Model(tensor, network.output, name="neck")
    except ValueError as error:  # Keras: an output hangs on another input.
        raise InputError(
            f"{network.name} cannot be cut at {train_from!r}: other paths "
            "lead around this layer, so one feature map is not enough to go "
            "on from. Cut where all paths meet, for instance at "
            f"{_listed([*stages, INPUT_CUT])}."
        ) from error
    if not neck.trainable_variables:
        raise InputError(
            f"{network.name} cut at {train_from!r} leaves nothing to train: "
            "no layer from there on has weights. Cut earlier, for instance "
            f"at {_listed([*stages, INPUT_CUT])}."
        )
    trunk = keras.Model(network.input, tensor, name="trunk")
    trunk.trainable = False
    return trunk, neck


def frozen_copy(neck: keras.Model) -> keras.Model:
    """Copies a neck for the top stream, whose weights W_T never change.

    Args:
        neck: any functional model.

    Returns:
        The same architecture and values in variables of its own, not
        trainable, named "frozen_" + the neck's name.
    """
    clone = keras.models.clone_model(neck)
    # A pair model holds both necks, and Keras wants their names to differ.
    frozen = keras.Model(clone.input, clone.output, name=f"frozen_{neck.name}")
    for variable, original in zip(
        frozen.variables, neck.variables, strict=True
    ):
        variable.assign(original)
    frozen.trainable = False
    return frozen


def _cut_tensor(
    network: keras.Model, train_from: str, stages: Mapping[str, str]
) -> keras.KerasTensor:
    """Returns the tensor that enters the layer or stage `train_from`."""
    layers = {
        layer.name: layer
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer | Preprocessing)
    }
    if train_from == INPUT_CUT:
        return next(
            layer.output
            for layer in network.layers
            if isinstance(layer, Preprocessing)
        )
    if train_from in stages:
        return network.get_layer(stages[train_from]).output
    if train_from not in layers:
        known = [INPUT_CUT, *stages, *layers]
        close = difflib.get_close_matches(train_from, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(
            f"--train_from={train_from}: {network.name} has no layer of that "
            f"name.{hint} Good places "
            f"to train from: {_listed([*stages, INPUT_CUT])}; any other "
            "layer will do that all paths lead through."
        )
    tensor = layers[train_from].input
    if isinstance(tensor, list):
        raise InputError(
            f"{network.name} cannot be cut at {train_from!r}: it joins "
            f"{len(tensor)} inputs. Cut at a layer with one input, for "
            f"instance at {_listed([*stages, INPUT_CUT])}."
        )
    return tensor


def _listed(names: list[str]) -> str:
    """Returns the names, sorted, as a list to read."""
    return ", ".join(sorted(names))
