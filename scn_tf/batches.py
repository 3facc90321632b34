"""Batch k of the training, as a pure function of (seed, k).

In: the pair graph of a split. Out: which patches a step needs and the pairs
as indices into them, then the same with the patches' features as tf.data.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from scn_tf.chunks import join
from scn_tf.offsets import PairOffsets
from tfrecords.errors import InputError
from tfrecords.pair_graph import PairGraph

BATCHING = ("images", "pairs")
# Names of the patches' indices in a batch of `PairSampler`.
SOURCE_NODES, TARGET_NODES = "source_nodes", "target_nodes"


class PairSampler:
    """Draws the pairs of every step.

    An epoch is a fresh permutation of the pairs; what does not fill a last
    whole batch is left out of that epoch, so every batch has the same size.

    Args:
        graph: the pairs.
        batch_pairs: pairs per global batch; at most all pairs.
        batching: "pairs" shuffles pairs over the whole set as the paper's
            mini-batches do; "images" shuffles images and keeps an image's
            pairs together, so that patches repeat within a batch.
        seed: with the step it decides the batch.
        offsets: of the graph's pairs; None takes the default of
            `PairOffsets`.

    Raises:
        InputError: if the graph has no pairs.
    """

    def __init__(
        self,
        graph: PairGraph,
        batch_pairs: int,
        batching: str = "pairs",
        seed: int = 0,
        offsets: PairOffsets | None = None,
    ) -> None:
        if not len(graph.pairs):
            raise InputError(
                "There is no pair to train on: no picture of the training "
                "split has two proposals, or --max_pair_iou leaves no pair. "
                "Lower --min_score or --min_box_area, choose other "
                "--proposals (ground_truth has the labeled boxes alone), or "
                "raise --max_pair_iou."
            )
        if batching not in BATCHING:
            raise ValueError(
                f"`batching` must be one of {BATCHING}. Received: {batching!r}."
            )
        self.graph = graph
        self.batch_pairs = min(batch_pairs, len(graph.pairs))
        self.steps_per_epoch = len(graph.pairs) // self.batch_pairs
        self._by_image = batching == "images"
        self._seed = seed
        self._offsets = offsets or PairOffsets(graph)
        self._epoch_order = (-1, np.zeros(0, np.int64))

    def pair_indices(self, step: int) -> np.ndarray:
        """[B] int64 indices into `graph.pairs` of step `step`."""
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_pairs
        return self._order(epoch)[start : start + self.batch_pairs]

    def batch(
        self, step: int, part: int = 0, num_parts: int = 1
    ) -> dict[str, np.ndarray]:
        """One part of step `step`: what a replica computes at a time.

        Returns:
            `source_nodes` [S], `target_nodes` [T]: sorted different patches;
            `source`, `target` [P] int32: rows of these; `offset` [P, 8];
            `num_pairs` []: float32, pairs of the global batch.
        """
        chosen = np.array_split(self.pair_indices(step), num_parts)[part]
        batch = connect(self.graph.pairs[chosen], self._offsets)
        batch["num_pairs"] = np.float32(self.batch_pairs)
        return batch

    def _order(self, epoch: int) -> np.ndarray:
        cached_epoch, order = self._epoch_order
        if cached_epoch != epoch:
            order = self._shuffle(np.random.default_rng((self._seed, epoch)))
            # One assignment: several threads may draw at a time.
            self._epoch_order = (epoch, order)
        return order

    def _shuffle(self, rng: np.random.Generator) -> np.ndarray:
        order = rng.permutation(len(self.graph.pairs))
        if self._by_image:
            image = self.graph.patch_image[self.graph.pairs[order, 0]]
            rank = rng.permutation(len(self.graph.image_ids))
            order = order[np.argsort(rank[image], kind="stable")]
        return order


def connect(pairs: np.ndarray, offsets: PairOffsets) -> dict[str, np.ndarray]:
    """The graph of a few pairs: its different patches, rows and offsets.

    Args:
        pairs: [P, 2] int64 (source, target) patch indices.
        offsets: of the graph that the pairs are from.

    Returns:
        `source_nodes` [S], `target_nodes` [T] int64 sorted patch indices,
        `source` [P], `target` [P] int32 rows of these, `offset` [P, 8].
    """
    source_nodes, source = np.unique(pairs[:, 0], return_inverse=True)
    target_nodes, target = np.unique(pairs[:, 1], return_inverse=True)
    return {
        SOURCE_NODES: source_nodes,
        TARGET_NODES: target_nodes,
        "source": source.astype(np.int32),
        "target": target.astype(np.int32),
        "offset": offsets(pairs),
    }


@dataclasses.dataclass(frozen=True)
class Shares:
    """How a global batch is divided.

    Attributes:
        replicas: of all workers.
        accumulate: parts of a replica's batch, one after the other.
        worker: number of this worker.
        workers: how many there are, with equally many replicas each.
    """

    replicas: int = 1
    accumulate: int = 1
    worker: int = 0
    workers: int = 1

    @property
    def num_parts(self) -> int:
        """Parts of a global batch."""
        return self.replicas * self.accumulate

    def own(self) -> list[list[int]]:
        """Parts of each of this worker's replicas, in order."""
        per_worker = self.replicas // self.workers
        first = self.worker * per_worker
        parts = np.arange(self.num_parts).reshape(self.replicas, -1)
        return parts[first : first + per_worker].tolist()


def batch_dataset(
    sampler: PairSampler,
    fill: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]],
    chunks: Sequence[range],
    shares: Shares = Shares(),  # noqa: B008, it is frozen
) -> tf.data.Dataset:
    """The batches of some steps as tf.data, an element per chunk and replica.

    Args:
        sampler: draws the pairs.
        fill: turns the drawn nodes into what the model takes, see
            `scn_tf.inputs`.
        chunks: the steps of each chunk, in order; resuming starts later.
        shares: how each batch is divided, and which part is this worker's.

    Returns:
        Dicts of float32, uint8 and int32 tensors as `scn_tf.chunks.join`
        makes them of the batches of a chunk; of each step all parts of the
        replica follow one another.
    """
    own = shares.own()

    def batches(steps: range, parts: list[int]) -> list[dict]:
        return [
            fill(sampler.batch(step, part, shares.num_parts))
            for step in steps
            for part in parts
        ]

    example = join(batches(chunks[0][:1], own[0]))
    names = sorted(example)

    def load(bounds: np.ndarray, replica: np.ndarray) -> list[np.ndarray]:
        joined = join(batches(range(*bounds), own[int(replica)]))
        return [joined[name] for name in names]

    def to_tensors(bounds: tf.Tensor, replica: tf.Tensor) -> dict:
        types = [tf.as_dtype(example[name].dtype) for name in names]
        arguments = [bounds, replica]
        values = tf.numpy_function(load, arguments, types, stateful=False)
        for name, value in zip(names, values, strict=True):
            value.set_shape([None, *example[name].shape[1:]])
        return dict(zip(names, values, strict=True))

    bounds = np.array([(steps.start, steps.stop) for steps in chunks])
    elements = tf.data.Dataset.from_tensor_slices(
        (
            np.repeat(bounds, len(own), axis=0),
            np.tile(np.arange(len(own)), len(chunks)),
        )
    )
    return elements.map(to_tensors, num_parallel_calls=2).prefetch(
        tf.data.AUTOTUNE
    )
