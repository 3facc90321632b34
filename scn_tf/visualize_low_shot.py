"""Curves of mAP over examples per class, one per set of features.

In: what `evaluation.low_shot.low_shot_curves` returns. Out: a PNG file.
"""

import os
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from scn_tf.visualize_results import new_figure
from scn_tf.visualize_results import save_png

_COLORS = ("#9aa5b1", "#1f6fb4", "#c86400", "#107a2e", "#8a3ab9", "#c01818")
_MARKERS = "osD^vP"  # told apart without colors as well
_FORMS = {
    "eleven_point": "VOC2007, 11 points",
    "area": "VOC2010, area",
    "scikit_learn": "scikit-learn",
}


def draw_low_shot(result: Mapping, title: str, path: str | os.PathLike) -> None:
    """Draws the mean over the draws and a band of one standard deviation.

    Args:
        result: of `low_shot_curves`; what was not measured leaves a gap.
        title: what was classified.
        path: PNG file to write.

    Raises:
        ValueError: if there is no curve.
    """
    if not result["curves"]:
        raise ValueError("A picture of low-shot curves needs a curve.")
    figure = new_figure(7, 4.6)
    axes = figure.subplots()
    numbers = result["num_examples"]
    for place, (name, curve) in enumerate(result["curves"].items()):
        _draw_curve(axes, numbers, curve, name, place)
    # Twice as many examples are one step to the right, wherever one is.
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()
    num_draws = len(next(iter(result["curves"].values()))["draws"][0])
    axes.set_xlabel(
        f"examples per class (mean of {num_draws} draws; band: one standard "
        "deviation)"
    )
    form = _FORMS.get(result["form"], result["form"])
    axes.set_ylabel(f"mean average precision in %\n({form})")
    axes.set_title(title, parse_math=False)
    legend = axes.legend(frameon=False, loc="lower right")
    for text in legend.get_texts():
        text.set_parse_math(False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    save_png(figure, path)


def _draw_curve(
    axes: Axes, numbers: list[int], curve: Mapping, name: str, place: int
) -> None:
    color = _COLORS[place % len(_COLORS)]
    # float turns None into NaN, which leaves a gap.
    mean, std = (np.array(curve[key], float) for key in ("mean", "std"))
    axes.fill_between(
        numbers, mean - std, mean + std, color=color, alpha=0.2, linewidth=0
    )
    marker = _MARKERS[place % len(_MARKERS)]
    axes.plot(numbers, mean, f"{marker}-", color=color, markersize=4)
    # A name that begins with an underscore would hide the curve.
    axes.lines[-1].set_label(name if not name.startswith("_") else f" {name}")
