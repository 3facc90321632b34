"""Figure 3 of the paper: loss per epoch, a line and a band per variant.

In: curves of several seeds. Out: a PNG file.
"""

import pathlib

import numpy as np
from matplotlib.ticker import MaxNLocator

from scn_tf.visualize_results import new_figure
from scn_tf.visualize_results import save_png


def draw_loss_bands(curves: dict[str, np.ndarray], path: pathlib.Path) -> None:
    """Draws mean and range over seeds of the loss over its floor.

    Args:
        curves: [seeds, epochs] by variant.
        path: PNG file to write.
    """
    figure = new_figure(7, 4.2)
    axes = figure.subplots()
    for index, (name, curve) in enumerate(curves.items()):
        epochs = np.arange(1, curve.shape[1] + 1)
        color = f"C{index}"
        axes.fill_between(
            epochs, curve.min(0), curve.max(0), color=color, alpha=0.2, lw=0
        )
        axes.plot(
            epochs,
            curve.mean(0),
            color=color,
            marker="." if curve.shape[1] < 50 else "",
            label=f"{name} ({len(curve)} seeds)",
        )
    axes.axhline(1, color="gray", lw=0.8, ls="--", label="best constant")
    axes.set_xlabel("epoch")
    axes.set_ylabel("held-out loss over its floor")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    # An untrained network is far worse than a constant.
    highest = max(
        np.max(curve[:, 1:], initial=1.0) for curve in curves.values()
    )
    axes.set_ylim(0, min(highest * 1.05, 3))
    axes.grid(linewidth=0.3)
    axes.legend()
    save_png(figure, path)
