"""Charts of the verdict and of the losses, and how a figure becomes a file.

In: the dicts that stand in verdict.json and metrics.jsonl. Out: PNG files.
No display is needed and no state of pyplot is touched.
"""

import math
import os
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tfrecords import files

_DPI = 110
_BEFORE, _AFTER = "#9aa5b1", "#1f6fb4"
_GAIN, _LOSS = "#107a2e", "#c01818"
_FLOOR_LABEL = "floor: best constant prediction"
_LOG_RATIO = 20  # a wider range of losses than this is drawn on a log axis


def new_figure(
    width: float, height: float, layout: str | None = "constrained"
) -> Figure:
    """Returns an empty figure; sizes in inches.

    Args:
        width: of the figure.
        height: of the figure.
        layout: "constrained" lets nothing overlap, and draws twice.
    """
    return Figure(figsize=(width, height), dpi=_DPI, layout=layout)


def save_png(figure: Figure, path: str | os.PathLike) -> None:
    """Writes the figure; a picture at `path` is replaced whole."""
    with files.replacing(path) as temporary:
        # The temporary name does not end in .png: the format is named.
        figure.savefig(temporary, format="png", facecolor="white")


def draw_verdict(part: Mapping, title: str, path: str | os.PathLike) -> None:
    """Draws the AP of every class before and after, largest gain on top.

    Args:
        part: what `linear_svm.compare` returns; a class without a value is
            drawn at the bottom, without bars.
        title: what was classified.
        path: PNG file to write.
    """
    difference = part["difference"]["per_class"]
    names = sorted(
        difference,
        key=lambda name: (difference[name] is None, -(difference[name] or 0)),
    )
    bars = [("mean", *_bar(part, "mean"))]
    bars += [(name, *_bar(part, "per_class", name)) for name in names]
    # The mean stands apart from the classes.
    places = np.array([0.0, *(np.arange(len(names)) + 1.5)])
    figure = new_figure(7.2, 0.34 * len(bars) + 1.5)
    axes = figure.subplots()
    for place, (_, *values) in zip(places, bars, strict=True):
        _draw_bars(axes, place, *values)
    axes.set_yticks(places, [bar[0] for bar in bars], parse_math=False)
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.set_xlim(0, 112)  # AP ends at 100; the rest is for the numbers
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("average precision in % (number: after minus before)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, parse_math=False)
    handles = [Rectangle((0, 0), 1, 1, color=c) for c in (_BEFORE, _AFTER)]
    figure.legend(
        handles,
        ["before", "after"],
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    save_png(figure, path)


def draw_losses(history: Sequence[Mapping], path: str | os.PathLike) -> None:
    """Draws the loss over the epochs against the floor.

    Args:
        history: one mapping per epoch with "epoch" and, where measured,
            "loss", "val_loss" and "floor".
        path: PNG file to write.

    Raises:
        ValueError: if there is no epoch.
    """
    if not len(history):
        raise ValueError("Loss curves need at least one epoch.")
    epochs = [line["epoch"] for line in history]
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    curves = {
        key: np.array([_number(line.get(key)) for line in history])
        for key in ("loss", "val_loss", "floor")
    }
    axes.plot(epochs, curves["loss"], ".-", color=_BEFORE)
    axes.plot(epochs, curves["val_loss"], ".-", color=_AFTER)
    # A line of one epoch has no length; the floor must be seen there too.
    floor_epochs = epochs if len(epochs) > 1 else [epochs[0] - 1, epochs[0]]
    floor = np.broadcast_to(curves["floor"], len(floor_epochs))
    axes.plot(floor_epochs, floor, "--", color=_LOSS)
    labels = ["training pairs", "held-out pairs", _FLOOR_LABEL]
    axes.legend(axes.lines, labels, frameon=False)
    values = np.concatenate(list(curves.values()))
    values = values[np.isfinite(values)]
    if values.size and values.max() > _LOG_RATIO * values.min() > 0:
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss per pair")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    save_png(figure, path)


def _bar(part: Mapping, *keys: str) -> list[float | None]:
    values = []
    for when in ("before", "after", "difference"):
        value = part[when]
        for key in keys:
            value = value[key]
        values.append(value)
    return values


def _draw_bars(
    axes: Axes,
    place: float,
    before: float | None,
    after: float | None,
    change: float | None,
) -> None:
    axes.barh(place - 0.2, before or 0, 0.38, color=_BEFORE)
    axes.barh(place + 0.2, after or 0, 0.38, color=_AFTER)
    text, color = "not measured", "black"
    if change is not None:
        change = round(change, 2) + 0.0  # makes a zero of "-0.00"
        text = f"{change:+.2f}"
        color = _GAIN if change > 0 else _LOSS if change < 0 else "black"
    axes.text(
        max(before or 0, after or 0) + 1,
        place,
        text,
        va="center",
        fontsize=9,
        fontweight="normal" if place else "bold",
        color=color,
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
