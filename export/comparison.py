"""What every consumer makes of a module, held against what it should.

In: the folder of a module, images, the features they should have. Out: one
result per consumer: how far its features are, how fast and how large.
"""

import contextlib
import dataclasses
import os
import pathlib
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from export.consumers import LOADING
from export.consumers.consumer import Consumed
from export.consumers.consumer import Consumer
from export.consumers.consumer import ConsumerError
from export.consumers.consumer import NotCheckedError
from export.keras_description import read_description
from tfrecords.errors import InputError

TOLERANCE = 1e-5
# GPUs add up in another order in every program that computes the same. Not
# measured: no GPU was at hand.
GPU_TOLERANCE = 1e-4
# Where a module rounds its activations to half precision, it depends on the
# consumer how often.
HALF_TOLERANCE = 0.03


@dataclasses.dataclass(frozen=True)
class ConsumerResult:
    """How one consumer fared.

    Attributes:
        consumer: the way of loading.
        max_relative_difference: max |a - b| / max |b| between its features a
            and the expected b; None if it gave none.
        note: what else was seen, "failed: why" or "not checked: why".
        images_per_second: the fastest call's; None if none was timed.
        num_bytes: of the file or folder that it loaded; None if it failed.
        tolerance: up to which a difference is none.
    """

    consumer: str
    max_relative_difference: float | None
    note: str
    images_per_second: float | None = None
    num_bytes: int | None = None
    tolerance: float = TOLERANCE

    @property
    def is_good(self) -> bool:
        """Whether nothing failed and the difference is within `tolerance`."""
        if self.max_relative_difference is None:
            return not self.note.startswith("failed")
        return self.max_relative_difference <= self.tolerance  # NaN is not.


def check_module(
    module_dir: str | os.PathLike,
    images: np.ndarray,
    expected: np.ndarray,
    consumers: Mapping[str, Consumer] = LOADING,
    seconds: float = 0.0,
) -> list[ConsumerResult]:
    """Loads a module in every way that we know and compares.

    The folder is only read: each consumer trains a copy in memory.

    Args:
        module_dir: folder of the SavedModel.
        images: [B, H, W, 3] float32, RGB in [0, 1].
        expected: [B, D] float32, the features of `images`.
        consumers: of `export.consumers`.
        seconds: how long each is timed; 0 times none.

    Returns:
        One result per consumer; what a consumer raises is its note.
    """
    results = [
        _result(name, consumer, module_dir, images, expected, seconds)
        for name, consumer in consumers.items()
    ]
    tolerance = _tolerance(module_dir)
    return [
        dataclasses.replace(result, tolerance=tolerance) for result in results
    ]


def _tolerance(module_dir: str | os.PathLike) -> float:
    exact = TOLERANCE
    if tf.config.list_physical_devices("GPU"):
        exact = GPU_TOLERANCE
    try:
        precision = read_description(module_dir)["inference_precision"]
    except (InputError, KeyError):
        return exact  # a module of others
    return exact if precision == "float32" else HALF_TOLERANCE


@contextlib.contextmanager
def exact_products() -> Iterator[None]:
    """Multiplies float32 as float32 inside.

    By themselves GPUs round factors to 10 bits first (TensorFloat-32): two
    programs of one network then differ by a thousandth.
    """
    switch = tf.config.experimental.enable_tensor_float_32_execution
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    switch(False)
    try:
        yield
    finally:
        switch(before)


def _result(
    name: str,
    consumer: Consumer,
    module_dir: str | os.PathLike,
    images: np.ndarray,
    expected: np.ndarray,
    seconds: float,
) -> ConsumerResult:
    with tempfile.TemporaryDirectory() as workspace:
        try:
            consumed = consumer(
                pathlib.Path(module_dir), images, pathlib.Path(workspace)
            )
            return ConsumerResult(
                name,
                _relative_difference(consumed.features, expected),
                consumed.note,
                _images_per_second(consumed, len(images), seconds),
                num_bytes(consumed.path),
            )
        except ModuleNotFoundError as error:
            note = f"not checked: {error.name} is not installed"
        except NotCheckedError as error:
            note = f"not checked: {error}"
        except Exception as error:
            # A consumer may raise anything; the others are still checked.
            note = f"failed: {first_line(error)}"
    return ConsumerResult(name, None, note)


def _images_per_second(
    consumed: Consumed, num_images: int, seconds: float
) -> float | None:
    if consumed.run is None or not seconds:
        return None
    consumed.run()  # The first call may make a graph.
    taken, end = [], time.perf_counter() + seconds
    while not taken or time.perf_counter() < end:
        taken.append(_seconds(consumed.run))
    return num_images / min(taken)


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def size_ratio(module_dir: str | os.PathLike) -> float:
    """Returns bytes of all files of a module / bytes of its variables.

    Raises:
        ValueError: if the module lists no variables.
    """
    variables = getattr(tf.saved_model.load(str(module_dir)), "variables", ())
    size = sum(variable.numpy().nbytes for variable in variables)
    if not size:
        raise ValueError(
            f"{module_dir} lists no `variables`: export it with its weights."
        )
    return num_bytes(pathlib.Path(module_dir)) / size


def _relative_difference(features: np.ndarray, expected: np.ndarray) -> float:
    if features.shape != expected.shape:
        raise ConsumerError(
            f"features are {features.shape}, wanted {expected.shape}"
        )
    return float(np.abs(features - expected).max() / np.abs(expected).max())


def num_bytes(path: pathlib.Path) -> int:
    """Returns the size of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def first_line(error: Exception) -> str:
    """Returns the first line of what an error says, or its kind."""
    return (str(error) or type(error).__name__).splitlines()[0]
