"""What a step is fed with, and what it computes of that.

In: a run. Out: what fills a batch on the host and what turns it into
predictions on the device, for wherever the training starts: at cached trunk
features, at patches with cached targets, or at patches alone.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from scn_tf import inputs
from scn_tf.backbones.backbone import Backbone
from scn_tf.batches import batch_dataset
from scn_tf.batches import PairSampler
from scn_tf.batches import Shares
from scn_tf.device_cache import device_cache
from scn_tf.device_cache import DeviceCache
from scn_tf.device_cache import on_accelerators
from scn_tf.distribution import num_workers
from scn_tf.distribution import worker_index
from scn_tf.feature_cache import FeatureCache
from scn_tf.feature_cache import in_memory
from scn_tf.head import SpatialContextHead
from scn_tf.pair_model import cached_pair_model
from scn_tf.pair_model import Forward
from scn_tf.pair_model import forward_of
from scn_tf.pair_model import live_pair_model
from scn_tf.pair_model import patch_network
from scn_tf.run import Run
from scn_tf.working_copy import working_copy
from scn_tf.working_copy import WorkingCopies

# A compiled step is compiled again for every new number of patches, and on
# GPUs convolutions are tuned anew.
_NODE_MULTIPLE = 32


@dataclasses.dataclass(frozen=True)
class Feed:
    """The way from a batch of nodes to predictions.

    Attributes:
        fill: a batch of `PairSampler` -> what is given to the device.
        forward: that -> predictions and targets of the pairs.
        working: the copies of neck and head that `forward` computes with;
            to be given to the optimizer.
    """

    fill: inputs.Fill
    forward: Forward
    working: WorkingCopies


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
        run.offsets(run.train_splits),
    )


def make_feed(run: Run, cache: FeatureCache | None = None) -> Feed:
    """The feed of a run.

    Args:
        run: whose caches are filled.
        cache: instead of the run's; its rows are taken from where it is.
    """
    graph = run.graph(run.train_splits)
    size = run.backbone.image_size
    multiple = node_multiple(run)
    with run.strategy.scope():
        backbone, head, working = _working_networks(run)
        if run.trains_on_cache:
            model = cached_pair_model(backbone.neck, head)
        elif run.config.feature_cache:
            model = cached_pair_model(patch_network(backbone), head)
        else:
            model = live_pair_model(backbone, run.frozen_neck, head)
    gather = None
    if not run.config.feature_cache:
        fill = inputs.live_inputs(graph, size, multiple)
    elif not run.trains_on_cache:
        cache = cache or run.cache(run.train_splits, "proposals")
        fill = inputs.patch_inputs(graph, cache, size, multiple)
    elif cache:
        fill = inputs.cached_inputs(cache, multiple)
    else:
        fill, gather = _cached(run, multiple)
    return Feed(fill, forward_of(model, gather), working)


def _working_networks(
    run: Run,
) -> tuple[Backbone, SpatialContextHead, WorkingCopies]:
    """What steps compute with."""
    precision = run.config.training.training_precision
    originals = (run.backbone.neck, run.head)
    neck, head = (working_copy(part, precision) for part in originals)
    backbone = dataclasses.replace(run.backbone, neck=neck)
    return backbone, head, WorkingCopies(originals, (neck, head))


def _cached(run: Run, multiple: int) -> tuple[inputs.Fill, DeviceCache | None]:
    """Rows of the cache: on the devices, in the host's memory or on disk."""
    cache = run.cache(run.train_splits, "proposals")
    on_devices = device_cache(cache, run.strategy)
    if on_devices:
        return inputs.node_inputs(multiple), on_devices
    held = in_memory(cache, run.cache_memory())
    return inputs.cached_inputs(held, multiple), None


def node_multiple(run: Run) -> int:
    """Numbers of nodes in a batch are multiples of this one."""
    compiled = run.config.training.jit_compile
    return _NODE_MULTIPLE if compiled or on_accelerators(run.strategy) else 1


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
