"""What is said where a weights file is of another network.

In: the network, the file and what differs. Out: an InputError to raise.
"""

import pathlib
from collections.abc import Mapping
from collections.abc import Sequence

import keras

from tfrecords.errors import InputError

_LISTED = 5
# Layers whose width a flag sets, in the networks that name them so.
_WIDTH_FLAGS = {"fc6": "--fc6_width", "fc7": "--fc7_width"}


def difference(name: str, wanted: str, found: str) -> str:
    """Returns one line about a layer that differs."""
    return f"  {name}: network {wanted or 'nothing'}; file {found or 'nothing'}"


def shapes_text(shapes: Sequence[Sequence[int]]) -> str:
    """Returns the shapes of a layer's arrays, to read."""
    return ", ".join(str(tuple(shape)) for shape in shapes)


def mismatch_error(
    network: keras.Model,
    path: pathlib.Path,
    differences: Sequence[str],
    advice: str = "",
) -> InputError:
    """Returns the error that names the layers that differ.

    Args:
        network: what was to be filled.
        path: of the file.
        differences: a line for each layer, see `difference`; not empty.
        advice: what to try first; may be empty.
    """
    rest = len(differences) - _LISTED
    return InputError(
        f"{path} does not hold the weights of {network.name} at "
        f"{network.input_shape[1]} pixels; {len(differences)} layers differ:\n"
        + "\n".join(differences[:_LISTED])
        + (f"\n  and {rest} more" if rest > 0 else "")
        + "\n"
        + (f"{advice}\n" if advice else "")
        + "Name the network that the file was made for with --backbone, "
        f"or give --weights a file of {network.name}. Where only the "
        "first fc layer differs, the image size is another."
    )


def width_advice(network: keras.Model, widths: Mapping[str, int]) -> str:
    """Returns which flags make fc6 and fc7 as wide as the file's.

    Args:
        network: what was to be filled.
        widths: units in the file of each layer of `network` that differs.

    Returns:
        A sentence; "" where something besides these widths differs, or no
        flag sets them.
    """
    flags, texts = [], []
    for name, width in widths.items():
        layer = network.get_layer(name)
        if name not in _WIDTH_FLAGS or not isinstance(
            layer, keras.layers.Dense
        ):
            return ""
        if layer.units != width:
            flags.append(f"{_WIDTH_FLAGS[name]}={width}")
            texts.append(f"{name} has {width} units, not {layer.units}")
    if not flags:
        return ""
    return f"In the file {' and '.join(texts)}: give {' '.join(flags)}."
