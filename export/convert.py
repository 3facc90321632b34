"""Makes of a module one file for a consumer that reads no SavedModel.

    python -m export.convert MODULE OUTPUT.keras
    python -m export.convert MODULE OUTPUT.onnx      # pip install -e ".[onnx]"
    python -m export.convert MODULE OUTPUT.tflite

In: the folder of a module with its `keras.json`. Out: the network with its
weights, images in, features out. The `.keras` file is of Keras's own layers
alone: it needs nothing of ours, takes images of any size and can be
fine-tuned. ONNX and LiteRT files take images of the network's own size, and
any number of them: neither format has the resizing with antialias.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import contextlib
import io
import os
import pathlib
import shutil
import tempfile
from collections.abc import Sequence

import keras
import tensorflow as tf
from absl import flags

from export.keras_layer import FeatureVector
from export.onnx_file import write_onnx
from scn_tf.command_line import run_command
from scn_tf.command_line import start
from tfrecords.errors import InputError
from tfrecords.files import replacing


def convert(module_dir: str | os.PathLike, path: str | os.PathLike) -> None:
    """Writes a module as one file; the ending of its name says which kind.

    Args:
        module_dir: folder of a module that `export.feature_vector` wrote.
        path: file to write: *.keras, *.onnx or *.tflite.

    Raises:
        InputError: an ending of another kind, a folder at `path`, a module
            without `keras.json`, a damaged one, or a full disk.
        ModuleNotFoundError: if the converter is not installed.
    """
    path = pathlib.Path(path)
    if path.suffix not in _WRITERS:
        raise InputError(
            f"{path} ends in {path.suffix!r}; wanted one of "
            f"{', '.join(_WRITERS)}, which says what to write."
        )
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; wanted: a file. Name one in it, or move the "
            "folder away."
        )
    with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
        # Keras goes by the ending too, which a temporary name has not.
        written = pathlib.Path(folder, f"module{path.suffix}")
        _WRITERS[path.suffix](module_dir, written)
        shutil.move(written, temporary)


def main(arguments: Sequence[str]) -> int:
    """Converts; returns the exit code."""
    values = flags.FlagValues()
    words = ("MODULE", "OUTPUT")
    return run_command(_convert, values, __doc__, arguments, words)


def _convert(values: flags.FlagValues, module_dir: str, output: str) -> int:
    try:
        convert(module_dir, output)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed, which writes ONNX files: "
            'pip install -e ".[onnx]"'
        ) from error
    print(f"{output}: {os.path.getsize(output):,} bytes")
    return 0


def _write_keras(module_dir: str | os.PathLike, path: pathlib.Path) -> None:
    layer = FeatureVector(module_dir, trainable=True)
    size = layer.network.input_shape[1]
    images = keras.Input((None, None, 3), name="images")
    resized = keras.layers.Resizing(
        size, size, antialias=True, dtype="float32", name="resized"
    )(images)
    # Said here, or the file would say True: then a caller who says nothing
    # gets batch statistics. `fit` says True by itself.
    features = layer.network(resized, training=False)
    keras.Model(images, features, name="feature_vector").save(path)


def _write_onnx(module_dir: str | os.PathLike, path: pathlib.Path) -> None:
    write_onnx(_float32_network(module_dir), path)


def _write_litert(module_dir: str | os.PathLike, path: pathlib.Path) -> None:
    converter = tf.lite.TFLiteConverter.from_keras_model(
        _float32_network(module_dir)
    )
    # Keras prints a line for every weight on the way.
    with contextlib.redirect_stdout(io.StringIO()):
        path.write_bytes(converter.convert())


def _float32_network(module_dir: str | os.PathLike) -> keras.Model:
    """Returns the network alone: images of its own size -> features."""
    return FeatureVector(module_dir, dtype="float32").network


_WRITERS = {
    ".keras": _write_keras,
    ".onnx": _write_onnx,
    ".tflite": _write_litert,
}


if __name__ == "__main__":
    start(main)
