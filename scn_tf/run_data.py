"""What a run reads: its records, as pair graphs, offsets and digests.

In: a `Config`. Out: the splits that are trained on and held out, their boxes
and pairs, each read when it is first asked for.
"""

import dataclasses
import functools
import hashlib

import numpy as np

from scn_tf.config import Config
from scn_tf.offsets import PairOffsets
from tfrecords.boxes import paired_iou
from tfrecords.manifest import Manifest
from tfrecords.manifest import read_manifest
from tfrecords.pair_graph import PairGraph
from tfrecords.pair_graph import read_pair_graph

# Of the train photographs; the rest judges. The part is the same for every
# run, so that runs can be compared.
_LEARNING_SHARE = 0.7


def learning_part(num_images: int) -> np.ndarray:
    """[I] bool: photographs of train that choices are learned from.

    The others judge: see --judge_on=train_part and --train_split=train_part.
    """
    order = np.random.default_rng(0).permutation(num_images)
    is_learned = np.zeros(num_images, bool)
    is_learned[order[: round(_LEARNING_SHARE * num_images)]] = True
    return is_learned


class RunData:
    """The data of one run.

    Args:
        config: of the run.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._graphs = {}
        self._offsets = {}

    @functools.cached_property
    def manifest(self) -> Manifest:
        """Of the records."""
        return read_manifest(self.config.records_dir)

    @property
    def train_splits(self) -> tuple[str, ...]:
        """Splits whose photographs the network is trained on."""
        if self.config.train_split == "trainval" and "val" in (
            self.manifest.splits
        ):
            return ("train", "val")
        return ("train",)

    @functools.cached_property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits of the check; the training's where none was held out."""
        there = "val" in self.manifest.splits
        has_pairs = there and len(self.graph(("val",)).pairs)
        return ("val",) if has_pairs else self.train_splits

    @property
    def holds_pairs_out(self) -> bool:
        """Whether the check is of pairs that nothing is trained on."""
        return not set(self.held_out_splits) & set(self.train_splits)

    def graph(self, splits: tuple[str, ...]) -> PairGraph:
        """All boxes of `splits`, and the pairs that the flags want.

        Photographs that --train_split=train_part leaves out keep their boxes
        and lose their pairs, so nothing is trained on them.
        """
        if splits not in self._graphs:
            config = self.config
            graph = read_pair_graph(
                config.records_dir, splits, config.on_bad_record
            )
            if config.max_pair_iou < 1:
                source, target = np.moveaxis(graph.boxes[graph.pairs], 1, 0)
                kept = paired_iou(source, target) <= config.max_pair_iou
                graph = dataclasses.replace(graph, pairs=graph.pairs[kept])
            if config.train_split == "train_part" and splits == ("train",):
                is_kept = learning_part(len(graph.image_ids))
                kept = is_kept[graph.patch_image[graph.pairs[:, 0]]]
                graph = dataclasses.replace(graph, pairs=graph.pairs[kept])
            self._graphs[splits] = graph
        return self._graphs[splits]

    def offsets(self, splits: tuple[str, ...]) -> PairOffsets:
        """Offsets of the pairs of `splits`, as the flags want them."""
        config = self.config
        if splits not in self._offsets:
            self._offsets[splits] = PairOffsets(
                self.graph(splits),
                config.offset_unit,
                config.offset_control == "permuted",
                config.seed,
            )
        return self._offsets[splits]

    def data_digest(self, graph: PairGraph, kind: str) -> str:
        """Of what the patches of a kind are cut from.

        Objects and whole images do not depend on the proposals, so runs with
        other proposals of the same photographs share what is cached of them.
        """
        if kind == "proposals":
            return self.manifest.digest
        digest = hashlib.sha256(self.manifest.source_digest.encode())
        digest.update(str(self.manifest.options.get("max_side")).encode())
        digest.update("\n".join(graph.image_ids).encode())
        for array in (graph.sizes, graph.object_image, graph.object_boxes):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
