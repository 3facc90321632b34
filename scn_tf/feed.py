"""What a step is fed with, and what it computes of that.

In: a run. Out: what fills a batch on the host and what turns it into
predictions on the device, for wherever the training starts: at cached trunk
features, at patches with cached targets, or at patches alone.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from scn_tf import inputs
from scn_tf.batches import batch_dataset
from scn_tf.batches import PairSampler
from scn_tf.batches import Shares
from scn_tf.device_cache import device_cache
from scn_tf.distribution import num_workers
from scn_tf.distribution import worker_index
from scn_tf.feature_cache import in_memory
from scn_tf.pair_model import cached_pair_model
from scn_tf.pair_model import Forward
from scn_tf.pair_model import forward_of
from scn_tf.pair_model import live_pair_model
from scn_tf.pair_model import patch_network
from scn_tf.run import Run

# A compiled step is compiled again for every new number of patches.
_NODE_MULTIPLE = 32


@dataclasses.dataclass(frozen=True)
class Feed:
    """The way from a batch of nodes to predictions.

    Attributes:
        fill: a batch of `PairSampler` -> what is given to the device.
        forward: that -> predictions and targets of the pairs.
    """

    fill: inputs.Fill
    forward: Forward


def make_sampler(run: Run) -> PairSampler:
    """Draws the training pairs of a run.

    Raises:
        InputError: if there are none.
    """
    config = run.config
    return PairSampler(
        run.graph(run.train_splits),
        config.batch_pairs,
        config.batching,
        config.seed,
        config.offset_unit,
    )


def make_feed(run: Run) -> Feed:
    """The feed of a run whose caches are filled."""
    if run.trains_on_cache:
        return _cached(run)
    graph = run.graph(run.train_splits)
    size = run.backbone.image_size
    multiple = node_multiple(run)
    with run.strategy.scope():
        if run.config.feature_cache:
            cache = run.cache(run.train_splits, "proposals")
            network = patch_network(run.backbone)
            model = cached_pair_model(network, run.head)
            fill = inputs.patch_inputs(graph, cache, size, multiple)
        else:
            model = live_pair_model(run.backbone, run.frozen_neck, run.head)
            fill = inputs.live_inputs(graph, size, multiple)
    return Feed(fill, forward_of(model))


def _cached(run: Run) -> Feed:
    """Rows of the cache: on the devices, in the host's memory or on disk."""
    with run.strategy.scope():
        model = cached_pair_model(run.backbone.neck, run.head)
    cache = run.cache(run.train_splits, "proposals")
    memory = run.cache_memory()
    on_devices = device_cache(cache, run.strategy, memory)
    multiple = node_multiple(run)
    if on_devices:
        fill = inputs.node_inputs(multiple)
        return Feed(fill, forward_of(model, on_devices))
    fill = inputs.cached_inputs(in_memory(cache, memory), multiple)
    return Feed(fill, forward_of(model))


def node_multiple(run: Run) -> int:
    """Numbers of nodes in a batch are multiples of this one."""
    return _NODE_MULTIPLE if run.config.training.jit_compile else 1


def distributed_batches(
    run: Run, sampler: PairSampler, fill: inputs.Fill, chunks: Sequence[range]
) -> tf.distribute.DistributedDataset:
    """The batches of some steps for every replica of this worker."""
    shares = Shares(
        replicas=run.strategy.num_replicas_in_sync,
        accumulate=run.config.training.accumulate,
        worker=worker_index(),
        workers=num_workers(),
    )
    return run.strategy.distribute_datasets_from_function(
        lambda _: batch_dataset(sampler, fill, chunks, shares)
    )
