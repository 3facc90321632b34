"""An exported feature vector, loaded as a stranger would.

In: the folder of a SavedModel with the interface of TF-Hub's image feature
vectors. Out: a function from pictures to features, the size of picture that
it works at, and a digest of its content. Nothing of ours is needed to load
it: `tf.saved_model.load` alone.
"""

import hashlib
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfrecords.errors import InputError

_USUAL_SIZE = 224  # where a module does not say: that of most networks
_CONTENT = ("saved_model.pb", "variables/*", "assets/*")
_BYTES_AT_ONCE = 1 << 22


class FeatureModule:
    """Pictures of one size in, one feature vector per picture out.

    Attributes:
        image_size: height and width of its pictures in pixels.
        num_features: D, the length of a feature vector.
        digest: SHA-256 of its graph and weights.
    """

    def __init__(
        self, module_dir: str | os.PathLike, image_size: int = 0
    ) -> None:
        """Loads the module and calls it once.

        Args:
            module_dir: folder of the SavedModel.
            image_size: height and width of the pictures that it will be
                given; 0 takes the module's own, as its graph states it, or
                224 where it states none.

        Raises:
            InputError: if the folder holds no module that gives one vector
                per image.
        """
        self._module = _load(str(module_dir))
        self.image_size = image_size or _own_size(self._module) or _USUAL_SIZE
        self.num_features = self._probe(module_dir)
        self.digest = _digest(pathlib.Path(module_dir))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns features [B, D] float32.

        Args:
            images: [B, S, S, 3] float32, RGB in [0, 1]; S: `image_size`.
        """
        features = self._module(tf.constant(images), training=False)
        return features.numpy().astype(np.float32, copy=False)

    def _probe(self, module_dir: str | os.PathLike) -> int:
        """Returns D, as found by embedding two black pictures."""
        shape = (2, self.image_size, self.image_size, 3)
        wanted = (
            "Wanted: an image feature vector, called with float32 images "
            "[batch, height, width, 3] and `training=False`. Name the module/ "
            "of a run, or a TF-Hub module of that kind."
        )
        try:
            features = self(np.zeros(shape, np.float32))
        except Exception as error:  # A stranger's graph may raise anything.
            raise InputError(
                f"{module_dir} cannot be called with images of shape "
                f"{shape}: {_first_line(error)} {wanted}"
            ) from error
        if features.ndim != 2 or len(features) != 2:
            raise InputError(
                f"{module_dir} gives {features.shape} for images of shape "
                f"{shape}, not one vector per image. {wanted}"
            )
        return features.shape[1]


def _load(module_dir: str) -> tf.Module:
    wanted = (
        "Wanted: the folder that an export wrote (module/ of a run), or "
        "another TF2 SavedModel. Correct --module."
    )
    if not os.path.isdir(module_dir):
        raise InputError(f"{module_dir}: there is no such folder. {wanted}")
    if not tf.saved_model.contains_saved_model(module_dir):
        raise InputError(f"{module_dir} holds no saved_model.pb. {wanted}")
    try:
        module = tf.saved_model.load(module_dir)
    except Exception as error:  # Whatever is wrong with a stranger's folder.
        raise InputError(
            f"{module_dir} cannot be loaded as a SavedModel: "
            f"{_first_line(error)} {wanted}"
        ) from error
    if not callable(module):
        raise InputError(
            f"{module_dir} is a SavedModel that cannot be called with "
            f"images. {wanted}"
        )
    return module


def _own_size(module: tf.Module) -> int:
    """Returns the side of the square pictures a module works at, or 0.

    It stands in the shape of the module's input, or, where that takes any
    size, in the `EnsureShape` that follows the resizing inside.
    """
    for function in _functions(module):
        for tensor in function.inputs:
            side = _square_side(tensor.shape)
            if side:
                return side
    for function in _functions(module):
        graph = function.graph.as_graph_def()
        nodes = [*graph.node]
        for inner in graph.library.function:
            nodes += inner.node_def
        sides = {
            _square_side(tf.TensorShape(node.attr["shape"].shape))
            for node in nodes
            if node.op == "EnsureShape"
        } - {0}
        if len(sides) == 1:
            return sides.pop()
    return 0


def _functions(module: tf.Module) -> Iterator:
    """Yields the traced functions that take images."""
    yield from getattr(module, "signatures", {}).values()
    yield from getattr(module.__call__, "concrete_functions", ())


def _square_side(shape: tf.TensorShape) -> int:
    """Returns S of a shape [any, S, S, 3]; 0 of any other."""
    if shape.rank != 4:
        return 0
    _, height, width, channels = shape.as_list()
    return height if height and height == width and channels == 3 else 0


def _digest(module_dir: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for pattern in _CONTENT:
        for path in sorted(module_dir.glob(pattern)):
            if not path.is_file():
                continue
            name = path.relative_to(module_dir).as_posix()
            digest.update(f"{name} {path.stat().st_size}\n".encode())
            with open(path, "rb") as file:
                while block := file.read(_BYTES_AT_ONCE):
                    digest.update(block)
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
