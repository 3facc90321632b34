"""Laws of the scans of a JPEG."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from tfrecords.errors import InputError
from tfrecords.images import load_image
from tfrecords.jpeg_scans import check_scans
from tfrecords.jpeg_scans import count_scans
from tfrecords.jpeg_scans import MOST_SCANS

SCAN = b"\xff\xda"


def jpeg(mode="RGB", **options):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, [90, 70, 3], np.uint8))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def repeated(content, number):
    """Returns a JPEG whose last scan comes so many times more."""
    last = content[content.rindex(SCAN) : -2]
    return content[:-2] + last * number + content[-2:]


@pytest.mark.parametrize(
    ("content", "scans"),
    [
        (jpeg(), 1),
        (jpeg(restart_marker_blocks=1), 1),
        (jpeg("L", progressive=True), 6),
        (jpeg(progressive=True), 10),
        (jpeg(comment=SCAN * 500), 1),
        (jpeg() + jpeg(progressive=True), 1),
        (b"\xff\xd8\xff\xff" + jpeg()[3:], 1),
        (jpeg()[:-2], 1),
        (jpeg()[:30], 0),
        (b"\xff", 0),
        (b"", 0),
    ],
)
def test_the_scans_of_the_first_picture_are_counted(content, scans):
    assert count_scans(content) == scans
    check_scans("a.jpg", content)


def test_as_many_as_any_program_writes_are_read():
    content = jpeg("L", progressive=True)
    content = repeated(content, MOST_SCANS - count_scans(content))
    assert load_image(content).encoded == content


def test_a_jpeg_that_would_take_hours_is_refused_at_once():
    buffer = io.BytesIO()
    image = Image.new("L", (8000, 8000), 128)
    image.save(buffer, "JPEG", progressive=True)
    content = repeated(buffer.getvalue(), 9_994)
    start = time.thread_time()
    with pytest.raises(InputError, match="has 10,000 scans, at most 100"):
        load_image(content)
    assert time.thread_time() - start < 5
