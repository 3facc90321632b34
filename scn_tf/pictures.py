"""The pictures of a run: pairs, predictions, verdict bars, loss curves.

In: a `Run` and its verdict. Out: PNG files in pictures/ of the run folder.
Pairs and predictions can be drawn while the run trains, the same pairs every
time: their choice depends on the run's seed alone.
"""

import pathlib

import numpy as np

from scn_tf import visualize
from scn_tf.run import Run
from scn_tf.sharded_array import ShardedArray
from tfrecords.pair_graph import PairGraph
from tfrecords.reader import load_patches
from tfrecords.reader import load_picture

_PHOTOGRAPHS = 9
_PAIRS_PER_PHOTOGRAPH = 3
_PREDICTIONS = 8
_NEIGHBORS = 5
_CHUNK = 4096  # patches compared at a time
_TITLES = {"images": "Whole images", "objects": "Object crops"}


def draw_context(run: Run) -> list[pathlib.Path]:
    """Draws what the network learned from, and what it predicts.

    Returns:
        The paths of the PNG files.
    """
    folder = _folder(run)
    return [
        draw_pairs(run, folder / "pairs.png"),
        draw_predictions(run, folder / "predictions.png"),
    ]


def draw_results(run: Run, verdict: dict) -> list[pathlib.Path]:
    """Draws the verdict and the losses, what there is of them.

    Returns:
        The paths of the PNG files.
    """
    folder = _folder(run)
    paths = []
    for kind in ("images", "objects"):
        if "not_run" not in verdict[kind]:
            path = folder / f"verdict_{kind}.png"
            visualize.draw_verdict(verdict[kind], _TITLES[kind], path)
            paths.append(path)
    history = run.log.history("epoch")
    if history:
        path = folder / "losses.png"
        visualize.draw_losses(_unique_epochs(history), path)
        paths.append(path)
    return paths


def _folder(run: Run) -> pathlib.Path:
    folder = run.config.run_dir / "pictures"
    folder.mkdir(exist_ok=True)
    return folder


def _unique_epochs(history: list[dict]) -> list[dict]:
    """The last line of each epoch: an epoch may have been run again."""
    by_epoch = {line["epoch"]: line for line in history}
    return [
        {
            "epoch": epoch,
            "loss": line["loss"],
            "val_loss": line["val_loss"],
            "floor": line["val_floor"],
        }
        for epoch, line in sorted(by_epoch.items())
    ]


def draw_pairs(run: Run, path: pathlib.Path) -> pathlib.Path:
    """Draws some photographs with some of their pairs; returns `path`."""
    rng = np.random.default_rng(run.config.seed)
    graph = run.graph(run.held_out_splits)
    image = graph.patch_image[graph.pairs[:, 0]]
    choice = np.unique(image)
    choice = np.sort(_draw(rng, choice, _PHOTOGRAPHS))
    pairs = [
        graph.boxes[
            graph.pairs[
                _draw(
                    rng, np.flatnonzero(image == index), _PAIRS_PER_PHOTOGRAPH
                )
            ]
        ]
        for index in choice
    ]  # [P, 2, 4] per photograph
    visualize.draw_pairs(
        [load_picture(graph, image) for image in choice],
        [[(source, target) for source, target in boxes] for boxes in pairs],
        path,
        titles=[graph.image_ids[index] for index in choice],
    )
    return path


def _draw(
    rng: np.random.Generator, values: np.ndarray, count: int
) -> np.ndarray:
    return rng.choice(values, min(count, len(values)), replace=False)


def draw_predictions(run: Run, path: pathlib.Path) -> pathlib.Path:
    """Draws for some pairs the patches whose features lie nearest to h3.

    Args:
        run: its networks are taken as they are now and left so.
        path: PNG file to write.

    Returns:
        `path`.
    """
    rng = np.random.default_rng(run.config.seed)
    graph = run.graph(run.held_out_splits)
    targets = run.cache(run.held_out_splits, "proposals").targets
    pairs = graph.pairs[_draw(rng, np.arange(len(graph.pairs)), _PREDICTIONS)]
    offsets = run.offsets(run.held_out_splits)(pairs)
    vectors = run.source_vectors(graph, run.held_out_splits, pairs[:, 0])
    predictions = np.asarray(run.head(vectors, offsets))
    nearest, distances = nearest_patches(
        predictions, targets, graph, pairs[:, 0]
    )
    nodes = np.unique(np.concatenate([pairs.ravel(), nearest.ravel()]))
    patches = load_patches(graph, nodes, run.backbone.image_size)

    def patch(node: int) -> np.ndarray:
        return patches[np.searchsorted(nodes, node)]

    rows = [
        (
            patch(source),
            _offset_text(graph, source, target),
            patch(target),
            [patch(node) for node in near],
            list(distance),
        )
        for (source, target), near, distance in zip(
            pairs, nearest, distances, strict=True
        )
    ]
    visualize.draw_predictions(rows, path)
    return path


def nearest_patches(
    predictions: np.ndarray,
    targets: np.ndarray | ShardedArray,
    graph: PairGraph,
    sources: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Patches whose true features are nearest to the predicted ones.

    Other patches of the source's photograph count, the source itself does
    not.

    Args:
        predictions: [P, D] h3.
        targets: [N, D] true features of all patches, any float type.
        graph: of the patches.
        sources: [P] int64, the patch each prediction was made from.

    Returns:
        [P, K] int64 patches, nearest first, and [P, K] Euclidean distances.
    """
    squared = np.empty((len(predictions), len(targets)), np.float32)
    for start in range(0, len(targets), _CHUNK):
        part = np.asarray(targets[start : start + _CHUNK], np.float32)
        squared[:, start : start + _CHUNK] = (
            np.sum(np.square(predictions), axis=1)[:, None]
            - 2 * predictions @ part.T
            + np.sum(np.square(part), axis=1)
        )
    squared[np.arange(len(sources)), sources] = np.inf
    count = min(_NEIGHBORS, len(graph.boxes) - 1)
    nearest = np.argsort(squared, axis=1)[:, :count]
    distances = np.take_along_axis(squared, nearest, axis=1)
    return nearest, np.sqrt(np.maximum(distances, 0))


def _offset_text(graph: PairGraph, source: int, target: int) -> str:
    """Where the target's middle lies as seen from the source's, in pixels."""
    middles = graph.boxes[[source, target]].reshape(2, 2, 2).mean(axis=1)
    down, right = (middles[1] - middles[0]).round().astype(int)
    return (
        f"{abs(right)} px {'right' if right >= 0 else 'left'}\n"
        f"{abs(down)} px {'down' if down >= 0 else 'up'}"
    )
