"""Pictures of what a network sees: pairs on photographs, predictions.

In: pictures, boxes and patches as arrays. Out: PNG files. The charts of
`visualize_results` can be had from here as well.
"""

import math
import os
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from scn_tf.visualize_results import draw_losses
from scn_tf.visualize_results import draw_verdict
from scn_tf.visualize_results import new_figure
from scn_tf.visualize_results import save_png

__all__ = ["draw_losses", "draw_pairs", "draw_predictions", "draw_verdict"]

_SOURCE, _TARGET, _ARROW = "#00d84a", "#ff2020", "#ffe100"
_MAX_COLUMNS = 3
_MAX_TITLE = 34
# Of a sheet of patches, in inches: a patch, and the cell it lies in.
_PATCH, _COLUMN, _ROW = 1.2, 1.35, 1.5
_MARGIN = 0.5  # above the patches and below them
# Lines with a dark rim can be seen on any photograph.
_RIM = [withStroke(linewidth=4, foreground="black")]
# Source patch, offset in words, target patch, nearest patches, distances.
_Row = tuple[np.ndarray, str, np.ndarray, Sequence[np.ndarray], Sequence[float]]


def draw_pairs(
    images: Sequence[np.ndarray],
    pairs: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]],
    path: str | os.PathLike,
    titles: Sequence[str] | None = None,
) -> None:
    """Draws photographs with some of their pairs.

    Args:
        images: uint8 [H, W, 3] each, of any size.
        pairs: for each photograph its (source, target) boxes, [4] pixels
            (y0, x0, y1, x1).
        path: PNG file to write.
        titles: one per photograph.

    Raises:
        ValueError: if there is no photograph, or not one list per
            photograph.
    """
    titles = [""] * len(images) if titles is None else titles
    if not len(images) or not len(images) == len(pairs) == len(titles):
        raise ValueError(
            "`images`, `pairs` and `titles` must be of one length, at least "
            f"1. Received: {len(images)}, {len(pairs)}, {len(titles)}."
        )
    columns = min(_MAX_COLUMNS, math.ceil(math.sqrt(len(images))))
    num_rows = math.ceil(len(images) / columns)
    figure = new_figure(3.9 * columns, 3.3 * num_rows + 0.5)
    grid = figure.subplots(num_rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, boxes, title in zip(
        grid, images, pairs, titles, strict=False
    ):
        height, width = image.shape[:2]
        # Pixel i covers [i, i + 1), as in the boxes.
        axes.imshow(image, extent=(0, width, height, 0))
        axes.set_title(_shortened(title), fontsize=9, parse_math=False)
        for source, target in boxes:
            _draw_pair(axes, source, target)
    _draw_legend(figure)
    save_png(figure, path)


def draw_predictions(rows: Sequence[_Row], path: str | os.PathLike) -> None:
    """Draws what the context module expects where (the paper's h3).

    Args:
        rows: (source patch, offset in words, true target patch, patches
            whose features lie nearest to the predicted h3, their distances
            to it); patches are [S, S, 3], float in [0, 1] or uint8.
        path: PNG file to write.

    Raises:
        ValueError: if there is no row.
    """
    if not len(rows):
        raise ValueError("A sheet of predictions needs at least one row.")
    headers = ["source", "offset", "true target"]
    num_nearest = max(len(nearest) for _, _, _, nearest, _ in rows)
    headers += [f"nearest: {i + 1}" for i in range(num_nearest)]
    width, height = _COLUMN * len(headers), _ROW * len(rows) + 2 * _MARGIN
    # One pair of axes and one image: a pair for each patch, and their layout,
    # take more than twice as long, and a training waits for this sheet.
    figure = new_figure(width, height, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    shape = (round(height * figure.dpi), round(width * figure.dpi), 3)
    sheet = np.full(shape, 255, np.uint8)
    for column, header in enumerate(headers):
        _write(axes, column, _MARGIN - 0.15, header, 10)
    for line, row in enumerate(rows):
        _draw_row(axes, sheet, _MARGIN + line * _ROW, row)
    axes.imshow(sheet, interpolation="nearest", extent=(0, width, height, 0))
    axes.text(
        width / 2,
        height - 0.08,
        "nearest: patches whose true features lie nearest to the predicted "
        "h3, with their distance;\nframed red where it is the true target",
        fontsize=9,
        ha="center",
        va="bottom",
    )
    save_png(figure, path)


def _draw_row(axes: Axes, sheet: np.ndarray, top: float, row: _Row) -> None:
    """Draws a row whose patches begin `top` inches below the upper edge."""
    source, offset, target, nearest, distances = row
    _draw_patch(axes, sheet, 0, top, source, _SOURCE)
    _write(axes, 1, top + _PATCH / 2, offset, 9)
    _draw_patch(axes, sheet, 2, top, target, _TARGET)
    for column, (patch, distance) in enumerate(
        zip(nearest, distances, strict=True), 3
    ):
        frame = _TARGET if np.array_equal(patch, target) else None
        _draw_patch(axes, sheet, column, top, patch, frame)
        _write(axes, column, top + _PATCH + 0.12, f"{distance:.4g}", 8)


def _write(axes: Axes, column: int, y: float, text: str, size: int) -> None:
    x = (column + 0.5) * _COLUMN
    axes.text(x, y, text, ha="center", va="center", fontsize=size)


def _draw_legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=_SOURCE, linewidth=2),
        Line2D([], [], color=_TARGET, linewidth=2, linestyle="--"),
        Line2D([], [], color=_ARROW, linewidth=2, path_effects=_RIM),
    ]
    labels = ["source: seen", "target: its feature is predicted", "offset"]
    figure.legend(
        handles, labels, loc="outside lower center", ncols=3, frameon=False
    )


def _draw_pair(axes: Axes, source: np.ndarray, target: np.ndarray) -> None:
    for box, color, style in ((source, _SOURCE, "-"), (target, _TARGET, "--")):
        y0, x0, y1, x1 = (float(value) for value in box)
        axes.add_patch(
            Rectangle(
                (x0, y0),
                x1 - x0,
                y1 - y0,
                fill=False,
                edgecolor=color,
                linewidth=2,
                linestyle=style,
            )
        )
    axes.add_patch(
        FancyArrowPatch(
            _center(source),
            _center(target),
            arrowstyle="-|>",
            mutation_scale=12,
            shrinkA=0,
            shrinkB=0,
            color=_ARROW,
            linewidth=1.8,
            path_effects=_RIM,
        )
    )


def _center(box: np.ndarray) -> tuple[float, float]:
    y0, x0, y1, x1 = (float(value) for value in box)
    return (x0 + x1) / 2, (y0 + y1) / 2


def _draw_patch(
    axes: Axes,
    sheet: np.ndarray,
    column: int,
    top: float,
    patch: np.ndarray,
    frame: str | None,
) -> None:
    """Puts a patch into the sheet, pixel by pixel, and a frame around it."""
    left = column * _COLUMN + (_COLUMN - _PATCH) / 2
    dpi = axes.figure.dpi
    y, x, side = (round(inches * dpi) for inches in (top, left, _PATCH))
    if patch.dtype != np.uint8:
        patch = np.round(255 * np.clip(patch, 0, 1)).astype(np.uint8)
    shrinks = patch.shape[0] > side
    sheet[y : y + side, x : x + side] = cv2.resize(
        patch,
        (side, side),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    if frame:
        axes.add_patch(
            Rectangle(
                (left, top),
                _PATCH,
                _PATCH,
                fill=False,
                edgecolor=frame,
                linewidth=3,
            )
        )


def _shortened(title: str) -> str:
    if len(title) <= _MAX_TITLE:
        return title
    return "..." + title[3 - _MAX_TITLE :]
