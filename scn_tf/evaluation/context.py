"""What the network knows of context: held-out loss against two controls.

In: h1 of source patches, true features of target patches, offsets. Out: the
loss of Eq. 2, the floor that no constant prediction can pass (the mean of
these very targets), and the loss with the offsets permuted among the pairs.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from scn_tf.batches import connect
from scn_tf.losses import pair_losses
from scn_tf.offsets import PairOffsets
from scn_tf.sharded_array import ShardedArray
from tfrecords.pair_graph import PairGraph

_CHUNK = 2048  # pairs per pass through the head
_SMALLEST_FLOOR = 1e-6  # so that ratios stay numbers


def sample_pairs(graph: PairGraph, num_pairs: int, seed: int) -> np.ndarray:
    """About `num_pairs` pairs, whole images at a time so patches repeat.

    Args:
        graph: of the held-out split.
        num_pairs: at least this many where there are; 0 takes all.
        seed: decides which images.

    Returns:
        [P, 2] int64 patch indices.
    """
    image = graph.patch_image[graph.pairs[:, 0]]
    counts = np.bincount(image, minlength=len(graph.image_ids))
    order = np.random.default_rng(seed).permutation(len(counts))
    enough = np.searchsorted(np.cumsum(counts[order]), num_pairs) + 1
    chosen = order[:enough] if num_pairs else order
    return graph.pairs[np.isin(image, chosen)]


class ContextCheck:
    """Measures the held-out loss as the network is, any number of times.

    Args:
        graph: of the held-out split.
        pairs: [P, 2] int64 patch indices, at least one.
        head: (h1 [P, D], offset [P, 8]) -> h3 [P, D].
        source_vectors: nodes [S] -> h1 [S, D] of the network as it is then.
        targets: [N, D] of any float type, g of all patches of the graph.
        offsets: of the graph's pairs; None takes the default of
            `PairOffsets`.
        seed: of the permutation.
        reduction: of the loss, see `scn_tf.losses.pair_losses`.
    """

    def __init__(
        self,
        graph: PairGraph,
        pairs: np.ndarray,
        head: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
        source_vectors: Callable[[np.ndarray], np.ndarray],
        targets: np.ndarray | ShardedArray,
        *,
        offsets: PairOffsets | None = None,
        seed: int = 0,
        reduction: str = "sum",
    ) -> None:
        self._batch = connect(pairs, offsets or PairOffsets(graph))
        self._predict = tf.function(head, reduce_retracing=True)
        self._source_vectors = source_vectors
        self._targets = targets
        self._order = np.random.default_rng(seed).permutation(len(pairs))
        self._reduction = reduction
        target_rows = self._batch["target_nodes"][self._batch["target"]]
        mean = _mean_row(targets, target_rows)
        self.floor = self._loss(lambda chosen: mean[None])

    def measure(self) -> dict[str, float]:
        """Loss, floor, loss with permuted offsets, and their ratios."""
        vectors = self._source_vectors(self._batch["source_nodes"])
        offset = self._batch["offset"]
        rows = self._batch["source"]

        def loss_with(offset: np.ndarray) -> float:
            return self._loss(
                lambda chosen: self._predict(
                    tf.constant(vectors[rows[chosen]]),
                    tf.constant(offset[chosen]),
                )
            )

        loss, permuted = loss_with(offset), loss_with(offset[self._order])
        floor = max(self.floor, _SMALLEST_FLOOR)
        return {
            "loss": loss,
            "floor": self.floor,
            "permuted": permuted,
            "over_floor": loss / floor,
            "permuted_over_floor": permuted / floor,
            "pairs": len(rows),
        }

    def _loss(self, predict: Callable[[np.ndarray], np.ndarray]) -> float:
        """Mean over the pairs, a chunk at a time."""
        nodes, rows = self._batch["target_nodes"], self._batch["target"]
        total = 0.0
        for start in range(0, len(rows), _CHUNK):
            chosen = np.arange(start, min(start + _CHUNK, len(rows)))
            target = self._targets[nodes[rows[chosen]]]
            target = np.asarray(target, np.float32)
            prediction = predict(chosen)
            losses = pair_losses(
                tf.broadcast_to(prediction, target.shape),
                target,
                self._reduction,
            )
            total += float(tf.reduce_sum(losses))
        return total / len(rows)


def _mean_row(
    rows: np.ndarray | ShardedArray, indices: np.ndarray
) -> np.ndarray:
    """[D] float32 mean of `rows[indices]`, each different row read once."""
    indices, counts = np.unique(indices, return_counts=True)
    weights = (counts / counts.sum()).astype(np.float32)
    mean = np.zeros(rows.shape[1:], np.float32)
    for start in range(0, len(indices), _CHUNK):
        chosen = slice(start, start + _CHUNK)
        mean += weights[chosen] @ np.asarray(rows[indices[chosen]], np.float32)
    return mean
