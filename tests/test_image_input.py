"""Laws of what a module does to pictures."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.image_input import decoded
from export.image_input import resized
from tfrecords.images import decode
from tfrecords.reader import crop_patches

SIZE = 16
LEVEL = 1 / 255


def photograph(height, width, seed=0):
    """A JPEG of blobs: noise would hide what a resize does."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def as_the_projects_crops(encoded):
    pixels = decode(encoded)
    whole = np.array([[0, 0, *pixels.shape[:2]]], np.float32)
    return np.float32(crop_patches(pixels, whole, SIZE)) * LEVEL


@pytest.mark.parametrize(
    "height, width",
    [(16, 16), (50, 70), (33, 16), (31, 31), (20, 30), (9, 40), (5, 7)],
)
def test_a_file_becomes_what_the_projects_crops_are(height, width):
    encoded = photograph(height, width)
    images = decoded(tf.constant([encoded]), SIZE)
    expected = as_the_projects_crops(encoded)
    difference = np.abs(images - expected)
    assert difference.max() <= 1.01 * LEVEL  # OpenCV's rounded weights
    assert np.mean(difference > 0.5 * LEVEL) < 0.25


def test_files_of_several_sizes_and_formats_make_one_batch():
    jpeg = photograph(20, 30)
    png = io.BytesIO()
    Image.fromarray(decode(jpeg)).save(png, "PNG")
    decode_all = tf.function(lambda encoded: decoded(encoded, SIZE))
    encoded = tf.constant([jpeg, png.getvalue(), photograph(50, 16)])
    images = decode_all(encoded)
    assert images.shape == (3, SIZE, SIZE, 3)
    np.testing.assert_allclose(images[0], images[1], atol=1.01 * LEVEL)
    assert decode_all(encoded[:0]).shape == (0, SIZE, SIZE, 3)


def test_a_gray_picture_gets_three_channels():
    gray = Image.new("L", (SIZE, SIZE), 51)
    buffer = io.BytesIO()
    gray.save(buffer, "PNG")
    images = decoded(tf.constant([buffer.getvalue()]), SIZE)
    np.testing.assert_allclose(images, np.full((1, SIZE, SIZE, 3), 0.2))


def test_images_of_the_size_are_not_touched():
    images = np.random.default_rng(0).random((2, SIZE, SIZE, 3), np.float32)
    np.testing.assert_array_equal(resized(images, SIZE), images)


def test_other_images_are_shrunk_with_antialias():
    images = np.random.default_rng(0).random((2, 40, 50, 3), np.float32)
    expected = tf.image.resize(images, (SIZE, SIZE), antialias=True)
    np.testing.assert_array_equal(resized(images, SIZE), expected)
