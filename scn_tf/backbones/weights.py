"""Loads weights from a file into a network, all of them or none.

In: a network of this package (images in, features out, no classifier) and
a file of the network with its classifier or without: HDF5, either Keras 3's
`model.save_weights("x.weights.h5")` or the older layout of
keras.applications; a `.keras` model, of which nothing but the weights is
read; or MatConvNet's `.mat`. Out: the network's variables hold the file's
values, or an InputError says which layers differ.
"""

import collections
import pathlib
import re
import shutil
import tempfile
import zipfile
from typing import IO

import h5py
import keras

from scn_tf.backbones.matconvnet import load_matconvnet
from scn_tf.backbones.mismatch import difference
from scn_tf.backbones.mismatch import mismatch_error
from scn_tf.backbones.mismatch import shapes_text
from scn_tf.backbones.mismatch import width_advice
from tfrecords.errors import InputError

_ARCHIVED = "model.weights.h5"  # what Keras calls the weights in a .keras
# Times the network's own weights: an optimizer keeps up to three more, and a
# small network may have a large classifier.
_LARGEST_ARCHIVED = 16


def load_weights(network: keras.Model, weights_path: str) -> None:
    """Fills every variable of `network` from the file.

    Nothing is assigned before the shapes of all layers have been compared.
    The kind of file is told by its first bytes, MATLAB's also by its name.

    Args:
        network: functional model without classifier.
        weights_path: HDF5 file in one of the two layouts, `.keras` or `.mat`.

    Raises:
        InputError: no such file, of no such kind, cut short, or of another
            network.
    """
    require_weights(weights_path)
    path = _absolute(weights_path)
    try:
        with open(path, "rb") as file:
            start = file.read(6)
    except OSError as error:
        raise InputError(
            f"The weights file {path} cannot be read: {error}."
        ) from error
    if start == b"MATLAB" or path.suffix.lower() == ".mat":
        load_matconvnet(network, path)
    elif start[:2] == b"PK" or path.suffix.lower() == ".keras":
        with _unpacked(network, path) as file:
            _load_hdf5(network, file, path)
    else:
        _load_hdf5(network, path, path)


def _unpacked(network: keras.Model, path: pathlib.Path) -> IO[bytes]:
    """Copies the weights of a `.keras` file into a temporary one.

    The model's config, which could name code to run, is never read.
    """
    size = 4 * network.count_params()
    most = _LARGEST_ARCHIVED * size + 2**20
    file = tempfile.TemporaryFile()
    try:
        with zipfile.ZipFile(path) as archive:
            length = archive.getinfo(_ARCHIVED).file_size
            if length > most:
                raise InputError(
                    f"{path} holds {length} bytes of weights, and {size} are "
                    f"what {network.name} has. Name the network that the "
                    "file was made for with --backbone."
                )
            with archive.open(_ARCHIVED) as member:
                shutil.copyfileobj(member, file, 1 << 20)
    except KeyError as error:
        file.close()
        raise InputError(
            f"{path} is an archive without {_ARCHIVED}, so no model that "
            "Keras 3 saved. Save the model with model.save('name.keras')."
        ) from error
    except InputError:
        file.close()
        raise
    except Exception as error:  # zipfile has as many as there are faults.
        file.close()
        raise InputError(
            f"The weights file {path} cannot be read as a model of Keras "
            f"({error}). It may have been cut short: fetch or save it again "
            "as '.keras'."
        ) from error
    return file


def _load_hdf5(
    network: keras.Model, source: pathlib.Path | IO[bytes], path: pathlib.Path
) -> None:
    """Fills the network from HDF5.

    Args:
        network: see `load_weights`.
        source: what is read.
        path: of the file that the user gave, for messages.
    """
    layers = [layer for layer in network.layers if layer.weights]
    try:
        with h5py.File(source) as file:
            saved, others = _saved_arrays(file, layers, path)
            _check_shapes(network, saved, others, path)
            for layer in layers:
                for variable, array in zip(
                    layer.weights, saved[layer.name], strict=True
                ):
                    variable.assign(array[()])
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(
            f"The weights file {path} cannot be read as HDF5 ({error}). It "
            "may have been cut short: fetch or save it again as "
            "'.weights.h5'."
        ) from error


def require_weights(weights: str) -> None:
    """Finds out early whether `--weights` names something.

    Args:
        weights: "imagenet", "none" or a file.

    Raises:
        InputError: if it is a file that is not there.
    """
    if weights in ("imagenet", "none"):
        return
    if not _absolute(weights).is_file():
        raise InputError(
            f"There is no weights file {_absolute(weights)}. --weights takes "
            "the path of a file (.weights.h5, .h5, .keras or MatConvNet's "
            ".mat), 'imagenet' (download) or 'none' (random)."
        )


def _absolute(weights: str) -> pathlib.Path:
    return pathlib.Path(weights).expanduser().absolute()


_Arrays = dict[str, list[h5py.Dataset]]


def _saved_arrays(
    file: h5py.File, layers: list[keras.Layer], path: pathlib.Path
) -> tuple[_Arrays, _Arrays]:
    """Finds what the file holds for each layer, and what it holds besides.

    Returns:
        ({name of a layer of `layers`: its arrays}, {name in the file of a
        layer that the network lacks: its arrays}).
    """
    if isinstance(file.get("layers"), h5py.Group):
        return _keras_3_arrays(file["layers"], layers)
    root = file.get("model_weights", file)
    if "layer_names" in root.attrs:
        return _legacy_arrays(root, layers)
    raise InputError(
        f"{path} is HDF5, but holds no weights that Keras saved: neither a "
        "group 'layers' nor an attribute 'layer_names' was found. Save the "
        "model with model.save_weights('name.weights.h5')."
    )


def _keras_3_arrays(
    group: h5py.Group, layers: list[keras.Layer]
) -> tuple[_Arrays, _Arrays]:
    """Reads Keras 3's layout, layers/<class>_<count>/vars/<index>."""
    present = {}
    for key in group:
        variables = group.get(f"{key}/vars")
        if isinstance(variables, h5py.Group):
            places = sorted(filter(str.isdigit, variables), key=int)
            present[key] = [variables[place] for place in places]
    counts = collections.Counter()
    saved = {}
    for layer in layers:
        key = _snake_case(type(layer).__name__)
        count = counts[key]
        counts[key] += 1
        saved[layer.name] = present.pop(f"{key}_{count}" if count else key, [])
    others = {
        str(group[key]["vars"].attrs.get("name", key)): arrays
        for key, arrays in present.items()
        if arrays
    }
    return saved, others


def _legacy_arrays(
    group: h5py.Group, layers: list[keras.Layer]
) -> tuple[_Arrays, _Arrays]:
    """Reads the layout before Keras 3: layers in order, under any names."""
    present = []
    for name in map(_text, group.attrs["layer_names"]):
        member = group[name]
        arrays = [member[_text(key)] for key in member.attrs["weight_names"]]
        if arrays:
            present.append((name, arrays))
    saved = {
        layer.name: present[index][1] if index < len(present) else []
        for index, layer in enumerate(layers)
    }
    return saved, dict(present[len(layers) :])


def _check_shapes(
    network: keras.Model, saved: _Arrays, others: _Arrays, path: pathlib.Path
) -> None:
    """Raises InputError unless the file is of this network.

    One more dense layer on the features is the classifier; it is dropped.
    """
    differences, widths = [], {}
    for layer in network.layers:
        wanted = [tuple(variable.shape) for variable in layer.weights]
        found = [array.shape for array in saved.get(layer.name, [])]
        if wanted != found:
            differences.append(
                difference(layer.name, shapes_text(wanted), shapes_text(found))
            )
            widths[layer.name] = found[0][-1] if found and found[0] else 0
    num_features = network.output_shape[-1]
    for name, arrays in others.items():
        found = [array.shape for array in arrays]
        is_classifier = found[0][:-1] == (num_features,) and len(others) == 1
        if not is_classifier:
            differences.append(difference(name, "", shapes_text(found)))
    if differences:
        raise mismatch_error(
            network, path, differences, width_advice(network, widths)
        )


def _snake_case(name: str) -> str:
    """Returns a class's name as Keras writes it into weights files."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _text(value: bytes | str) -> str:
    """Returns an HDF5 attribute's string, which old files keep as bytes."""
    return value.decode() if isinstance(value, bytes) else value
