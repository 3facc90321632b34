"""Figure 5: what is told of a patch that only its partner has seen.

In: pairs of a run, the true class of each target and the class told from its
predicted features. Out: photographs with one pair each and both classes.
"""

import pathlib

import numpy as np

from scn_tf import visualize
from scn_tf.run import Run
from tfrecords.pair_graph import PairGraph
from tfrecords.reader import load_picture

_PHOTOGRAPHS = 9


def draw_context(
    run: Run,
    graph: PairGraph,
    pairs: np.ndarray,
    true: np.ndarray,
    said: np.ndarray,
    path: pathlib.Path,
) -> None:
    """Draws some photographs, drawn by the run's seed: right or wrong alike.

    Args:
        run: has the names of the classes.
        graph: of the pairs.
        pairs: [P, 2] int64 source and target, patches of the graph.
        true: [P] int, class of the target, an index of the manifest's.
        said: [P] int, class told from h3.
        path: PNG file to write.
    """
    rng = np.random.default_rng(run.config.seed)
    image = graph.patch_image[pairs[:, 0]]
    there = np.unique(image)
    chosen = rng.choice(there, min(_PHOTOGRAPHS, len(there)), replace=False)
    rows = [rng.choice(np.flatnonzero(image == index)) for index in chosen]
    classes = run.manifest.classes
    visualize.draw_pairs(
        [load_picture(graph, index) for index in chosen],
        [[tuple(graph.boxes[pairs[row]])] for row in rows],
        path,
        titles=[_title(classes[true[row]], classes[said[row]]) for row in rows],
    )


def _title(true: str, said: str) -> str:
    if said == true:
        return f"{said}: right"
    return f"{said}, is {true}"
