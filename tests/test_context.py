"""Laws of the held-out loss and its controls."""

import numpy as np
import pytest
from tiny import tiny_graph

from scn_tf.evaluation.context import ContextCheck
from scn_tf.evaluation.context import sample_pairs
from scn_tf.offsets import PairOffsets

GRAPH = tiny_graph(num_images=6)
RNG = np.random.default_rng(0)
TARGETS = RNG.normal(size=(24, 3)).astype(np.float32)
VECTORS = RNG.normal(size=(24, 3)).astype(np.float32)


def additive(source, offset):
    """h3 = h1 + the first three offsets."""
    return source + offset[:, :3]


def vectors(nodes):
    return VECTORS[nodes]


def check(head=additive) -> ContextCheck:
    return ContextCheck(GRAPH, GRAPH.pairs, head, vectors, TARGETS)


def test_floor_is_the_spread_around_the_mean_target():
    targets = TARGETS[GRAPH.pairs[:, 1]]
    expected = np.square(targets - targets.mean(0)).sum(1).mean()
    assert check().floor == pytest.approx(expected, rel=1e-5)


def test_no_constant_beats_the_floor():
    mean = TARGETS[GRAPH.pairs[:, 1]].mean(0)
    best = check(lambda source, offset: 0 * source + mean).measure()
    assert best["loss"] == pytest.approx(best["floor"], rel=1e-5)
    for _ in range(5):
        constant = mean + RNG.normal(scale=0.1, size=3).astype(np.float32)
        measured = check(lambda source, offset, c=constant: 0 * source + c)
        assert measured.measure()["loss"] > best["floor"]


def test_loss_is_equation_2_over_all_pairs():
    source, target = GRAPH.pairs.T
    offset = PairOffsets(GRAPH)(GRAPH.pairs)
    predicted = VECTORS[source] + offset[:, :3]
    expected = np.square(predicted - TARGETS[target]).sum(1).mean()
    measured = check().measure()
    assert measured["loss"] == pytest.approx(expected, rel=1e-5)
    assert measured["pairs"] == 36
    ratio = measured["loss"] / measured["floor"]
    assert measured["over_floor"] == pytest.approx(ratio)


def test_permuting_offsets_does_not_matter_to_a_blind_head():
    measured = check(head=lambda source, offset: source).measure()
    assert measured["permuted"] == pytest.approx(measured["loss"])


def test_permuting_offsets_hurts_a_head_that_uses_them():
    source, target = GRAPH.pairs.T
    offset = PairOffsets(GRAPH)(GRAPH.pairs)[:, :3]
    # Targets that the offset explains wholly; every patch one target.
    last = np.unique(target, return_index=True)[1]
    targets = np.zeros((24, 3), np.float32)
    targets[target[last]] = VECTORS[source[last]] + offset[last]
    pairs = GRAPH.pairs[last]
    check = ContextCheck(GRAPH, pairs, additive, vectors, targets)
    measured = check.measure()
    assert measured["loss"] == pytest.approx(0, abs=1e-6)
    assert measured["permuted"] > 0.01


def test_a_sample_takes_whole_images():
    pairs = sample_pairs(GRAPH, 7, seed=0)  # 6 pairs an image: two images
    assert len(pairs) == 12
    assert len(np.unique(GRAPH.patch_image[pairs])) == 2
    np.testing.assert_array_equal(sample_pairs(GRAPH, 7, seed=0), pairs)


def test_zero_takes_all_pairs_and_too_many_takes_what_there_is():
    np.testing.assert_array_equal(sample_pairs(GRAPH, 0, 0), GRAPH.pairs)
    assert len(sample_pairs(GRAPH, 1000, 0)) == 36
