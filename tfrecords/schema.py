"""What one image looks like inside a TFRecord file, with a version.

In: a `StoredRecord` (one normalized photograph, its objects, proposals and
pairs). Out: a serialized `tf.train.Example`, and back again as tensors.
Object annotations follow the layout of the TF Object Detection API, so that
its tools read our records; proposals and pairs are ours.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tfrecords.errors import InputError

SCHEMA_VERSION = 1

_SIDES = ("ymin", "xmin", "ymax", "xmax")
_OBJECT = "image/object/bbox/"
_PROPOSAL = "image/proposal/bbox/"


@dataclasses.dataclass(frozen=True)
class StoredRecord:
    """One image as it is written.

    Attributes:
        image_id: unique within its source.
        split: the split it belongs to.
        encoded: JPEG, 8-bit, RGB or gray.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        object_boxes: [G, 4] float32 (y0, x0, y1, x1) in pixels.
        object_labels: [G] int64 index of the class, -1 where unknown.
        object_names: G class names; empty strings where unknown.
        object_difficult: [G] bool.
        proposal_boxes: [N, 4] float32 (y0, x0, y1, x1) in pixels.
        proposal_scores: [N] float32.
        proposal_labels: [N] int64 index of the class, -1 where unknown.
        pairs: [P, 2] int64 (source, target) indices into the proposals.
    """

    image_id: str
    split: str
    encoded: bytes
    height: int
    width: int
    object_boxes: np.ndarray
    object_labels: np.ndarray
    object_names: tuple[str, ...]
    object_difficult: np.ndarray
    proposal_boxes: np.ndarray
    proposal_scores: np.ndarray
    proposal_labels: np.ndarray
    pairs: np.ndarray


def to_example(record: StoredRecord) -> bytes:
    """Returns `record` as a serialized `tf.train.Example`.

    Boxes are stored as fractions of the image, labels from 1 with 0 for
    unknown, as the TF Object Detection API does. Equal records give equal
    bytes.
    """
    image_id = record.image_id.encode()
    pairs = np.asarray(record.pairs, np.int64).reshape(-1, 2)
    features = {
        "image/schema_version": _integers([SCHEMA_VERSION]),
        "image/encoded": _texts([record.encoded]),
        "image/format": _texts([b"jpeg"]),
        "image/height": _integers([record.height]),
        "image/width": _integers([record.width]),
        "image/source_id": _texts([image_id]),
        "image/filename": _texts([image_id]),
        "image/split": _texts([record.split.encode()]),
        "image/object/class/text": _texts(
            [name.encode() for name in record.object_names]
        ),
        "image/object/class/label": _integers(record.object_labels + 1),
        "image/object/difficult": _integers(record.object_difficult),
        "image/proposal/score": _floats(record.proposal_scores),
        "image/proposal/class/label": _integers(record.proposal_labels + 1),
        "image/pair/source": _integers(pairs[:, 0]),
        "image/pair/target": _integers(pairs[:, 1]),
    }
    size = np.array([record.height, record.width] * 2, np.float32)
    for prefix, boxes in (
        (_OBJECT, record.object_boxes),
        (_PROPOSAL, record.proposal_boxes),
    ):
        fractions = np.asarray(boxes, np.float32).reshape(-1, 4) / size
        for side, values in zip(_SIDES, fractions.T, strict=True):
            features[prefix + side] = _floats(values)
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns one record as tensors, eager and inside tf.data.

    Args:
        serialized: string scalar, one `tf.train.Example`.

    Returns:
        dict with `image_id`, `split`, `encoded` (string scalars), `size`
        [2] float32 (height, width); `object_boxes` [G, 4] float32 pixels,
        `object_labels` [G] int64 (-1 unknown), `object_names` [G] string,
        `object_difficult` [G] bool; `proposal_boxes` [N, 4] float32 pixels,
        `proposal_scores` [N] float32, `proposal_labels` [N] int64; `pairs`
        [P, 2] int64.

    Raises:
        InputError: if the record has another schema version (inside
            tf.data: InvalidArgumentError with the same words).
    """
    texts = {
        name: tf.io.FixedLenFeature([], tf.string, "")
        for name in ("image/encoded", "image/source_id", "image/split")
    }
    texts["image/object/class/text"] = tf.io.RaggedFeature(tf.string)
    parsed = tf.io.parse_single_example(serialized, texts | _numbers())
    return {
        "image_id": parsed["image/source_id"],
        "split": parsed["image/split"],
        "encoded": parsed["image/encoded"],
        "object_names": parsed["image/object/class/text"],
        **_to_pixels(parsed),
    }


def parse_structure(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the boxes and pairs of many records, without their pictures.

    Args:
        serialized: [B] string, one `tf.train.Example` each.

    Returns:
        dict as of `parse`, less `split`, `encoded` and `object_names`, with
        a leading axis B; what differs in length from record to record is a
        `tf.RaggedTensor`.

    Raises:
        InputError: if a record has another schema version.
    """
    texts = {"image/source_id": tf.io.FixedLenFeature([], tf.string, "")}
    parsed = tf.io.parse_example(serialized, texts | _numbers())
    return {"image_id": parsed["image/source_id"], **_to_pixels(parsed)}


def _numbers() -> dict:
    """Features of a record but for its texts.

    The single numbers have defaults, so that a foreign record fails on its
    version, with our message, and not on a missing key.
    """
    single = ("image/schema_version", "image/height", "image/width")
    integers = (
        "image/object/class/label",
        "image/object/difficult",
        "image/proposal/class/label",
        "image/pair/source",
        "image/pair/target",
    )
    floats = ["image/proposal/score"]
    floats += [_OBJECT + side for side in _SIDES]
    floats += [_PROPOSAL + side for side in _SIDES]
    return {
        **{name: tf.io.FixedLenFeature([], tf.int64, 0) for name in single},
        **{
            name: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
            for name in integers
        },
        **{
            name: tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64)
            for name in floats
        },
    }


def _to_pixels(parsed: dict) -> dict:
    _check_version(parsed["image/schema_version"])
    height = tf.cast(parsed["image/height"], tf.float32)
    width = tf.cast(parsed["image/width"], tf.float32)

    def boxes(prefix: str) -> tf.Tensor:
        sides = [
            _scaled(parsed[prefix + side], extent)
            for side, extent in zip(_SIDES, [height, width] * 2, strict=True)
        ]
        return tf.stack(sides, axis=-1)

    return {
        "size": tf.stack([height, width], axis=-1),
        "object_boxes": boxes(_OBJECT),
        "object_labels": parsed["image/object/class/label"] - 1,
        "object_difficult": parsed["image/object/difficult"] > 0,
        "proposal_boxes": boxes(_PROPOSAL),
        "proposal_scores": parsed["image/proposal/score"],
        "proposal_labels": parsed["image/proposal/class/label"] - 1,
        "pairs": tf.stack(
            [parsed["image/pair/source"], parsed["image/pair/target"]], axis=-1
        ),
    }


def _scaled(
    fractions: tf.Tensor | tf.RaggedTensor, extent: tf.Tensor
) -> tf.Tensor | tf.RaggedTensor:
    if isinstance(fractions, tf.RaggedTensor):
        # Ragged tensors also multiply by broadcasting, at 50 times the time.
        of_value = tf.gather(extent, fractions.value_rowids())
        return fractions.with_flat_values(fractions.flat_values * of_value)
    return fractions * extent


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
