"""A sheet of pictures: a query, and what is nearest to it.

In: pictures with names and similarities. Out: a PNG file.
"""

import os
import warnings
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from scn_tf.visualize_results import new_figure
from scn_tf.visualize_results import save_png

_COLUMNS = 4
# In inches: a picture's square, its cell, the caption below, the rim, the gap
# between the query and the others.
_PICTURE, _CELL, _CAPTION, _MARGIN, _GAP = 2.0, 2.15, 0.5, 0.12, 0.25
_MOST_SIGNS = 30  # of a name below a picture
_QUERY_COLOR = "#1f6fb4"


def draw_neighbors(
    query: np.ndarray,
    query_name: str,
    neighbors: Sequence[tuple[np.ndarray, str, float]],
    path: str | os.PathLike,
) -> None:
    """Draws the query at the left, the others row by row beside it.

    Args:
        query: uint8 [H, W, 3].
        query_name: stands below it.
        neighbors: (picture uint8 [H, W, 3], name, similarity), nearest
            first; at least one.
        path: PNG file to write.
    """
    rows = [
        neighbors[first : first + _COLUMNS]
        for first in range(0, len(neighbors), _COLUMNS)
    ]
    heights = [
        max(_height(image) for image, _, _ in row) + _CAPTION for row in rows
    ]
    heights[0] = max(heights[0], _height(query) + _CAPTION)
    figure = new_figure(
        (1 + len(rows[0])) * _CELL + _GAP + _MARGIN,
        sum(heights) + _MARGIN,
        layout=None,
    )
    caption = f"query\n{_shortened(query_name)}"
    baseline = heights[0] - _CAPTION + _MARGIN
    _draw(figure, _MARGIN, baseline, query, caption, _QUERY_COLOR)
    for number, row in enumerate(rows):
        baseline = sum(heights[: number + 1]) - _CAPTION + _MARGIN
        for column, (image, name, similarity) in enumerate(row):
            place = number * _COLUMNS + column + 1
            left = _MARGIN + (column + 1) * _CELL + _GAP
            caption = f"{place}.  {similarity:.3f}\n{_shortened(name)}"
            _draw(figure, left, baseline, image, caption)
    with warnings.catch_warnings():
        # A name may have signs that the font lacks: boxes stand for them.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        save_png(figure, path)


def _draw(
    figure: Figure,
    left: float,
    baseline: float,
    image: np.ndarray,
    caption: str,
    frame: str | None = None,
) -> None:
    """Draws a picture that stands `baseline` inches below the upper edge."""
    width, height = figure.get_size_inches()
    size = (_PICTURE / width, _PICTURE / height)
    axes = figure.add_axes((left / width, 1 - baseline / height, *size))
    axes.imshow(image, interpolation="antialiased")
    axes.set_anchor("S")  # The captions of a row stand in one line.
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(frame is not None)
        spine.set_color(frame)
        spine.set_linewidth(3)
    axes.set_xlabel(caption, fontsize=7.5, parse_math=False, labelpad=3)


def _height(image: np.ndarray) -> float:
    """Returns the height in inches at which a picture is drawn."""
    height, width = image.shape[:2]
    return _PICTURE * min(1, height / width)


def _shortened(name: str) -> str:
    if len(name) <= _MOST_SIGNS:
        return name
    return "..." + name[3 - _MOST_SIGNS :]
