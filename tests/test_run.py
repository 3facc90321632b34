"""Laws of what the stages of a run share."""

import dataclasses
import random

import numpy as np
import pytest
from parsed_flags import parsed_config

from scn_tf.backbones.preprocessing import as_images
from scn_tf.run import Run


def open_run(demo_run, run_dir, *more: str) -> Run:
    values = parsed_config(
        "--flagfile=scn_tf/flagfiles/demo.flags",
        f"--run_dir={run_dir}",
        f"--records_dir={demo_run}/records",
        *more,
    )
    run_dir.mkdir(exist_ok=True)
    return Run(values)


@pytest.fixture(scope="module")
def run(demo_run, tmp_path_factory) -> Run:
    run_dir = tmp_path_factory.mktemp("run")
    return open_run(demo_run, run_dir, "--precision=float32")


def test_both_streams_start_equal_and_apart(run):
    necks = (run.backbone.neck, run.frozen_neck)
    for one, other in zip(*(neck.weights for neck in necks), strict=True):
        assert one is not other
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert not run.frozen_neck.trainable_variables


def test_the_networks_are_as_wide_as_the_flags_say(demo_run, tmp_path):
    narrow = open_run(demo_run, tmp_path / "run", "--fc7_width=24")
    assert narrow.backbone.num_features == 24
    assert narrow.frozen_neck.output_shape == (None, 24)


def test_offsets_enter_with_a_spread_of_one(run):
    graph = run.graph(("train",))
    boxes = graph.boxes[graph.pairs] / 256  # canvas of 256 pixels
    columns = [1, 0, 3, 0, 1, 2, 3, 2]
    offsets = (boxes[:, 1] - boxes[:, 0])[:, columns]
    expected = np.sqrt(np.mean(np.square(offsets)))
    assert run.head.offset_spread == pytest.approx(expected, rel=1e-4)


def test_the_head_begins_as_the_seed_says(run, demo_run, tmp_path):
    """Whatever was drawn before, as where records had to be built."""
    again = open_run(demo_run, tmp_path / "again", "--precision=float32")
    random.random()
    other = open_run(demo_run, tmp_path / "other", "--seed=1")
    expected, *others = (one.head.get_weights() for one in (run, again, other))
    for one, same, different in zip(expected, *others, strict=True):
        np.testing.assert_array_equal(one, same)
        assert not one.any() or (one != different).all()  # biases are zero


def test_parts_are_made_once(run):
    assert run.graph(("val",)) is run.graph(("val",))
    assert run.head is run.head
    first = run.cache(("val",), "proposals")
    assert run.cache(("val",), "proposals") is first


def test_two_devices_fill_the_bytes_of_one(run, demo_run, tmp_path):
    run.cache(("val",), "images")
    flags = ["--precision=float32", "--devices=CPU:0,CPU:1"]
    both = open_run(demo_run, tmp_path / "run", *flags)
    assert both.strategy.num_replicas_in_sync == 2
    both.cache(("val",), "images")
    one, other = (each.config.run_dir / "cache" for each in (run, both))
    (folder,) = other.iterdir()
    for path in folder.iterdir():
        stored = one / folder.name / path.name
        assert stored.read_bytes() == path.read_bytes()


def test_source_vectors_are_the_necks(run):
    graph = run.graph(("val",))
    nodes = np.array([5, 0, 2, 0])  # any order, more than once
    patches = next(iter(run.patches(("val",), "proposals").rebatch(6)))
    maps = run.backbone.trunk(as_images(patches))
    expected = run.backbone.neck(maps, training=False).numpy()[nodes]
    vectors = run.source_vectors(graph, ("val",), nodes)
    np.testing.assert_allclose(vectors, expected, rtol=1e-2, atol=1e-2)


def test_what_the_caches_hold_counts_against_their_memory(demo_run, tmp_path):
    run = open_run(demo_run, tmp_path / "run", "--cache_memory=0.001")
    assert run.cache(("val",), "proposals").memory == 0  # 1.6 MB of 1 MiB
    assert run.cache(("val",), "images").memory > 0
    held = run.cache(("val",), "images").memory
    assert run.cache_memory() == int(0.001 * 2**30) - held


def test_live_source_vectors_are_the_necks_too(demo_run, tmp_path):
    run = open_run(demo_run, tmp_path / "run", "--train_from=input")
    assert not run.trains_on_cache
    graph = run.graph(("val",))
    nodes = np.array([5, 0, 2, 0])  # any order, more than once
    patches = next(iter(run.patches(("val",), "proposals").rebatch(6)))
    maps = run.backbone.trunk(as_images(patches))
    expected = run.backbone.neck(maps, training=False).numpy()[nodes]
    vectors = run.source_vectors(graph, ("val",), nodes)
    # Kernels add up batches of another size in another order.
    largest = np.abs(expected).max()
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-5 * largest)


def test_trainval_trains_on_both_splits(demo_run, tmp_path):
    run = open_run(demo_run, tmp_path / "run", "--train_split=trainval")
    assert run.train_splits == ("train", "val")
    assert len(run.graph(run.train_splits).image_ids) == 800


def test_without_a_val_split_the_training_pairs_are_checked(run):
    splits = dict(run.manifest.splits)
    del splits["val"]
    bare = Run(run.config)
    bare.manifest = dataclasses.replace(run.manifest, splits=splits)
    assert bare.held_out_splits == ("train",)


@pytest.mark.parametrize("targets", ["permuted", "pixels"])
def test_features_of_proposals_do_not_depend_on_what_is_predicted(
    run, demo_run, tmp_path, targets
):
    flags = ("--precision=float32", f"--targets={targets}")
    other = open_run(demo_run, tmp_path / "run", *flags)
    features = np.asarray(other.proposal_features(("val",)))
    np.testing.assert_array_equal(features, run.proposal_features(("val",)))
    predicted = np.asarray(other.cache(("val",), "proposals").targets)
    assert not np.array_equal(predicted, features)
