"""Figure 6 of the paper: the AP of every class, a bar per variant.

In: measured values by variant. Out: a PNG file.
"""

import pathlib
import warnings
from collections.abc import Callable

import numpy as np

from scn_tf.visualize_results import new_figure
from scn_tf.visualize_results import save_png

_TITLES = {"objects": "Object crops", "images": "Whole images"}
_BAR = 0.8  # of the room of a class


def draw_class_bars(
    grouped: dict[str, list[dict]], kind: str, path: pathlib.Path
) -> None:
    """Draws the AP of each class and the mean, with its spread over seeds.

    Args:
        grouped: values of all seeds by variant, see `measure_features`.
        kind: "objects" or "images".
        path: PNG file to write.
    """
    rows = {
        name: np.array([_aps(value[kind]) for value in values], float)
        for name, values in grouped.items()
    }
    names = ["mean", *_result(next(iter(grouped.values()))[0][kind])["C"]]
    figure = new_figure(0.62 * len(names) + 1.5, 4.2)
    axes = figure.subplots()
    places = np.arange(len(names))
    width = _BAR / len(rows)
    for index, (name, values) in enumerate(rows.items()):
        axes.bar(
            places - _BAR / 2 + (index + 0.5) * width,
            np.nan_to_num(_over_seeds(np.nanmean, values)),
            width,
            yerr=_over_seeds(np.nanstd, values, ddof=1),
            error_kw={"elinewidth": 0.6},
            label=name,
            color=f"C{index}" if index else "#9aa5b1",
        )
    known = np.concatenate([values.ravel() for values in rows.values()])
    lowest = np.nanmin(known) if np.isfinite(known).any() else 0.0
    axes.set_ylim(max(0.0, lowest - 5), 101)
    axes.set_xticks(places, names, rotation=45, ha="right", parse_math=False)
    axes.get_xticklabels()[0].set_fontweight("bold")
    axes.set_ylabel("AP in %")
    axes.set_title(f"{_TITLES[kind]}, h1 of each variant")
    columns = min(len(rows), 6)
    figure.legend(ncols=columns, fontsize=8, loc="outside lower center")
    axes.grid(axis="y", linewidth=0.3)
    save_png(figure, path)


def _result(part: dict) -> dict:
    return part["h1"] if "h1" in part else part["original"]


def _over_seeds(statistic: Callable, values: np.ndarray, **more) -> np.ndarray:
    """Of the seeds that have a value; nan where too few have, unwarned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return statistic(values, axis=0, **more)


def _aps(part: dict) -> list[float | None]:
    """The mean and the AP of every class; nan where not measured."""
    result = _result(part)
    return [result["mean"], *result["per_class"].values()]
