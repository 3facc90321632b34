"""One run: its config and what its stages share, each made once.

In: a `Config`. Out: pair graphs, networks, caches and the check, built when
a stage first asks for them.
"""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from scn_tf.backbones import build_backbone
from scn_tf.backbones import frozen_copy
from scn_tf.backbones.backbone import Backbone
from scn_tf.backbones.preprocessing import as_images
from scn_tf.config import Config
from scn_tf.crew import Crew
from scn_tf.crew import local_devices
from scn_tf.distribution import is_chief
from scn_tf.distribution import make_strategy
from scn_tf.evaluation.context import ContextCheck
from scn_tf.evaluation.context import sample_pairs
from scn_tf.evaluation.features import feature_vectors
from scn_tf.evaluation.features import neck_vectors
from scn_tf.feature_cache import cached_features
from scn_tf.feature_cache import CacheOptions
from scn_tf.feature_cache import FeatureCache
from scn_tf.feature_cache import in_memory
from scn_tf.feature_cache import weights_digest
from scn_tf.geometry import offset_spread
from scn_tf.head import SpatialContextHead
from scn_tf.host_memory import available_memory
from scn_tf.initial_weights import initializers_seeded
from scn_tf.pixel_targets import PIXEL_SIDE
from scn_tf.pixel_targets import pixel_targets
from scn_tf.run_data import RunData
from scn_tf.run_log import RunLog
from scn_tf.target_forms import permuted_targets
from scn_tf.target_forms import TargetForm
from tfrecords.pair_graph import PairGraph
from tfrecords.reader import load_patches
from tfrecords.reader import read_patches

_PREDICTED_AT_ONCE = 4096  # pairs


class Run(RunData):
    """What the stages of one run share: its data, networks and caches.

    Args:
        config: of the run.

    Attributes:
        restored_step: of the checkpoint that was loaded last; 0: none was.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        # Before anything else: collective operations insist on it.
        self.strategy = make_strategy(config.devices)
        self.log = RunLog(config.run_dir, is_chief())
        self._caches = {}
        self.restored_step = 0
        keras.utils.set_random_seed(config.seed)

    @functools.cached_property
    def _networks(self) -> tuple[Backbone, keras.Model]:
        """Both streams; the copy is made before anything is trained."""
        config = self.config
        with self.strategy.scope():
            backbone = build_backbone(
                config.backbone,
                config.train_from,
                config.weights,
                config.image_size,
                config.seed,
                config.fc6_width,
                config.fc7_width,
            )
            return backbone, frozen_copy(backbone.neck)

    @property
    def backbone(self) -> Backbone:
        """The network whose neck is trained."""
        return self._networks[0]

    @property
    def frozen_neck(self) -> keras.Model:
        """The top stream's neck: the neck as it came."""
        return self._networks[1]

    @functools.cached_property
    def network_digest(self) -> str:
        """Of the network's weights as it came."""
        return weights_digest([self.backbone.trunk, self.frozen_neck])

    @functools.cached_property
    def head(self) -> SpatialContextHead:
        """The spatial context module, for the training pairs' offsets."""
        graph = self.graph(self.train_splits)
        offsets = self.offsets(self.train_splits)(graph.pairs)
        num_features = self.backbone.num_features
        # Not of what was drawn so far: records are built by some runs and
        # found by others.
        seeded = initializers_seeded(f"head {self.config.seed}")
        with self.strategy.scope(), seeded:
            head = SpatialContextHead(
                num_features,
                self.config.hidden_features,
                offset_spread(offsets),
                self.config.offset_gain,
                self.config.offset_initial_spread,
                PIXEL_SIDE**2 if self.config.targets == "pixels" else 0,
                name="head",
            )
            head.build((None, num_features), (None, offsets.shape[-1]))
        return head

    def make_networks(self) -> None:
        """Makes all variables: of several workers, all must do so at once."""
        _ = self.backbone, self.frozen_neck, self.head

    def fill_caches(self) -> None:
        """Fills the caches that the training reads, all workers together."""
        if self.config.feature_cache:
            self.cache(self.train_splits, "proposals", together=True)
        self.cache(self.held_out_splits, "proposals", together=True)

    @property
    def trains_on_cache(self) -> bool:
        """Whether training starts at cached trunk features."""
        has_trunk = self.backbone.trunk.count_params() > 0
        return self.config.feature_cache and has_trunk

    def cache(
        self, splits: tuple[str, ...], kind: str, together: bool = False
    ) -> FeatureCache:
        """Trunk features and targets of all patches of a kind.

        Args:
            splits: the photographs.
            kind: "proposals", "objects" or "images".
            together: whether all workers ask for it at once; each then
                computes a share of what is missing.
        """
        if (splits, kind) not in self._caches:
            cache = self._open_cache(splits, kind, together)
            if kind == "proposals":
                cache = self._with_targets(cache, splits)
            # The training finds a place of its own for what it reads.
            if not (self.trains_on_cache and splits == self.train_splits):
                cache = in_memory(cache, self.cache_memory())
            self._caches[splits, kind] = cache
        return self._caches[splits, kind]

    def _open_cache(
        self, splits: tuple[str, ...], kind: str, together: bool
    ) -> FeatureCache:
        config = self.config
        crew = Crew(
            local_devices(self.strategy), self.strategy if together else None
        )
        graph = self.graph(splits)
        counts = {
            "proposals": len(graph.boxes),
            "objects": len(graph.object_boxes),
            "images": len(graph.image_ids),
        }
        return cached_features(
            config.cache_dir,
            {
                "records": self.data_digest(graph, kind),
                "bad_records": graph.bad_records,
                "splits": list(splits),
                "kind": kind,
                "weights": self.network_digest,
            },
            self.backbone,
            self.frozen_neck,
            lambda rows: read_patches(
                graph, kind, self.backbone.image_size, rows=rows
            ),
            counts[kind],
            CacheOptions(config.cache_dtype, config.precision, crew),
        )

    def _with_targets(
        self, cache: FeatureCache, splits: tuple[str, ...]
    ) -> FeatureCache:
        """The cache with what is to be predicted in place of features."""
        form = self.config.targets
        if form == "features":
            return cache
        if form == "pixels":
            targets = pixel_targets(self.patches(splits, "proposals"))
        elif form == "permuted":
            targets = permuted_targets(cache.targets, self.config.seed)
        else:
            targets = self._target_form(cache.targets)
        return dataclasses.replace(cache, targets=targets)

    @functools.cached_property
    def _target_form(self) -> TargetForm:
        targets = self.proposal_features(self.train_splits)
        return TargetForm(self.config.targets, targets)

    def proposal_features(self, splits: tuple[str, ...]) -> np.ndarray:
        """[N, D] of all proposals, by the network as it came.

        Whatever is to be predicted: --targets=features predicts these.
        """
        return self._open_cache(splits, "proposals", False).targets

    def cache_memory(self) -> int:
        """Bytes that one more cache may take of this machine's memory."""
        wanted = int(self.config.cache_memory * 2**30)
        if not wanted:
            return available_memory() // 2
        held = sum(cache.memory for cache in self._caches.values())
        return max(wanted - held, 0)

    def patches(self, splits: tuple[str, ...], kind: str) -> tf.data.Dataset:
        """[n, S, S, 3] uint8 patches of some images, in order."""
        size = self.backbone.image_size
        return read_patches(self.graph(splits), kind, size)

    def context_check(self, num_pairs: int) -> ContextCheck:
        """The held-out loss against its controls on about `num_pairs`.

        Args:
            num_pairs: 0 takes all held-out pairs.
        """
        splits = self.held_out_splits
        graph = self.graph(splits)
        cache = self.cache(splits, "proposals")
        return ContextCheck(
            graph,
            sample_pairs(graph, num_pairs, self.config.seed),
            self.head,
            lambda nodes: self.source_vectors(graph, splits, nodes),
            cache.targets,
            offsets=self.offsets(splits),
            seed=self.config.seed,
            reduction=self.config.training.loss_reduction,
        )

    def vectors(
        self, splits: tuple[str, ...], kind: str, original: bool = False
    ) -> np.ndarray:
        """h1 [N, D] of all patches of a kind, from their stored trunk features.

        So a network that was not trained differs from itself by nothing.

        Args:
            splits: the photographs.
            kind: "proposals", "objects" or "images".
            original: of the network as it came, not as it is now.
        """
        neck = self.frozen_neck if original else self.backbone.neck
        return feature_vectors(
            dataclasses.replace(self.backbone, neck=neck),
            self.cache(splits, kind),
            self.patches(splits, kind),
        )

    def predictions(
        self, vectors: np.ndarray, offsets: np.ndarray
    ) -> np.ndarray:
        """h3 [P, D] of sources' h1 [P, D] and offsets [P, 8], in pieces."""
        starts = range(0, len(vectors), _PREDICTED_AT_ONCE)
        pieces = [slice(start, start + _PREDICTED_AT_ONCE) for start in starts]
        return np.concatenate(
            [np.asarray(self.head(vectors[p], offsets[p])) for p in pieces]
        )

    def source_vectors(
        self, graph: PairGraph, splits: tuple[str, ...], nodes: np.ndarray
    ) -> np.ndarray:
        """h1 [S, D] of the proposals `nodes` [S] of `splits`, as it is now.

        The nodes may come in any order and more than once.
        """
        cache = self.cache(splits, "proposals")
        nodes, rows = np.unique(nodes, return_inverse=True)
        if cache.features is not None:
            vectors = neck_vectors(self.backbone.neck, cache.features, nodes)
            return vectors[rows]
        size = self.backbone.image_size
        parts = np.array_split(nodes, -(-len(nodes) // 64))
        vectors = [
            self.backbone.neck(
                self.backbone.trunk(as_images(load_patches(graph, part, size))),
                training=False,
            )
            for part in parts
        ]
        return np.concatenate(vectors)[rows]
