"""What a module does to pictures before its network sees them.

In: images of any size, or pictures as JPEG or PNG files. Out: float32 images
in [0, 1] of the network's size. TensorFlow only: it all goes into the graph.
"""

import tensorflow as tf


def resized(images: tf.Tensor, image_size: int) -> tf.Tensor:
    """Resizes images, bilinear with antialias; aspect ratio not kept.

    Args:
        images: [B, H, W, 3] float32.
        image_size: S, in pixels.

    Returns:
        [B, S, S, 3] float32; the very same values where the size is S.
    """
    size = [image_size, image_size]
    images = tf.cond(
        tf.reduce_all(tf.shape(images)[1:3] == image_size),
        lambda: images,
        lambda: tf.image.resize(images, size, antialias=True),
    )
    return tf.ensure_shape(images, [None, *size, 3])


def decoded(encoded: tf.Tensor, image_size: int) -> tf.Tensor:
    """Decodes pictures and resizes them as patches of photographs are.

    As `tfrecords.reader` does it for whole photographs: by the mean over
    areas where a picture is shrunk to half or less, bilinear without
    antialias elsewhere, rounded to 256 levels. OpenCV rounds its weights
    there, so that single values differ by one level. What the builder of
    the records does to odd files is not done here: EXIF rotation is
    ignored, alpha is dropped, CMYK and 16 bits are read as TensorFlow does.

    Args:
        encoded: [B] string, each a JPEG or PNG file.
        image_size: S, in pixels.

    Returns:
        [B, S, S, 3] float32 RGB in [0, 1].
    """
    return tf.map_fn(
        lambda picture: _decoded_one(picture, image_size),
        encoded,
        fn_output_signature=tf.TensorSpec(
            [image_size, image_size, 3], tf.float32
        ),
    )


def _decoded_one(picture: tf.Tensor, image_size: int) -> tf.Tensor:
    size = [image_size, image_size]
    # This operation reads PNG too. The accurate method is OpenCV's.
    pixels = tf.io.decode_jpeg(
        picture, channels=3, dct_method="INTEGER_ACCURATE"
    )
    sides = tf.shape(pixels)[:2]
    shrinks = (tf.reduce_min(sides) >= image_size) & (
        tf.reduce_max(sides) >= 2 * image_size
    )
    pixels = tf.cond(
        shrinks,
        lambda: tf.image.resize(pixels, size, method="area"),
        lambda: tf.image.resize(pixels, size),
    )
    return tf.round(pixels) / 255
