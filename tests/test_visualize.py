import numpy as np
import PIL.Image
import pytest

from scn_tf import visualize

GREEN, RED, YELLOW = (0, 216, 74), (255, 32, 32), (255, 225, 0)


def read(path):
    with PIL.Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def extent(picture, color):
    """(y0, x0, y1, x1) of all pixels of a color, above the legend."""
    near = np.abs(picture - color).max(axis=2) < 12
    near[int(0.88 * len(near)) :] = False
    ys, xs = np.nonzero(near)
    return ys.min(), xs.min(), ys.max() + 1, xs.max() + 1


def gray(height, width):
    return np.full((height, width, 3), 128, np.uint8)


def test_source_and_target_stand_where_their_boxes_are(tmp_path):
    source = np.array([20, 10, 60, 40], np.float32)
    target = np.array([50, 120, 90, 190], np.float32)
    path = tmp_path / "pairs.png"
    visualize.draw_pairs([gray(100, 200)], [[(source, target)]], path)
    picture = read(path)
    photograph = extent(picture, (128, 128, 128))
    scale = (photograph[3] - photograph[1]) / 200
    for box, color in ((source, GREEN), (target, RED)):
        wanted = np.array(photograph[:2] * 2) + scale * box
        # Lines are two points wide, about three pixels.
        np.testing.assert_allclose(extent(picture, color), wanted, atol=4)


def test_the_arrow_leads_from_the_source_to_the_target(tmp_path):
    source = np.array([10, 10, 30, 30], np.float32)
    target = np.array([60, 150, 80, 170], np.float32)
    path = tmp_path / "pairs.png"
    visualize.draw_pairs([gray(100, 200)], [[(source, target)]], path)
    picture = read(path)
    photograph = extent(picture, (128, 128, 128))
    scale = (photograph[3] - photograph[1]) / 200
    centers = np.array([20, 20, 70, 160])
    wanted = np.array(photograph[:2] * 2) + scale * centers
    np.testing.assert_allclose(extent(picture, YELLOW), wanted, atol=9)


def test_photographs_of_any_shape_and_number_fill_a_grid(tmp_path):
    sizes = [(50, 300), (300, 50), (64, 64), (1, 1), (100, 120)]
    images = [gray(*size) for size in sizes]
    box = np.array([0, 0, 1, 1], np.float32)
    pairs = [[], [(box, box)], [(box, box)] * 3, [], []]
    # A dollar sign would start a formula; the long name must not spread.
    titles = ["$a_", "x" * 200, "", "b", "c"]
    path = tmp_path / "pairs.png"
    visualize.draw_pairs(images, pairs, path, titles)
    height, width, _ = read(path).shape
    assert 600 < height < 1200 and 1000 < width < 1600


def test_pairs_without_photographs_or_titles_that_miss_are_refused(tmp_path):
    path = tmp_path / "pairs.png"
    with pytest.raises(ValueError, match="at least 1. Received: 0, 0, 0"):
        visualize.draw_pairs([], [], path)
    with pytest.raises(ValueError, match="Received: 1, 2, 1"):
        visualize.draw_pairs([gray(9, 9)], [[], []], path)
    with pytest.raises(ValueError, match="Received: 1, 1, 2"):
        visualize.draw_pairs([gray(9, 9)], [[]], path, ["a", "b"])
    assert not list(tmp_path.iterdir())


def patch(level):
    return np.full((16, 16, 3), level, np.float32)


def test_a_sheet_shows_each_patch_and_frames_the_true_target(tmp_path):
    target = patch(0.5)
    row = (patch(0.2), "3 px right\n4 px up", target)
    missed = (*row, [patch(0.7), patch(0.9)], [1.0, 2.0])
    found = (*row, [patch(0.7), target], [1.0, 2.0])
    visualize.draw_predictions([missed], tmp_path / "missed.png")
    visualize.draw_predictions([found], tmp_path / "found.png")
    missed, found = read(tmp_path / "missed.png"), read(tmp_path / "found.png")
    assert missed.shape == found.shape

    def count(picture, color):
        return (np.abs(picture - color).max(axis=2) < 3).sum()

    for level in (0.2, 0.5, 0.7, 0.9):
        assert count(missed, round(255 * level)) > 2000
    assert count(found, RED) > 1.8 * count(missed, RED) > 0
    assert count(found, GREEN) == count(missed, GREEN) > 0


def test_patches_of_bytes_and_of_fractions_look_alike(tmp_path):
    fractions = (patch(0.2), "", patch(0.4), [patch(0.6)], [1.0])
    levels = [
        np.full((16, 16, 3), round(255 * level), np.uint8)
        for level in (0.2, 0.4, 0.6)
    ]
    as_bytes = (levels[0], "", levels[1], [levels[2]], [1.0])
    visualize.draw_predictions([fractions], tmp_path / "a.png")
    visualize.draw_predictions([as_bytes], tmp_path / "b.png")
    difference = read(tmp_path / "a.png") - read(tmp_path / "b.png")
    assert np.abs(difference).max() <= 1


def test_rows_may_have_fewer_neighbors_or_none(tmp_path):
    path = tmp_path / "sheet.png"
    some = (patch(0.2), "here", patch(0.4), [patch(0.6)], [1.0])
    none = (patch(0.2), "here", patch(0.4), [], [])
    visualize.draw_predictions([some, none], path)
    wide = read(path).shape[1]
    visualize.draw_predictions([none], path)
    assert read(path).shape[1] < wide


def test_a_sheet_without_rows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one row"):
        visualize.draw_predictions([], tmp_path / "sheet.png")
