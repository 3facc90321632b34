import numpy as np
import PIL.Image
import pytest

from scn_tf import visualize_low_shot
from scn_tf.visualize_low_shot import draw_low_shot


def result_of(**curves):
    return {
        "num_examples": [1, 2, 4],
        "curves": {
            name: {"mean": mean, "std": std, "draws": [[1.0] * 5] * 3}
            for name, (mean, std) in curves.items()
        },
        "form": "area",
    }


RESULT = result_of(
    before=([30.0, 40.0, 55.0], [4.0, 3.0, 1.0]),
    after=([35.0, 48.0, 60.0], [5.0, 2.0, 1.0]),
)


def axes_of(result, monkeypatch, tmp_path, title="Objects"):
    figures = []
    monkeypatch.setattr(
        visualize_low_shot,
        "save_png",
        lambda figure, path: figures.append(figure),
    )
    draw_low_shot(result, title, tmp_path / "low_shot.png")
    return figures[0].axes[0]


def test_it_is_a_png_that_replaces_the_old_one_whole(tmp_path):
    path = tmp_path / "low_shot.png"
    path.write_text("old")
    draw_low_shot(RESULT, "Objects", path)
    with PIL.Image.open(path) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # The blue of the second curve, in the line alone, not in its band.
    assert (np.abs(pixels - (31, 111, 180)).max(axis=2) < 6).sum() > 300
    assert [file.name for file in tmp_path.iterdir()] == ["low_shot.png"]


def test_curves_hold_the_means_and_bands_one_deviation(monkeypatch, tmp_path):
    axes = axes_of(RESULT, monkeypatch, tmp_path)
    before, after = (line.get_xydata() for line in axes.lines)
    np.testing.assert_allclose(before, [[1, 30], [2, 40], [4, 55]])
    np.testing.assert_allclose(after, [[1, 35], [2, 48], [4, 60]])
    heights = [
        band.get_paths()[0].get_extents().get_points()[:, 1]
        for band in axes.collections
    ]
    np.testing.assert_allclose(heights, [[26, 56], [30, 61]])


def test_names_number_of_draws_and_form_are_written(monkeypatch, tmp_path):
    axes = axes_of(RESULT, monkeypatch, tmp_path)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["before", "after"]
    assert "5 draws" in axes.get_xlabel()
    assert "VOC2010, area" in axes.get_ylabel()
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["1", "2", "4"]


def test_what_was_not_measured_leaves_a_gap(monkeypatch, tmp_path):
    result = result_of(before=([None, 40.0, 55.0], [None, 3.0, 1.0]))
    line = axes_of(result, monkeypatch, tmp_path).lines[0]
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 40, 55])
    monkeypatch.undo()
    draw_low_shot(result, "Objects", tmp_path / "low_shot.png")


def test_odd_names_and_titles_are_drawn_as_they_are(monkeypatch, tmp_path):
    result = result_of(**{"_$a_": ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])})
    axes = axes_of(result, monkeypatch, tmp_path, "100 % $x")
    assert len(axes.get_legend().get_texts()) == 1
    monkeypatch.undo()
    draw_low_shot(result, "100 % $x", tmp_path / "low_shot.png")


def test_a_result_without_curves_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs a curve"):
        draw_low_shot(result_of(), "Objects", tmp_path / "low_shot.png")
