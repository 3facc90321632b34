"""YOLO: the regions of a trained detector (section 4.3's "YOLO").

Pixels in, the most confident regions out, through keras-cv's YOLOV8Detector
in its size m for PASCAL VOC. The detector has learned from labels, so these
proposals leak them. keras-cv is imported where the detector is made.
"""

import contextlib
import functools
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf
from absl import logging

from tfrecords import boxes
from tfrecords.errors import InputError
from tfrecords.image_record import ImageRecord
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.proposals.proposals import Proposals
from tfrecords.sources.voc import VOC_CLASSES

# Values of `yolo_weights` that are no file.
WEIGHT_NAMES = ("none", "pascalvoc")
# What yolo_v8_m_pascalvoc was trained at.
_SIDE = 640  # pixels
# Every call has this many pictures, blank ones at the end: one shape is
# traced once, and no picture's boxes depend on how many came with it.
_BATCH = 8
_PRESET = "yolo_v8_m_pascalvoc"
# keras-cv's own default for this detector.
_SUPPRESSION_IOU = 0.7
# Regions looked at where all are asked for; more than photographs hold.
_MOST_REGIONS = 1000
# YOLOv8's size m; from_preset would need the network even without weights.
_CHANNELS = (96, 192, 384, 576)
_DEPTHS = (2, 4, 4, 2)
_NECK_DEPTH = 2


def propose_yolo(
    images: Sequence[np.ndarray],
    records: Sequence[ImageRecord],
    options: ProposalOptions,
    rngs: Sequence[np.random.Generator],
) -> list[Proposals]:
    """Returns the detector's regions, one class or another.

    Args:
        images: [H, W, 3] uint8 RGB each.
        records: not used.
        options: `yolo_weights`, `min_score` and `boxes_per_image` (0 for the
            best 1000).
        rngs: not used.

    Returns:
        Proposals with the confidence as score, best first, and the VOC class
        as label; without labels for random weights.

    Raises:
        InputError: if the weights are missing or do not fit.
    """
    found = []
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        pictures = np.zeros((_BATCH, _SIDE, _SIDE, 3), np.float32)
        scales = [
            _place(image, picture)
            for image, picture in zip(batch, pictures, strict=False)
        ]
        detect = _detector(options.yolo_weights, options.min_score)
        regions = {name: values.numpy() for name, values in detect(pictures)}
        for index, (image, scale) in enumerate(zip(batch, scales, strict=True)):
            one = {name: values[index] for name, values in regions.items()}
            found.append(_proposals(one, image.shape[:2], scale, options))
    return found


def _place(image: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Fits an image into the top left corner of a blank picture.

    As keras-cv's Resizing with `pad_to_aspect_ratio` does in training.

    Returns:
        [4] float32 image pixels per picture pixel, in the order of a box.
    """
    height, width = image.shape[:2]
    longest = max(height, width)
    rows = max(1, round(height * _SIDE / longest))
    columns = max(1, round(width * _SIDE / longest))
    picture[:rows, :columns] = cv2.resize(
        image.astype(np.float32), (columns, rows)
    )
    return np.array([height / rows, width / columns] * 2, np.float32)


def _proposals(
    regions: dict[str, np.ndarray],
    size: tuple[int, int],
    scale: np.ndarray,
    options: ProposalOptions,
) -> Proposals:
    """Returns one picture's regions in its own pixels."""
    count = regions["num_detections"]
    rows = regions["boxes"][:count].astype(np.float32) * scale
    kept = np.flatnonzero([not fault for fault in boxes.faults(rows, size)])
    if options.boxes_per_image:
        kept = kept[: options.boxes_per_image]
    trained = options.yolo_weights != "none"
    return Proposals(
        boxes=boxes.clip(rows[kept], size),
        scores=regions["confidence"][kept].astype(np.float32),
        labels=tuple(
            VOC_CLASSES[index] if trained else ""
            for index in regions["classes"][kept]
        ),
    )


@functools.cache
def _detector(
    weights: str, min_score: float
) -> Callable[[np.ndarray], list[tuple[str, tf.Tensor]]]:
    """Loads the detector once per process; it takes seconds.

    Returns:
        A function [_BATCH, _SIDE, _SIDE, 3] float32 in [0, 255] ->
        keras-cv's detections by name: boxes [_BATCH, R, 4] (y0, x0, y1, x1)
        in pixels, confidence and classes [_BATCH, R], best first, and
        num_detections [_BATCH], how many of R are real.
    """
    import keras_cv

    with _float32():
        network = _network(weights)
        network.prediction_decoder = keras_cv.layers.NonMaxSuppression(
            "yxyx",
            from_logits=False,
            iou_threshold=_SUPPRESSION_IOU,
            confidence_threshold=float(min_score),
            max_detections=_MOST_REGIONS,
        )
        shape = (_BATCH, _SIDE, _SIDE, 3)

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
        def detect(pictures):
            raw = network(pictures, training=False)
            return network.decode_predictions(raw, pictures)

        detect.get_concrete_function()  # Traced here, in float32.
    return lambda pictures: detect(pictures).items()


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    """Keras in float32: keras-cv's detector fails in mixed precision."""
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _network(weights: str):
    """Returns a YOLOV8Detector with boxes (y0, x0, y1, x1) in pixels."""
    import keras_cv

    if weights == "pascalvoc":
        return _downloaded()
    backbone = keras_cv.models.YOLOV8Backbone(
        stackwise_channels=list(_CHANNELS),
        stackwise_depth=list(_DEPTHS),
        include_rescaling=True,
        input_shape=(_SIDE, _SIDE, 3),
    )
    network = keras_cv.models.YOLOV8Detector(
        num_classes=len(VOC_CLASSES),
        bounding_box_format="yxyx",
        backbone=backbone,
        fpn_depth=_NECK_DEPTH,
    )
    if weights == "none":
        logging.warning(
            "--yolo_weights=none: the detector's weights are random and so "
            "are its boxes. For measuring time only."
        )
        _draw_weights(network)
    else:
        _load_weights(network, weights)
    return network


def _downloaded():
    """Returns the detector of Keras' hub; the first time it is downloaded."""
    import keras_cv

    try:
        return keras_cv.models.YOLOV8Detector.from_preset(
            _PRESET, bounding_box_format="yxyx"
        )
    # Whatever a network, a hub, a disk or an unpacking may bring.
    except Exception as error:
        raise InputError(
            f"The detector {_PRESET} could not be downloaded "
            f"({type(error).__name__}: {error}). Run this once where the "
            "network is there, name a file with --yolo_weights=FILE, or use "
            "--proposals=edge_boxes."
        ) from error


def _load_weights(network, path: str) -> None:
    wanted = (
        f"Wanted: weights of {_PRESET} as Keras 3 saves them (.weights.h5 or "
        ".keras). Correct --yolo_weights, or use --yolo_weights=pascalvoc, "
        "which downloads them."
    )
    if not pathlib.Path(path).is_file():
        raise InputError(f"--yolo_weights={path}: no such file. {wanted}")
    try:
        network.load_weights(path)
    # h5py, zipfile and Keras raise errors of many kinds for a wrong file.
    except Exception as error:
        raise InputError(
            f"--yolo_weights={path} does not fit ({error}). {wanted}"
        ) from error


def _draw_weights(network) -> None:
    """Draws the kernels anew, the same ones in every process."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if weight.name == "kernel":
            spread = np.prod(weight.shape[:-1]) ** -0.5
            weight.assign(rng.normal(0, spread, weight.shape))
