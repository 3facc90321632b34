import numpy as np
import PIL.Image
import pytest

from scn_tf import visualize
from scn_tf import visualize_results
from scn_tf.evaluation.linear_svm import compare
from scn_tf.visualize_results import draw_losses
from scn_tf.visualize_results import draw_verdict

BEFORE, AFTER = (154, 165, 177), (31, 111, 180)
GAIN, LOSS = (16, 122, 46), (192, 24, 24)


def read(path):
    with PIL.Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def near(picture, color):
    return np.abs(picture - color).max(axis=2) < 6


def longest_bar(picture, color):
    """The longest run of a color in any line, in pixels."""
    return near(picture, color).sum(axis=1).max()


def part(before, after):
    def result(values):
        measured = [x for x in values.values() if x is not None]
        mean = float(np.mean(measured)) if measured else None
        return {"mean": mean, "per_class": values}

    return compare(result(before), result(after))


def test_bars_are_as_long_as_their_values_from_zero(tmp_path):
    path = tmp_path / "verdict.png"
    draw_verdict(part({"cat": 40.0}, {"cat": 80.0}), "Objects", path)
    picture = read(path)
    ratio = longest_bar(picture, AFTER) / longest_bar(picture, BEFORE)
    assert ratio == pytest.approx(2, rel=0.02)


def test_a_loss_is_written_in_red_and_a_gain_in_green(tmp_path):
    path = tmp_path / "verdict.png"
    draw_verdict(part({"cat": 40.0}, {"cat": 39.0}), "Objects", path)
    assert near(read(path), LOSS).any()
    assert not near(read(path), GAIN).any()
    draw_verdict(part({"cat": 39.0}, {"cat": 40.0}), "Objects", path)
    assert near(read(path), GAIN).any()
    assert not near(read(path), LOSS).any()


def texts_of(part, monkeypatch, tmp_path):
    """Draws a verdict and returns its class names and written numbers."""
    figures = []
    monkeypatch.setattr(
        visualize_results,
        "save_png",
        lambda figure, path: figures.append(figure),
    )
    draw_verdict(part, "Objects", tmp_path / "verdict.png")
    axes = figures[0].axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    return names, [text.get_text() for text in axes.texts]


def test_classes_fall_from_gain_to_loss_below_the_mean(monkeypatch, tmp_path):
    compared = part(
        {"dog": 50.0, "cow": None, "cat": 60.0, "cup": 70.0},
        {"dog": 48.0, "cow": None, "cat": 63.5, "cup": 69.999},
    )
    names, numbers = texts_of(compared, monkeypatch, tmp_path)
    assert names == ["mean", "cat", "cup", "dog", "cow"]
    assert numbers == ["+0.50", "+3.50", "+0.00", "-2.00", "not measured"]


def test_many_classes_and_odd_names_are_drawn(tmp_path):
    values = {f"class $_{i}": float(i) for i in range(101)}
    path = tmp_path / "verdict.png"
    draw_verdict(part(values, values), "100 % $x", path)
    height, width, _ = read(path).shape
    assert height > 3000 and 600 < width < 1000


def test_a_verdict_without_any_value_is_drawn_all_the_same(tmp_path):
    path = tmp_path / "verdict.png"
    draw_verdict(part({"cat": None}, {"cat": None}), "Objects", path)
    assert path.is_file()


def epochs(losses, floor=9.0):
    return [
        {"epoch": i + 1, "loss": x, "val_loss": x + 0.1, "floor": floor}
        for i, x in enumerate(losses)
    ]


def axes_of(history, monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(
        visualize_results,
        "save_png",
        lambda figure, path: figures.append(figure),
    )
    draw_losses(history, tmp_path / "losses.png")
    return figures[0].axes[0]


def test_curves_hold_the_numbers_of_the_history(monkeypatch, tmp_path):
    axes = axes_of(epochs([8.0, 6.0, 5.0]), monkeypatch, tmp_path)
    loss, val_loss, floor = (line.get_xydata() for line in axes.lines)
    np.testing.assert_allclose(loss, [[1, 8], [2, 6], [3, 5]])
    np.testing.assert_allclose(val_loss, [[1, 8.1], [2, 6.1], [3, 5.1]])
    np.testing.assert_allclose(floor, [[1, 9], [2, 9], [3, 9]])


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([8.0, 6.0], "linear"), ([8.0, 0.1], "log"), ([8.0, 0.0], "linear")],
)
def test_a_wide_fall_is_drawn_on_a_log_axis(
    losses, scale, monkeypatch, tmp_path
):
    axes = axes_of(epochs(losses), monkeypatch, tmp_path)
    assert axes.get_yscale() == scale


@pytest.mark.parametrize(
    "history",
    [
        epochs([8.0]),
        [{"epoch": 1, "loss": 8.0, "val_loss": None, "floor": None}],
        [{"epoch": 1, "loss": float("nan")}, {"epoch": 2, "loss": 3.0}],
    ],
)
def test_what_was_not_measured_leaves_a_gap_and_no_error(history, tmp_path):
    path = tmp_path / "losses.png"
    draw_losses(history, path)
    assert near(read(path), BEFORE).any()
    has_floor = history[0].get("floor") is not None
    # The legend alone shows less red than the line across the picture.
    assert (longest_bar(read(path), LOSS) > 100) == has_floor


def test_curves_without_epochs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one epoch"):
        draw_losses([], tmp_path / "losses.png")


def test_a_picture_is_replaced_whole_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "losses.png"
    path.write_text("old")
    draw_losses(epochs([8.0, 6.0]), path)
    assert read(path).shape[2] == 3
    assert [file.name for file in tmp_path.iterdir()] == ["losses.png"]


def test_all_pictures_can_be_had_from_one_module():
    assert visualize.draw_losses is draw_losses
    assert visualize.draw_verdict is draw_verdict
