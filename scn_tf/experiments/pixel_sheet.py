"""Figure 4 of the paper: what is predicted of a target's pixels, by epoch.

In: a run with --targets=pixels, watched while it trains. Out: a sheet with a
row per label (a square beside the circle, a triangle above it, nothing off
its axes) and a column per epoch, all predicted from one circle; the share of
predictions that are nearest to the right template.
"""

import pathlib
import string

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from scn_tf.geometry import corner_offsets
from scn_tf.pixel_targets import as_pictures
from scn_tf.run import Run
from scn_tf.visualize_results import new_figure
from scn_tf.visualize_results import save_png
from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.pair_graph import PairGraph
from tfrecords.reader import load_picture

EPOCHS = (1, 2, 3, 4, 5, 6, 21, 27, 35)  # those of the paper
# Another name than that of earlier versions, which kept other pairs.
_KEPT = "predicted_rows"
_SIDE = 0.9  # of a picture, in inches
_SOURCE, _TARGET, _ARROW = "#00d84a", "#ff2020", "#ffb000"


def require_labeled_targets(run: Run) -> None:
    """Refuses targets without a label: each label has a row and a template.

    Raises:
        InputError: if a target has none.
    """
    for splits in {run.train_splits, run.held_out_splits}:
        graph = run.graph(splits)
        without = int((graph.labels[graph.pairs[:, 1]] < 0).sum())
        if without:
            raise InputError(
                f"{without} pairs of {' and '.join(splits)} have a target "
                "without a label. Figure 4 needs labeled boxes as proposals: "
                "--proposals=ground_truth --boxes_per_image=0."
            )


def keep_predictions(run: Run, epoch: int) -> None:
    """Writes the predicted pictures of the rows after some epochs."""
    if epoch not in (*EPOCHS, run.config.training.epochs):
        return
    folder = run.config.run_dir / _KEPT
    folder.mkdir(exist_ok=True)
    sources, pairs = _rows(run.graph(run.held_out_splits))
    pictures = as_pictures(_predict(run, sources, pairs))
    with replacing(folder / f"epoch-{epoch:04d}.npy") as temporary:
        with open(temporary, "wb") as file:
            np.save(file, pictures, allow_pickle=False)


def draw_sheet(run: Run, path: pathlib.Path) -> None:
    """Draws the offset in its scene, circle, target, predictions by epoch.

    Args:
        run: trained while `keep_predictions` watched.
        path: PNG file to write.
    """
    graph = run.graph(run.held_out_splits)
    sources, pairs = _rows(graph)
    patches = run.cache(run.held_out_splits, "proposals").targets
    kept = sorted((run.config.run_dir / _KEPT).glob("*.npy"))
    columns = [
        (
            "offset",
            [load_picture(graph, graph.patch_image[s]) for s, _ in pairs],
        ),
        ("input", as_pictures(patches[sources])),
        ("target", as_pictures(patches[pairs[:, 1]])),
    ]
    columns += [
        (f"epoch {int(file.stem[6:])}", np.load(file, allow_pickle=False))
        for file in kept
    ]
    figure = new_figure(_SIDE * len(columns), (_SIDE + 0.2) * len(pairs) + 0.2)
    grid = figure.subplots(len(pairs), len(columns), squeeze=False)
    for (title, pictures), axes_of_column in zip(columns, grid.T, strict=True):
        axes_of_column[0].set_title(title, fontsize=8)
        for axes, picture in zip(axes_of_column, pictures, strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
            axes.set_xticks([])
            axes.set_yticks([])
    for row, axes in enumerate(grid[:, 0]):
        name = run.manifest.classes[graph.labels[pairs[row, 1]]]
        letter = string.ascii_lowercase[row % 26]
        axes.set_ylabel(f"({letter}) {name}", fontsize=8)
        _draw_offset(axes, *graph.boxes[pairs[row]])
    path.parent.mkdir(exist_ok=True)
    save_png(figure, path)


def right_templates(run: Run) -> dict:
    """Returns how often a prediction is nearest to the right template.

    Returns:
        "share" of all held-out pairs and "shares" by label.
    """
    (train, splits) = run.train_splits, run.held_out_splits
    graph = run.graph(train)
    nodes = np.unique(graph.pairs[:, 1])
    targets = run.cache(train, "proposals").targets
    labels = np.unique(graph.labels[nodes])
    templates = np.stack(
        [
            targets[nodes[graph.labels[nodes] == label]].mean(0)
            for label in labels
        ]
    )  # [L, 4096]
    graph = run.graph(splits)
    predicted = _predict(run, graph.pairs[:, 0], graph.pairs)
    # The square of a prediction is the same for all templates.
    squared = np.square(templates).sum(1) - 2 * predicted @ templates.T
    right = labels[squared.argmin(1)] == graph.labels[graph.pairs[:, 1]]
    true = graph.labels[graph.pairs[:, 1]]
    return {
        "share": float(right.mean()),
        "shares": {
            run.manifest.classes[label]: float(right[true == label].mean())
            for label in labels
            if (true == label).any()
        },
    }


def _rows(graph: PairGraph) -> tuple[np.ndarray, np.ndarray]:
    """The typical pair of each label that a target has.

    Typical is the one of median distance from the axes. The nearest one lies
    where the law changes, and shows what a good network does at its worst.

    Returns:
        What the rows' sources are, [L], and their pairs, [L, 2]. As in the
        paper all sources are one where all look alike, as circles do.
    """
    labels = graph.labels[graph.pairs[:, 1]]
    distances = _off_axis(graph)
    rows = []
    for label in np.unique(labels):
        same = np.flatnonzero(labels == label)
        order = np.argsort(distances[same], kind="stable")
        rows.append(same[order[(len(same) - 1) // 2]])
    pairs = graph.pairs[rows]
    sources = pairs[:, 0]
    if len(np.unique(graph.labels[graph.pairs[:, 0]])) == 1:
        sources = np.full_like(sources, sources[0])
    return sources, pairs


def _off_axis(graph: PairGraph) -> np.ndarray:
    """[P] pixels from a target's middle to the nearer axis of its source."""
    source, target = np.moveaxis(graph.boxes[graph.pairs], 1, 0)
    corners = corner_offsets(source, target).reshape(-1, 4, 2)
    return np.abs(corners.mean(axis=1)).min(axis=1)


def _predict(run: Run, sources: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """h3 [P, 4096] of `sources` [P], with the offsets of held-out pairs."""
    splits = run.held_out_splits
    vectors = run.source_vectors(run.graph(splits), splits, sources)
    return run.predictions(vectors, run.offsets(splits)(pairs))


def _draw_offset(axes: Axes, source: np.ndarray, target: np.ndarray) -> None:
    """Draws both boxes and an arrow between their middles.

    The target's box alone says where a patch lies that shows nothing.
    """
    for box, color, style in ((source, _SOURCE, "-"), (target, _TARGET, "--")):
        y0, x0, y1, x1 = box
        # Pixel i covers [i, i + 1), as in the boxes.
        corner = (x0 - 0.5, y0 - 0.5)
        axes.add_patch(
            Rectangle(
                corner, x1 - x0, y1 - y0, fill=False, color=color, ls=style
            )
        )
    (start, end) = (
        ((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2)
        for y0, x0, y1, x1 in (source, target)
    )
    axes.annotate(
        "", end, start, arrowprops={"arrowstyle": "->", "color": _ARROW}
    )
