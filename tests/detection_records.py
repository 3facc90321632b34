"""Records as the TF Object Detection API's tools write them."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image


def jpeg(orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    # A white box on black, at y 8..16 and x 16..40 of 40 x 80 pixels.
    pixels = np.zeros((40, 80), np.uint8)
    pixels[8:16, 16:40] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def _feature(values):
    if all(isinstance(value, bytes) for value in values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if all(isinstance(value, int) for value in values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def example(**changes):
    """One box, y 0.2 to 0.4 and x 0.2 to 0.5; names with __ for /."""
    fields = dict(
        image__encoded=[jpeg()],
        image__height=[40],
        image__width=[80],
        image__source_id=[b"0012"],
        image__filename=[b"a.jpg"],
        image__object__bbox__ymin=[0.2],
        image__object__bbox__xmin=[0.2],
        image__object__bbox__ymax=[0.4],
        image__object__bbox__xmax=[0.5],
        image__object__class__text=[b"dog"],
        image__object__class__label=[7],
    )
    fields = {**fields, **changes}
    features = {
        name.replace("__", "/"): _feature(values)
        for name, values in fields.items()
        if values is not None
    }
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()
