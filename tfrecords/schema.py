"""What one image looks like inside a TFRecord file, with a version.

In: a `StoredRecord` (one normalized photograph, its objects, proposals and
pairs). Out: a serialized `tf.train.Example`, and back again as tensors.

The picture's own fields are named as in the TF Object Detection API. All the
rest is kept small, since small photographs come by the million: boxes are
whole numbers of 1/32 pixel, an empty list is not written, and neither is
anything that the manifest says (class names, split). So a record of VOC2007
at 320 pixels is within 2 % of its JPEG; the API's layout would add 5 %.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tfrecords.errors import InputError

SCHEMA_VERSION = 2

# Up to 511 pixels such a number takes two bytes, a float takes four.
_UNITS_PER_PIXEL = 32
_LISTS = {
    "object/box": tf.int64,
    "object/class": tf.int64,
    "object/difficult": tf.int64,
    "proposal/box": tf.int64,
    "proposal/class": tf.int64,
    "proposal/score": tf.float32,
    "pair": tf.int64,
}


@dataclasses.dataclass(frozen=True)
class StoredRecord:
    """One image as it is written.

    Attributes:
        image_id: unique within its source.
        encoded: JPEG, 8-bit, RGB or gray.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        object_boxes: [G, 4] float32 (y0, x0, y1, x1) in pixels.
        object_labels: [G] int64 index of the class, -1 where unknown.
        object_difficult: [G] bool.
        proposal_boxes: [N, 4] float32 (y0, x0, y1, x1) in pixels.
        proposal_scores: [N] float32.
        proposal_labels: [N] int64 index of the class, -1 where unknown.
        pairs: [P, 2] int64 (source, target) indices into the proposals.
    """

    image_id: str
    encoded: bytes
    height: int
    width: int
    object_boxes: np.ndarray
    object_labels: np.ndarray
    object_difficult: np.ndarray
    proposal_boxes: np.ndarray
    proposal_scores: np.ndarray
    proposal_labels: np.ndarray
    pairs: np.ndarray


def snap(boxes: np.ndarray) -> np.ndarray:
    """Returns boxes [..., 4] rounded to what a record can hold, float32.

    Whole pixels stay as they are, so a box inside of a picture stays inside.
    """
    with np.errstate(over="ignore"):  # what is absurd becomes infinite
        units = np.round(np.asarray(boxes, np.float32) * _UNITS_PER_PIXEL)
    return units / np.float32(_UNITS_PER_PIXEL)


def to_example(record: StoredRecord) -> bytes:
    """Returns `record` as a serialized `tf.train.Example`.

    Labels are stored from 1 with 0 for unknown, a pair of N proposals as
    the number source * N + target. Equal records give equal bytes.

    Raises:
        ValueError: if a pair points at no proposal.
    """
    num_proposals = len(record.proposal_boxes)
    pairs = np.reshape(record.pairs, (-1, 2))
    if np.any(pairs < 0) or np.any(pairs >= num_proposals):
        raise ValueError(
            f"`pairs` must be indices of {num_proposals} proposals. Received: "
            f"{pairs.min()} to {pairs.max()} in {record.image_id}."
        )
    features = {
        "version": _integers([SCHEMA_VERSION]),
        "image/encoded": _texts([record.encoded]),
        "image/height": _integers([record.height]),
        "image/width": _integers([record.width]),
        "image/source_id": _texts([record.image_id.encode()]),
    }
    lists = {
        "object/box": _units(record.object_boxes),
        "object/class": record.object_labels + 1,
        "object/difficult": record.object_difficult,
        "proposal/box": _units(record.proposal_boxes),
        "proposal/class": record.proposal_labels + 1,
        "pair": pairs @ [num_proposals, 1],
    }
    for name, values in lists.items():
        is_default = name.endswith(("class", "difficult"))
        if np.any(values) if is_default else len(values):
            features[name] = _integers(values)
    if len(record.proposal_scores):
        features["proposal/score"] = _floats(record.proposal_scores)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns one record as tensors, eager and inside tf.data.

    Args:
        serialized: string scalar, one `tf.train.Example`.

    Returns:
        dict with `image_id`, `encoded` (string scalars), `size` [2] float32
        (height, width); `object_boxes` [G, 4] float32 pixels,
        `object_labels` [G] int64 (-1 unknown), `object_difficult` [G] bool;
        `proposal_boxes` [N, 4] float32 pixels, `proposal_scores` [N]
        float32, `proposal_labels` [N] int64; `pairs` [P, 2] int64.

    Raises:
        InputError: if the record has another schema version (inside
            tf.data: InvalidArgumentError with the same words).
    """
    parsed = parse_structure(tf.expand_dims(serialized, 0))
    encoded = tf.io.parse_single_example(
        serialized, {"image/encoded": tf.io.FixedLenFeature([], tf.string, "")}
    )
    return {
        "encoded": encoded["image/encoded"],
        **{
            name: value.flat_values
            if isinstance(value, tf.RaggedTensor)
            else value[0]
            for name, value in parsed.items()
        },
    }


def parse_structure(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the boxes and pairs of many records, without their pictures.

    Args:
        serialized: [B] string, one `tf.train.Example` each.

    Returns:
        dict as of `parse`, less `encoded`, with a leading axis B; what
        differs in length from record to record is a `tf.RaggedTensor`.

    Raises:
        InputError: if a record has another schema version (inside tf.data:
            InvalidArgumentError).
    """
    parsed = tf.io.parse_example(serialized, _features())
    _check_version(parsed["version"])
    size = [parsed["image/height"], parsed["image/width"]]
    object_boxes = _rows(parsed["object/box"], 4)
    proposal_boxes = _rows(parsed["proposal/box"], 4)
    return {
        "image_id": parsed["image/source_id"],
        "size": tf.cast(tf.stack(size, axis=-1), tf.float32),
        "object_boxes": _pixels(object_boxes),
        "object_labels": _each(parsed["object/class"], object_boxes) - 1,
        "object_difficult": _each(parsed["object/difficult"], object_boxes) > 0,
        "proposal_boxes": _pixels(proposal_boxes),
        "proposal_scores": parsed["proposal/score"],
        "proposal_labels": _each(parsed["proposal/class"], proposal_boxes) - 1,
        "pairs": _pairs(parsed["pair"], proposal_boxes),
    }


def _features() -> dict:
    """Of a record but for its picture.

    The single numbers have defaults, so that a foreign record fails on its
    version, with our message, and not on a missing key.
    """
    single = ("version", "image/height", "image/width")
    return {
        "image/source_id": tf.io.FixedLenFeature([], tf.string, ""),
        **{name: tf.io.FixedLenFeature([], tf.int64, 0) for name in single},
        **{
            name: tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
            for name, dtype in _LISTS.items()
        },
    }


def _rows(values: tf.RaggedTensor, width: int) -> tf.RaggedTensor:
    """Returns [B, (n width)] as [B, (n), width].

    A list that is not whole rows fails in the reshape, or splits at places
    that do not exist: InvalidArgumentError.
    """
    tf.debugging.assert_equal(
        values.row_lengths() % width,
        np.int64(0),
        message=f"A list of a record is not whole rows of {width}.",
    )
    return tf.RaggedTensor.from_row_splits(
        tf.reshape(values.flat_values, [-1, width]),
        values.row_splits // width,
        validate=False,
    )


def _pairs(numbers: tf.RaggedTensor, boxes: tf.RaggedTensor) -> tf.RaggedTensor:
    """Returns [B, (P), 2] of the numbers source * N + target, [B, (P)]."""
    num_boxes = tf.gather(boxes.row_lengths(), numbers.value_rowids())
    num_boxes = tf.maximum(num_boxes, 1)  # pairs of nothing are found later
    flat = numbers.flat_values
    source, target = flat // num_boxes, flat % num_boxes
    return numbers.with_flat_values(tf.stack([source, target], axis=-1))


def _each(values: tf.RaggedTensor, boxes: tf.RaggedTensor) -> tf.RaggedTensor:
    """Returns one number per box; a record that has no list has zeros."""
    counts, wanted = values.row_lengths(), boxes.row_lengths()
    tf.debugging.Assert(
        tf.reduce_all((counts == wanted) | (counts == 0)),
        ["A record has another number of classes than of boxes."],
    )
    row = boxes.value_rowids()
    place = tf.range(tf.shape(row, tf.int64)[0]) - tf.gather(
        boxes.row_starts(), row
    )
    is_there = tf.gather(counts, row) > 0
    # The row of zeros at the end stands for all lists that are not there.
    padded = tf.concat([values.flat_values, [0]], axis=0)
    index = tf.where(
        is_there,
        tf.gather(values.row_starts(), row) + place,
        tf.shape(padded, tf.int64)[0] - 1,
    )
    return boxes.with_flat_values(tf.gather(padded, index))


def _pixels(units: tf.RaggedTensor) -> tf.RaggedTensor:
    pixels = tf.cast(units.flat_values, tf.float32) / _UNITS_PER_PIXEL
    return units.with_flat_values(pixels)


def _units(boxes: np.ndarray) -> np.ndarray:
    units = np.round(np.asarray(boxes, np.float32) * _UNITS_PER_PIXEL)
    return units.astype(np.int64).reshape(-1)


def _check_version(version: tf.Tensor) -> None:
    wanted = (
        f"These records were not written by this version: schema version "
        f"{SCHEMA_VERSION} was wanted. Build them again in another folder "
        "(python -m tfrecords.build)."
    )
    if not tf.executing_eagerly():
        tf.debugging.assert_equal(
            version, np.int64(SCHEMA_VERSION), message=wanted
        )
        return
    others = set(np.unique(version.numpy()).tolist()) - {SCHEMA_VERSION}
    if others:
        raise InputError(f"{wanted} Received: version {sorted(others)}.")


def _texts(values) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _integers(values) -> tf.train.Feature:
    values = np.asarray(values, np.int64)
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values) -> tf.train.Feature:
    values = np.asarray(values, np.float32)
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))
