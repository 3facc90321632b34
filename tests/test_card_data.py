"""Laws of what a card says about the data."""

import dataclasses

import pytest

from export.card import card_data
from export.card.card_data import data_text
from tfrecords.manifest import Manifest
from tfrecords.manifest import Split
from tfrecords.proposals import PROPOSERS
from tfrecords.proposals.proposals import ProposalOptions

MANIFEST = Manifest(
    schema_version=2,
    source="voc",
    source_digest="a",
    classes=("cat",),
    options={
        "proposals": "edge_boxes",
        **dataclasses.asdict(ProposalOptions(uniform_side=99)),
        "seed": 0,
    },
    splits={
        "train": Split(2359, 18853, 65000, 6300, ()),
        "val": Split(10, 80, 280, 30, ()),
    },
    skipped=({"image_id": "x", "split": "train", "reason": "y"},),
    notes={},
    versions={},
    digest="f00d",
)


def test_the_counts_of_every_split_are_there_with_their_use():
    text = data_text(MANIFEST, ("train",), 1.0)
    assert "| train | 2,359 | 18,853 | 65,000 | trained on |" in text
    assert "| val | 10 | 80 | 280 | not trained on |" in text
    assert "`voc`" in text and "`f00d`" in text
    assert "could not be used: 1." in text
    assert "IoU" not in text


def test_the_numbers_of_the_method_alone_are_named():
    text = data_text(MANIFEST, ("train",))
    assert "`edge_boxes` (boxes_per_image 8" in text
    assert "nms_iou 0.45" in text
    assert "uniform" not in text


def test_the_methods_and_their_numbers_are_those_there_are():
    numbers = card_data._PROPOSAL_NUMBERS
    assert sorted(numbers) == sorted(PROPOSERS)
    named = {*card_data._OF_ALL}.union(*numbers.values())
    fields = {field.name for field in dataclasses.fields(ProposalOptions)}
    assert named == fields


@pytest.mark.parametrize("method", sorted(PROPOSERS))
def test_labels_in_the_proposals_are_confessed(method):
    leak = PROPOSERS[method].label_leak
    text = data_text(dataclasses.replace(MANIFEST, label_leak=leak), ())
    confession = f"**Labels in the proposals:** {leak}."
    assert (confession in text) == bool(leak)
    assert ("No labels were used" in text) == (not leak)


def test_pairs_that_were_left_out_are_mentioned():
    text = data_text(MANIFEST, ("train",), 0.5)
    assert "overlap by more than 0.5 (IoU)" in text


def test_photographs_that_were_left_out_are_mentioned():
    part = "Only a part of the train photographs was trained on."
    assert part in data_text(MANIFEST, ("train",), 1.0, "train_part")
    assert part not in data_text(MANIFEST, ("train",), 1.0, "train")


def test_what_is_not_known_says_so():
    assert data_text(None, ()) == "Not known: the records have no manifest."
    bare = dataclasses.replace(MANIFEST, options={})
    assert "`not known` (settings not known)" in data_text(bare, ())
