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


def cached_inputs(cache: FeatureCache, multiple: int = 1) -> Fill:
    """Inputs of `cached_pair_model`: rows of the feature cache.

    Args:
        cache: of all patches of the graph.
        multiple: the last node is repeated up to a multiple of this number,
            so that a compiled step meets few shapes. No pair refers to the
            repeated rows.
    """

    def fill(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rest = dict(batch)
        sources = rest.pop(SOURCE_NODES)
        targets = rest.pop(TARGET_NODES)
        features = cache.features[_padded(sources, multiple)]
        target_features = cache.targets[_padded(targets, multiple)]
        return {
            "features": np.asarray(features, np.float32),
            "target_features": np.asarray(target_features, np.float32),
            **rest,
        }

    return fill


def node_inputs(multiple: int = 1) -> Fill:
    """The nodes alone, for `scn_tf.device_cache`, which has their rows.

    Args:
        multiple: as in `cached_inputs`.
    """

    def fill(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        nodes = {
            name: _padded(batch[name], multiple).astype(np.int32)
            for name in (SOURCE_NODES, TARGET_NODES)
        }
        return {**batch, **nodes}

    return fill


def patch_inputs(
    graph: PairGraph, cache: FeatureCache, image_size: int, multiple: int = 1
) -> Fill:
    """Inputs of `cached_pair_model` on a `patch_network`.

    The patches of the sources are cut from the records, the targets come
    from the cache: their network never changes.

    Args:
        graph: of the records.
        cache: its targets are used.
        image_size: side of a patch in pixels.
        multiple: as in `cached_inputs`.
    """

    def fill(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rest = dict(batch)
        sources = rest.pop(SOURCE_NODES)
        targets = _padded(rest.pop(TARGET_NODES), multiple)
        patches = load_patches(graph, sources, image_size)
        rows = _padded(np.arange(len(sources)), multiple)
        return {
            "features": patches[rows],
            "target_features": np.asarray(cache.targets[targets], np.float32),
            **rest,
        }

    return fill


def live_inputs(graph: PairGraph, image_size: int, multiple: int = 1) -> Fill:
    """Inputs of `live_pair_model`: patches cut from the records.

    Each picture of the batch is read and decoded once, each patch is cut
    once, whatever the number of pairs.

    Args:
        graph: of the records.
        image_size: side of a patch in pixels.
        multiple: as in `cached_inputs`.
    """

    def fill(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rest = dict(batch)
        sources = rest.pop(SOURCE_NODES)
        targets = rest.pop(TARGET_NODES)
        nodes = np.union1d(sources, targets)
        patches = load_patches(graph, nodes, image_size)
        rows = _padded(np.arange(len(nodes)), multiple)
        return {
            "patches": patches[rows],
            "source_patch": _padded(_rows(nodes, sources), multiple),
            "target_patch": _padded(_rows(nodes, targets), multiple),
            **rest,
        }

    return fill


def _padded(nodes: np.ndarray, multiple: int) -> np.ndarray:
    missing = -len(nodes) % multiple
    return np.pad(nodes, (0, missing), mode="edge") if missing else nodes


def _rows(nodes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.searchsorted(nodes, chosen).astype(np.int32)
