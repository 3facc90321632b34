"""Offsets of pairs in a picture's own measure, and the control that mixes them.

In: a pair graph. Out: eight numbers for each pair.
"""

import numpy as np

from scn_tf.geometry import corner_offsets
from tfrecords.pair_graph import PairGraph

OFFSET_UNITS = ("image", "pixels", "ratios", "source")


class PairOffsets:
    """Offsets of any pairs of a graph, target minus source.

    Args:
        graph: the boxes and the sizes of their pictures.
        unit: of the corner differences of section 3 "pixels", as in the
            paper; "image": divided by the picture's longest side, so that a
            picture's resolution does not matter; "source": divided by the
            width and height of the source. "ratios" are other numbers: the
            distance of the middles over the source's width and height, and
            the logarithms of target over source in width and height (as R-CNN
            regresses boxes), each twice.
        permuted: every pair gets the offset of another one, drawn at random
            for good: a control that leaves the offsets' spread as it is.
        seed: of the permutation.

    Raises:
        ValueError: if the unit is unknown.
    """

    def __init__(
        self,
        graph: PairGraph,
        unit: str = "image",
        permuted: bool = False,
        seed: int = 0,
    ) -> None:
        if unit not in OFFSET_UNITS:
            raise ValueError(
                f"`unit` must be one of {OFFSET_UNITS}. Received: {unit!r}."
            )
        self._graph = graph
        self._unit = unit
        self._others = None
        if permuted:
            keys = self._keys(graph.pairs)
            order = np.argsort(keys)
            self._sorted_keys = keys[order]
            mixed = np.random.default_rng(seed).permutation(len(keys))
            self._others = graph.pairs[mixed][order]

    def __call__(self, pairs: np.ndarray) -> np.ndarray:
        """Offsets of `pairs`.

        Args:
            pairs: [P, 2] int64 (source, target) patch indices, pairs of the
                graph.

        Returns:
            [P, 8] float32.
        """
        if self._others is not None:
            keys = self._keys(pairs)
            pairs = self._others[np.searchsorted(self._sorted_keys, keys)]
        boxes = self._graph.boxes[pairs]  # [P, 2, 4]
        source, target = boxes[:, 0], boxes[:, 1]
        if self._unit == "ratios":
            return _ratios(source, target)
        offsets = corner_offsets(source, target)
        if self._unit == "image":
            image = self._graph.patch_image[pairs[:, 0]]
            offsets /= self._graph.sizes[image].max(axis=-1)[:, None]
        elif self._unit == "source":
            offsets /= np.tile((source[:, 2:] - source[:, :2])[:, ::-1], 4)
        return offsets

    def _keys(self, pairs: np.ndarray) -> np.ndarray:
        return pairs[:, 0] * len(self._graph.boxes) + pairs[:, 1]


def _ratios(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[P, 8]: two distances and two logarithms, twice."""
    sides = source[:, 2:] - source[:, :2]  # [P, 2] height, width
    other_sides = target[:, 2:] - target[:, :2]
    middles = (source[:, 2:] + source[:, :2]) / 2
    other_middles = (target[:, 2:] + target[:, :2]) / 2
    four = [(other_middles - middles) / sides, np.log(other_sides / sides)]
    return np.concatenate(four * 2, axis=1).astype(np.float32)
