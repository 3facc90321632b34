"""Laws of the batches: pure in (seed, step), every pair once per epoch."""

import dataclasses

import numpy as np
import pytest
from tiny import tiny_graph

from scn_tf.batches import batch_dataset
from scn_tf.batches import connect
from scn_tf.batches import PairSampler
from scn_tf.batches import Shares
from scn_tf.chunks import take
from scn_tf.offsets import PairOffsets
from tfrecords.errors import InputError

GRAPH = tiny_graph()  # 6 images, 4 boxes each, 36 pairs


@pytest.mark.parametrize("batching", ["images", "pairs"])
def test_an_epoch_has_every_pair_once(batching):
    sampler = PairSampler(GRAPH, 6, batching)
    for epoch in range(2):
        steps = range(epoch * 6, epoch * 6 + 6)
        drawn = np.concatenate([sampler.pair_indices(step) for step in steps])
        np.testing.assert_array_equal(np.sort(drawn), np.arange(36))


def test_a_step_does_not_depend_on_the_steps_before_it():
    forward = PairSampler(GRAPH, 7, seed=3)
    drawn = [forward.pair_indices(step) for step in range(12)]
    backward = PairSampler(GRAPH, 7, seed=3)
    for step in reversed(range(12)):
        np.testing.assert_array_equal(backward.pair_indices(step), drawn[step])


def test_epochs_and_seeds_differ():
    sampler = PairSampler(GRAPH, 36, seed=0)
    first, second = sampler.pair_indices(0), sampler.pair_indices(1)
    other = PairSampler(GRAPH, 36, seed=1).pair_indices(0)
    assert (first != second).any()
    assert (first != other).any()


def test_what_fills_no_whole_batch_waits_for_the_next_epoch():
    sampler = PairSampler(GRAPH, 10)
    assert sampler.steps_per_epoch == 3
    assert all(len(sampler.pair_indices(step)) == 10 for step in range(7))


def test_a_batch_larger_than_the_set_is_the_set():
    sampler = PairSampler(GRAPH, 64)
    assert (sampler.batch_pairs, sampler.steps_per_epoch) == (36, 1)


def test_batching_by_images_keeps_their_pairs_together():
    sampler = PairSampler(GRAPH, 12, "images")
    for step in range(3):  # 6 pairs per image: two images fill a batch
        pairs = GRAPH.pairs[sampler.pair_indices(step)]
        assert len(np.unique(GRAPH.patch_image[pairs])) == 2


def test_nodes_and_rows_give_the_pairs_back():
    batch = PairSampler(GRAPH, 12, seed=5).batch(1)
    pairs = np.stack(
        [
            batch["source_nodes"][batch["source"]],
            batch["target_nodes"][batch["target"]],
        ],
        1,
    )
    drawn = PairSampler(GRAPH, 12, seed=5).pair_indices(1)
    np.testing.assert_array_equal(pairs, GRAPH.pairs[drawn])
    np.testing.assert_array_equal(batch["offset"], PairOffsets(GRAPH)(pairs))


def test_a_patch_stands_once_however_many_pairs_it_has():
    pairs = np.array([[0, 1], [0, 2], [0, 3]])
    connected = connect(pairs, PairOffsets(GRAPH))
    np.testing.assert_array_equal(connected["source_nodes"], [0])
    np.testing.assert_array_equal(connected["source"], [0, 0, 0])


def test_replicas_share_a_batch_without_overlap():
    sampler = PairSampler(GRAPH, 7)
    shares = [sampler.batch(2, replica, 2) for replica in range(2)]
    assert [len(share["source"]) for share in shares] == [4, 3]
    offsets = np.concatenate([share["offset"] for share in shares])
    np.testing.assert_array_equal(offsets, sampler.batch(2)["offset"])
    assert all(share["num_pairs"] == 7 for share in shares)


def test_dataset_gives_the_batches_in_order_for_every_replica():
    sampler = PairSampler(GRAPH, 7)
    chunks = [range(2, 4), range(4, 5)]
    dataset = batch_dataset(sampler, dict, chunks, Shares(2))
    elements = list(dataset.as_numpy_iterator())
    assert len(elements) == 4
    for index, element in enumerate(elements):
        steps, replica = chunks[index // 2], index % 2
        for position, step in enumerate(steps):
            expected = sampler.batch(step, replica, 2)
            batch = take(element, position)
            assert batch.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_array_equal(batch[name], value)


def test_a_replica_gets_its_turns_of_a_step_one_after_the_other():
    sampler = PairSampler(GRAPH, 8)
    dataset = batch_dataset(sampler, dict, [range(1, 3)], Shares(2, 2))
    elements = list(dataset.as_numpy_iterator())
    assert len(elements) == 2
    for replica, element in enumerate(elements):
        for position in range(4):
            step, turn = 1 + position // 2, position % 2
            expected = sampler.batch(step, 2 * replica + turn, 4)
            offset = take(element, position)["offset"]
            np.testing.assert_array_equal(offset, expected["offset"])


def test_a_set_without_pairs_says_what_to_do():
    empty = dataclasses.replace(GRAPH, pairs=np.zeros((0, 2), np.int64))
    with pytest.raises(InputError, match="no pair to train on"):
        PairSampler(empty, 4)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="'patches'"):
        PairSampler(GRAPH, 4, "patches")


def test_workers_replicas_and_turns_share_all_parts():
    # Two workers of two replicas, each with three turns: twelve parts.
    shares = [Shares(4, 3, worker, 2) for worker in range(2)]
    assert shares[0].own() == [[0, 1, 2], [3, 4, 5]]
    assert shares[1].own() == [[6, 7, 8], [9, 10, 11]]
    assert shares[0].num_parts == 12
