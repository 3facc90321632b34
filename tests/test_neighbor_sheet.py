"""Laws of the sheet: any number, shape and name of pictures can be drawn."""

import numpy as np
import pytest
from PIL import Image
from small_pictures import picture

from scn_tf.embedding.neighbor_sheet import draw_neighbors


@pytest.mark.parametrize("number", [1, 4, 5])
def test_a_sheet_has_a_row_per_four_neighbors(tmp_path, number):
    neighbors = [
        (picture(index, 50, 50), f"{index}.png", 1 - index / 9)
        for index in range(number)
    ]
    draw_neighbors(picture(50), "query.png", neighbors, tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as sheet:
        width, height = sheet.size
        pixels = np.asarray(sheet.convert("RGB"))
    assert round(height / 110 / 2.5) == -(-number // 4)
    assert (width > 1000) == (number >= 4)
    # Nothing is cut off: the rim is white.
    for rim in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (rim == 255).all()


def test_wide_pictures_take_less_height(tmp_path):
    for name, height in (("wide.png", 30), ("square.png", 90)):
        neighbors = [(picture(1, height, 90), "a.png", 0.5)] * 8
        draw_neighbors(picture(0, height, 90), "q", neighbors, tmp_path / name)
    heights = []
    for name in ("wide.png", "square.png"):
        with Image.open(tmp_path / name) as sheet:
            heights.append(sheet.size[1])
    # Two rows of pictures that are 2 / 3 inch high instead of 2.
    assert heights[1] - heights[0] == pytest.approx(110 * 2 * 4 / 3, abs=2)


def test_names_of_any_signs_are_drawn(tmp_path):
    names = ["$x_1$.png", "\u5199\u771f.png", "long/" * 30 + "name.png", "\\"]
    neighbors = [(picture(1), name, 0.5) for name in names]
    draw_neighbors(picture(0), names[1], neighbors, tmp_path / "s.png")
    assert (tmp_path / "s.png").is_file()
