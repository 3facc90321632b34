"""What a run reads: splits, pairs and offsets, as the flags want them."""

import dataclasses

import numpy as np
import pytest
from parsed_flags import parsed_config

from scn_tf.run_data import learning_part
from scn_tf.run_data import RunData
from tfrecords.boxes import paired_iou


def data(*arguments: str) -> RunData:
    return RunData(parsed_config(*arguments))


@pytest.fixture(scope="module")
def folder(voc_run):
    return f"--records_dir={voc_run}/records"


def test_trainval_takes_the_held_out_split_in(demo_run):
    records = f"--records_dir={demo_run}/records"
    assert data(records).train_splits == ("train",)
    both = data(records, "--train_split=trainval")
    assert both.train_splits == ("train", "val")
    assert both.held_out_splits == ("val",)


def test_pairs_that_overlap_much_are_left_out(folder):
    everything = data(folder).graph(("val",))
    apart = data(folder, "--max_pair_iou=0.2").graph(("val",))
    source, target = np.moveaxis(everything.boxes[everything.pairs], 1, 0)
    kept = paired_iou(source, target) <= 0.2
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(apart.pairs, everything.pairs[kept])
    np.testing.assert_array_equal(apart.boxes, everything.boxes)


def test_without_held_out_pairs_those_of_the_training_are_checked(demo_run):
    records = f"--records_dir={demo_run}/records"
    assert data(records).held_out_splits == ("val",)
    # The manifest counts pairs that the flags then leave out.
    without = data(records)
    graph = without.graph(("val",))
    emptied = dataclasses.replace(graph, pairs=graph.pairs[:0])
    without._graphs["val",] = emptied
    assert without.held_out_splits == ("train",)


def test_photographs_that_judge_are_not_trained_on(folder):
    everything = data(folder).graph(("train",))
    part = data(folder, "--train_split=train_part").graph(("train",))
    images = everything.patch_image[everything.pairs[:, 0]]
    is_learned = learning_part(len(everything.image_ids))
    assert is_learned.sum() == round(0.7 * len(is_learned))
    kept = is_learned[images]
    assert 0 < kept.sum() < len(kept)
    np.testing.assert_array_equal(part.pairs, everything.pairs[kept])
    np.testing.assert_array_equal(part.boxes, everything.boxes)
    # The held-out check keeps all of its pairs.
    held_out = data(folder, "--train_split=train_part").graph(("val",))
    assert len(held_out.pairs) == len(data(folder).graph(("val",)).pairs)


def test_offsets_follow_unit_and_control(folder):
    plain, permuted, pixels = (
        data(folder, *flags)
        for flags in (
            (),
            ("--offset_control=permuted",),
            ("--offset_unit=pixels",),
        )
    )
    pairs = plain.graph(("val",)).pairs
    one, other, large = (
        run.offsets(("val",))(pairs) for run in (plain, permuted, pixels)
    )
    assert not np.array_equal(one, other)
    np.testing.assert_allclose(np.sort(one, 0), np.sort(other, 0))
    longest = large[:, 0] / np.where(one[:, 0], one[:, 0], np.nan)
    assert np.nanmin(longest) > 100  # pixels of a photograph's side
    assert plain.offsets(("val",)) is plain.offsets(("val",))


def test_objects_and_images_are_told_apart_from_proposals(folder):
    run = data(folder)
    graph = run.graph(("val",))
    proposals, objects, images = (
        run.data_digest(graph, kind)
        for kind in ("proposals", "objects", "images")
    )
    assert proposals == run.manifest.digest
    assert objects == images != proposals
    # Other proposals of the same photographs share what is cached of them.
    moved = data(folder, "--max_pair_iou=0.1")
    assert moved.data_digest(moved.graph(("val",)), "objects") == objects
    assert run.data_digest(run.graph(("train",)), "objects") != objects
