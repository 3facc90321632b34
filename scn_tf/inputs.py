"""What the model takes, for the nodes that a batch names.

In: a batch of `PairSampler`. Out: the same batch with the patches, or their
cached features, in place of the nodes.
"""

from collections.abc import Callable

import numpy as np

from scn_tf.batches import SOURCE_NODES
from scn_tf.batches import TARGET_NODES
from scn_tf.feature_cache import FeatureCache
from tfrecords.pair_graph import PairGraph
from tfrecords.reader import load_patches

Fill = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def cached_inputs(cache: FeatureCache) -> Fill:
    """Inputs of `cached_pair_model`: rows of the feature cache."""

    def fill(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rest = dict(batch)
        sources = rest.pop(SOURCE_NODES)
        targets = rest.pop(TARGET_NODES)
        features = np.asarray(cache.features[sources], np.float32)
        target_features = np.asarray(cache.targets[targets], np.float32)
        return {
            "features": features,
            "target_features": target_features,
            **rest,
        }

    return fill


def live_inputs(graph: PairGraph, image_size: int) -> Fill:
    """Inputs of `live_pair_model`: patches cut from the records.

    Each picture of the batch is read and decoded once, each patch is cut
    once, whatever the number of pairs.
    """

    def fill(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rest = dict(batch)
        sources = rest.pop(SOURCE_NODES)
        targets = rest.pop(TARGET_NODES)
        nodes = np.union1d(sources, targets)
        return {
            "patches": load_patches(graph, nodes, image_size),
            "source_patch": _rows(nodes, sources),
            "target_patch": _rows(nodes, targets),
            **rest,
        }

    return fill


def _rows(nodes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.searchsorted(nodes, chosen).astype(np.int32)
