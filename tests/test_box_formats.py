import numpy as np
import pytest
from PIL import Image
from PIL import ImageOps

from tfrecords import box_formats


def test_vocs_inclusive_corners_become_half_open_edges():
    # A 1 x 1 box on VOC's first pixel, and the whole 320 x 213 picture.
    corners = np.array([[1, 1, 1, 1], [1, 1, 320, 213], [91, 32, 320, 211]])
    converted = box_formats.from_voc(corners)
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(
        converted, [[0, 0, 1, 1], [0, 0, 213, 320], [31, 90, 211, 320]]
    )


def test_no_voc_boxes_are_an_empty_array_of_boxes():
    assert box_formats.from_voc(np.array([])).shape == (0, 4)


def test_corners_in_the_order_x_before_y_are_reordered():
    np.testing.assert_array_equal(
        box_formats.from_xyxy([[1, 2, 3.5, 4]]), [[2, 1, 4, 3.5]]
    )


def test_cocos_corner_and_sides_become_edges():
    # x 10, y 20, 30 wide, 40 high: to x 40 and y 60.
    np.testing.assert_array_equal(
        box_formats.from_xywh([[10, 20, 30, 40]]), [[20, 10, 60, 40]]
    )


def test_yolos_center_and_sides_become_edges():
    # In 100 x 200 (height x width): center x 50, y 50, 20 wide, 10 high.
    np.testing.assert_allclose(
        box_formats.from_centers([[0.25, 0.5, 0.1, 0.1]], (100, 200)),
        [[45, 40, 55, 60]],
    )


def test_fractions_are_of_height_and_width():
    np.testing.assert_array_equal(
        box_formats.from_fractions([[0, 0.25, 0.5, 1]], (100, 200)),
        [[0, 50, 50, 200]],
    )


@pytest.mark.parametrize(
    "convert",
    [
        box_formats.from_xyxy,
        box_formats.from_xywh,
        lambda rows: box_formats.from_centers(rows, (3, 4)),
        lambda rows: box_formats.from_fractions(rows, (3, 4)),
        lambda rows: box_formats.upright(rows, (3, 4), 6),
    ],
)
def test_no_rows_are_an_empty_array_of_boxes(convert):
    assert convert([]).shape == (0, 4)
    assert convert([]).dtype == convert([[0, 0, 1, 1]]).dtype == np.float32


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_box_covers_what_it_covered(orientation):
    marked = np.zeros((24, 40), np.uint8)
    marked[3:9, 5:26] = 255
    picture = Image.fromarray(marked)
    picture.getexif()[0x0112] = orientation
    turned = np.asarray(ImageOps.exif_transpose(picture))
    ((y0, x0, y1, x1),) = box_formats.upright(
        [[3, 5, 9, 26]], (24, 40), orientation
    ).astype(int)
    expected = np.zeros_like(turned)
    expected[y0:y1, x0:x1] = 255
    np.testing.assert_array_equal(turned, expected)
