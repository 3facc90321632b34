"""Figure 4 of the paper: what is predicted of a target's pixels, by epoch.

In: a run with --targets=pixels, watched while it trains. Out: a sheet with a
row per label (a square beside the circle, a triangle above it, nothing off
its axes) and a column per epoch; the share of predictions that are nearest
to the right template.
"""

import pathlib
import string

import numpy as np

from scn_tf.pixel_targets import as_pictures
from scn_tf.run import Run
from scn_tf.visualize_results import new_figure
from scn_tf.visualize_results import save_png
from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.reader import load_picture

_EPOCHS = (1, 2, 3, 4, 5, 6, 21, 27, 35)  # those of the paper
_SIDE = 0.9  # of a picture, in inches


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
    if epoch not in (*_EPOCHS, run.config.training.epochs):
        return
    folder = run.config.run_dir / "predicted_pixels"
    folder.mkdir(exist_ok=True)
    pictures = as_pictures(_predict(run, _rows(run)))
    with replacing(folder / f"epoch-{epoch:04d}.npy") as temporary:
        with open(temporary, "wb") as file:
            np.save(file, pictures, allow_pickle=False)


def draw_sheet(run: Run, path: pathlib.Path) -> None:
    """Draws scene, circle, true target and predictions by epoch.

    Args:
        run: trained while `keep_predictions` watched.
        path: PNG file to write.
    """
    graph = run.graph(run.held_out_splits)
    pairs = _rows(run)
    kept = sorted((run.config.run_dir / "predicted_pixels").glob("*.npy"))
    columns = [
        (f"epoch {int(file.stem[6:])}", np.load(file, allow_pickle=False))
        for file in kept
    ]
    cache = run.cache(run.held_out_splits, "proposals")
    truth = as_pictures(cache.targets[pairs[:, 1]])
    circles = as_pictures(cache.targets[pairs[:, 0]])
    scenes = [load_picture(graph, graph.patch_image[s]) for s, _ in pairs]
    columns = [
        ("scene", scenes),
        ("input", circles),
        ("target", truth),
        *columns,
    ]
    figure = new_figure(_SIDE * len(columns), (_SIDE + 0.2) * len(pairs) + 0.2)
    grid = figure.subplots(len(pairs), len(columns), squeeze=False)
    for row in range(len(pairs)):
        for column, (title, pictures) in enumerate(columns):
            axes = grid[row, column]
            axes.imshow(pictures[row], cmap="gray", vmin=0, vmax=255)
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(title, fontsize=8)
        label = graph.labels[pairs[row, 1]]
        name = run.manifest.classes[label]
        letter = string.ascii_lowercase[row % 26]
        grid[row, 0].set_ylabel(f"({letter}) {name}", fontsize=8)
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
    predicted = _predict(run, graph.pairs)
    squared = np.square(predicted[:, None] - templates[None]).sum(-1)
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


def _rows(run: Run) -> np.ndarray:
    """The first held-out pair of each label that a target has, [L, 2]."""
    graph = run.graph(run.held_out_splits)
    labels = graph.labels[graph.pairs[:, 1]]
    first = [np.argmax(labels == label) for label in np.unique(labels)]
    return graph.pairs[first]


def _predict(run: Run, pairs: np.ndarray) -> np.ndarray:
    """h3 [P, 4096] of held-out pairs."""
    splits = run.held_out_splits
    vectors = run.source_vectors(run.graph(splits), splits, pairs[:, 0])
    return run.predictions(vectors, run.offsets(splits)(pairs))
