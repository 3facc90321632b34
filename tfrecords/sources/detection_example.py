"""One record of the TF Object Detection API: bytes in, ImageRecord out."""

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfrecords import box_formats
from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.images import stated_shape

_SIDES = ("ymin", "xmin", "ymax", "xmax")
_OBJECT = "image/object/"
_NAMES = ("image/source_id", "image/filename")
_LONGEST_NAME = 200
# Far over the border, and far from pixels.
_FRACTIONS = (-1, 2)


def outline(
    content: bytes, label_map: Mapping[int, str]
) -> tuple[str, set[str]]:
    """Returns a record's name and the names of its objects' classes.

    Args:
        content: a serialized tf.train.Example; nothing comes of else.
        label_map: class names by number, where the record has no names.

    Returns:
        image/source_id, or else image/filename, as one line of text, "" for
        none; and the class names.
    """
    features = _features(content) or {}
    return _name(features), set(_names(features, label_map))


def read_example(
    key: ImageKey, content: bytes, label_map: Mapping[int, str], where: str
) -> ImageRecord:
    """Returns the picture and objects of a record.

    The API decodes a picture without its EXIF rotation, so boxes refer to
    the rows as they are stored; they are turned with the picture here. Only
    if the stated size is that of the upright picture alone they are not.

    Args:
        key: of the record.
        content: a serialized tf.train.Example.
        label_map: names by number, where the record has no names.
        where: the record's place, for messages.

    Raises:
        InputError: if it is no such message, has no picture or no size, or
            fields differ in length.
    """
    features = _features(content)
    if features is None:
        raise InputError(f"{where} is no tf.train.Example.")
    encoded = _texts(features, "image/encoded")
    if len(encoded) != 1 or not encoded[0]:
        raise InputError(
            f"{where} has no picture in image/encoded. Wanted: records of "
            "the TF Object Detection API."
        )
    rows = _boxes(features, where)
    names = _names(features, label_map)
    flags = [
        _column(features, _OBJECT + field, len(rows), where)
        for field in ("difficult", "is_crowd")
    ]
    if names and len(names) != len(rows):
        raise InputError(f"{where}: {len(names)} classes, {len(rows)} boxes.")
    upright, orientation = stated_shape(encoded[0])
    stored = upright[::-1] if orientation >= 5 else upright
    stated = _stated_size(features)
    if stated == upright != stored:
        boxes = box_formats.from_fractions(rows, upright)
    else:
        boxes = box_formats.upright(
            box_formats.from_fractions(rows, stored), stored, orientation
        )
    return ImageRecord(
        key=key,
        image=encoded[0],
        boxes=boxes,
        labels=tuple(names) or ("",) * len(rows),
        difficult=np.any(flags, axis=0),
        size=upright if stated in (None, upright, stored) else stated,
    )


def _features(content: bytes) -> Mapping | None:
    try:
        return tf.train.Example.FromString(content).features.feature
    except DecodeError:
        return None


def _name(features: Mapping) -> str:
    for field in _NAMES:
        for value in _texts(features, field):
            text = value.decode(errors="replace")[:_LONGEST_NAME]
            text = "".join(sign if sign.isprintable() else " " for sign in text)
            if text.strip():
                return text.strip()
    return ""


def _boxes(features: Mapping, where: str) -> np.ndarray:
    """Returns the fractions [G, 4] (ymin, xmin, ymax, xmax)."""
    columns = [
        features[name].float_list.value if name in features else ()
        for name in (f"{_OBJECT}bbox/{side}" for side in _SIDES)
    ]
    if len({len(column) for column in columns}) > 1:
        raise InputError(
            f"{where}: image/object/bbox/ has "
            f"{', '.join(str(len(column)) for column in columns)} values of "
            f"{', '.join(_SIDES)}. Wanted: one of each per box."
        )
    rows = np.array(columns, np.float64).T.reshape(-1, 4)
    least, most = _FRACTIONS
    # NaN is in no range.
    if not ((rows >= least) & (rows <= most)).all():
        raise InputError(
            f"{where}: image/object/bbox/ has numbers that are no fractions "
            "of the picture's size. Divide pixels by height and width."
        )
    return rows


def _names(features: Mapping, label_map: Mapping[int, str]) -> list[str]:
    texts = _texts(features, _OBJECT + "class/text")
    if texts:
        return [text.decode(errors="replace") for text in texts]
    labels = _integers(features, _OBJECT + "class/label")
    return [label_map.get(label, str(label)) for label in labels]


def _column(
    features: Mapping, field: str, count: int, where: str
) -> np.ndarray:
    """Returns the flags [G] of a field that may be missing."""
    values = _integers(features, field) or [0] * count
    if len(values) != count:
        raise InputError(
            f"{where}: {field} has {len(values)} values for {count} boxes."
        )
    return np.array(values, bool)


def _stated_size(features: Mapping) -> tuple[int, int] | None:
    sides = [
        _integers(features, field) for field in ("image/height", "image/width")
    ]
    if any(len(side) != 1 or side[0] <= 0 for side in sides):
        return None
    return sides[0][0], sides[1][0]


def _texts(features: Mapping, name: str) -> Sequence[bytes]:
    return features[name].bytes_list.value if name in features else ()


def _integers(features: Mapping, name: str) -> list[int]:
    return list(features[name].int64_list.value) if name in features else []
