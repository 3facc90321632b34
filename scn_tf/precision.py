"""In which precision the frozen networks work.

In: a value of --precision and the networks. Out: float32, bfloat16 or
float16. Trained networks always work in float32.

A network is not given to half precision unseen: bfloat16's rounding changes
the features of ImageNet's MobileNetV2 by 5 to 6 %, those of VGG19 by 1 %.
"""

import pathlib
import weakref

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from scn_tf.backbones.inference import inference_copy

PRECISIONS = ("auto", "bfloat16", "float16", "float32")

_PROCESSOR = pathlib.Path("/proc/cpuinfo")
# Either of them multiplies bfloat16 at twice the speed of float32 and more.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
# NVIDIA's compute capability from which a GPU has matrix units for a type.
_FIRST_FLOAT16 = (7, 0)
_FIRST_BFLOAT16 = (8, 0)
_MOST_ERROR = 0.02  # relative, of features and of targets, all together
_NUM_IMAGES = 4
_BLOBS = 8  # per side of an image
_NOISE = 0.05
# For every cache of a run asks. Of networks it keeps none: an experiment
# makes many.
_answers = weakref.WeakKeyDictionary()


def chosen_precision(
    precision: str,
    trunk: keras.Model,
    frozen_neck: keras.Model,
    weights: str | None = None,
) -> str:
    """Returns the precision meant by a value of --precision.

    "auto" is the first half precision that the device at hand is fast in and
    that changes features and targets of some random images by 2 % at most;
    float32 if there is none. What is fast: on processors bfloat16 where they
    have instructions for it; on GPUs bfloat16, then float16, where they have
    matrix units for it.

    Args:
        precision: one of PRECISIONS.
        trunk: [B, S, S, 3] float32 images in [0, 1] -> feature map.
        frozen_neck: feature map -> [B, D].
        weights: digest of the weights of both; the last answer is given
            again while it is the same.

    Raises:
        ValueError: if `precision` is unknown.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"`precision` must be one of {PRECISIONS}. Received: {precision!r}."
        )
    if precision != "auto":
        return precision
    known = _answers.setdefault(trunk, weakref.WeakKeyDictionary())
    if frozen_neck not in known or known[frozen_neck][0] != weights:
        known[frozen_neck] = weights, _fast_and_exact(trunk, frozen_neck)
    return known[frozen_neck][1]


def _fast_and_exact(trunk: keras.Model, frozen_neck: keras.Model) -> str:
    """Returns what "auto" is for these networks."""
    candidates = fast_precisions()
    for candidate in candidates:
        error = rounding_error(candidate, trunk, frozen_neck)
        if error <= _MOST_ERROR:
            logging.info(
                "The frozen networks work in %s: it changes their features by "
                "%.2g %%.",
                candidate,
                100 * error,
            )
            return candidate
        place, cause = f"do not work in {candidate}", "it"
        if candidate == candidates[-1]:
            place, cause = "stay in float32", candidate
        logging.info(
            "The frozen networks %s: %s would change their features by "
            "%.2g %%, more than %g %%.",
            place,
            cause,
            100 * error,
            100 * _MOST_ERROR,
        )
    return "float32"


def fast_precisions() -> tuple[str, ...]:
    """Half precisions that the device is fast in, the best one first."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return ("bfloat16",) if _has_bfloat16() else ()
    details = tf.config.experimental.get_device_details(gpus[0])
    capability = details.get("compute_capability", (0, 0))
    known = []
    if capability >= _FIRST_BFLOAT16:
        known.append("bfloat16")
    if capability >= _FIRST_FLOAT16:
        known.append("float16")
    return tuple(known)


def rounding_error(
    precision: str, trunk: keras.Model, frozen_neck: keras.Model
) -> float:
    """Returns how much a precision changes features and targets.

    Returns:
        The norm of the difference to float32 over the norm in float32, of
        the feature maps or the targets of some random images, whichever is
        more; infinite where numbers are too large for the precision.
    """
    images = _images(trunk.input_shape[1])
    maps = trunk(images, training=False)
    vectors = frozen_neck(maps, training=False)
    rounded = inference_copy(trunk, precision)(images, training=False)
    rounded = tf.cast(rounded, "float32")
    targets = inference_copy(frozen_neck, precision)(rounded, training=False)
    errors = []
    for values, exact in ((rounded, maps), (targets, vectors)):
        values = tf.cast(values, "float32")
        norm = max(float(tf.norm(exact)), np.finfo(np.float32).tiny)
        error = float(tf.norm(values - exact)) / norm
        errors.append(error if np.isfinite(error) else np.inf)
    return max(errors)


def _images(size: int) -> np.ndarray:
    """[n, size, size, 3] float32 in [0, 1]: blobs of color and some noise."""
    rng = np.random.default_rng(0)
    blobs = rng.random((_NUM_IMAGES, _BLOBS, _BLOBS, 3), np.float32)
    images = tf.image.resize(blobs, (size, size)).numpy()
    images += rng.normal(0, _NOISE, images.shape).astype(np.float32)
    return np.clip(images, 0, 1)


def _has_bfloat16() -> bool:
    if not _PROCESSOR.is_file():
        return False
    for line in _PROCESSOR.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return bool(_BFLOAT16_FLAGS & set(value.split()))
    return False
