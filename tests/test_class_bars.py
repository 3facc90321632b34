"""Bars of every class, of one seed or several, measured or not."""

import cv2
import pytest

from scn_tf.experiments.class_bars import draw_class_bars


def part(feature, *values):
    names = ("cat", "dog")
    result = {
        "mean": values[0],
        "per_class": dict(zip(names, values, strict=True)),
        "C": dict.fromkeys(names, 1.0),
    }
    return {"objects": {feature: result}}


@pytest.mark.parametrize("missing", [None, 70.0])
def test_bars_are_drawn_for_all_variants(tmp_path, missing):
    grouped = {
        "original": [part("original", 60.0, missing)],
        "SCN": [part("h1", 61.0, 80.0), part("h1", 63.0, 82.0)],
    }
    path = tmp_path / "bars.png"
    draw_class_bars(grouped, "objects", path)
    picture = cv2.imread(str(path))
    # Gray of the original, orange of the other.
    for color in ([0xB1, 0xA5, 0x9A], [0x0E, 0x7F, 0xFF]):
        assert (picture == color).all(axis=-1).sum() > 100


def test_a_class_is_the_mean_of_the_seeds_that_have_it(tmp_path):
    pictures = []
    for seeds in ((80.0,), (80.0, None), (80.0, 0.0)):
        grouped = {
            "SCN": [part("h1", 80.0, value) for value in seeds],
            "low": [part("h1", 0.0, 0.0)],  # the axis begins at 0
        }
        draw_class_bars(grouped, "objects", tmp_path / "bars.png")
        picture = cv2.imread(str(tmp_path / "bars.png"))
        pictures.append((picture == [0xB1, 0xA5, 0x9A]).all(axis=-1).sum())
    assert abs(pictures[1] - pictures[0]) < 0.05 * pictures[0]
    assert pictures[2] < 0.9 * pictures[0]


def test_nothing_measured_is_drawn_without_bars(tmp_path):
    counts = []
    for value in (60.0, None):
        grouped = {"original": [part("original", value, value)]}
        draw_class_bars(grouped, "objects", tmp_path / "bars.png")
        picture = cv2.imread(str(tmp_path / "bars.png"))
        counts.append((picture == [0xB1, 0xA5, 0x9A]).all(axis=-1).sum())
    # Of that color the legend is left.
    assert 10 * counts[1] < counts[0]
