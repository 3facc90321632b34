import dataclasses
import errno
import hashlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_source import picture
from small_source import small_options
from small_source import SmallSource

from tfrecords import shard
from tfrecords.errors import InputError
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.schema import parse
from tfrecords.shard import build_shard
from tfrecords.shard import ShardTask


@pytest.fixture
def make(tmp_path):
    """Builds one shard of all the pictures; gives result and records."""

    def build(source, keys=None, **changes):
        keys = tuple(keys or source.keys())
        task = ShardTask("train", tmp_path / "a.tfrecord", keys, source.classes)
        result = build_shard(task, source, small_options(**changes))
        dataset = tf.data.TFRecordDataset(str(task.path))
        return result, [parse(serialized) for serialized in dataset]

    return build


def test_a_record_holds_picture_objects_proposals_and_pairs(make):
    result, records = make(SmallSource(num_train=2, num_val=0))
    assert result.counts == dict(images=2, proposals=6, pairs=6, objects=4)
    assert result.skipped == []
    assert result.notes == {} and result.noted == {}
    record = records[1]
    assert record["image_id"].numpy() == b"1"
    assert record["encoded"].numpy() == picture(1)
    assert record["size"].numpy().tolist() == [24, 32]
    np.testing.assert_array_equal(
        record["object_boxes"], [[2, 3, 12, 23], [10, 4, 20, 30]]
    )
    assert record["object_labels"].numpy().tolist() == [1, -1]
    assert record["object_difficult"].numpy().tolist() == [False, True]
    pairs = np.sort(record["pairs"].numpy(), axis=1)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]


def test_the_digest_is_that_of_the_file(make, tmp_path):
    result, _ = make(SmallSource())
    content = (tmp_path / "a.tfrecord").read_bytes()
    assert result.sha256 == hashlib.sha256(content).hexdigest()
    assert result.bytes == len(content)


def test_chance_depends_on_seed_and_image_only(make):
    source = SmallSource()
    _, together = make(source)
    _, alone = make(source, keys=source.keys()[3:4])
    _, reseeded = make(source, seed=1)
    for name in ("proposal_boxes", "pairs"):
        np.testing.assert_array_equal(alone[0][name], together[3][name])
    boxes = [records[3]["proposal_boxes"] for records in (together, reseeded)]
    assert np.any(boxes[0] != boxes[1])
    assert np.any(together[2]["proposal_boxes"] != boxes[0])


def test_wrong_boxes_are_dropped_or_clipped_and_counted(make):
    boxes = (
        (2, 3, 12, 23),
        (-5, 0, 10, 99),  # reaches over the border
        (12, 3, 2, 23),  # inverted
        (5, 5, 5, 9),  # empty
        (30, 0, 40, 9),  # below the picture
        (float("nan"), 0, 9, 9),
    )
    labels = ("cat", "dog", "", "", "", "")
    source = SmallSource(1, 0, boxes=boxes, labels=labels)
    result, records = make(source, proposals="ground_truth")
    assert result.notes == {
        "box clipped": 1,
        "box dropped: empty": 1,
        "box dropped: inverted": 1,
        "box dropped: not finite": 1,
        "box dropped: outside": 1,
    }
    np.testing.assert_array_equal(
        records[0]["object_boxes"], [[2, 3, 12, 23], [0, 0, 10, 32]]
    )
    assert records[0]["object_labels"].numpy().tolist() == [0, 1]
    assert records[0]["object_difficult"].numpy().tolist() == [False, True]
    # The largest proposal comes first: the dog's.
    assert records[0]["proposal_labels"].numpy().tolist() == [1, 0]


@pytest.mark.parametrize("number", [0, 1])
def test_an_image_with_fewer_than_two_proposals_is_kept(make, number):
    options = ProposalOptions(uniform_crops=number)
    result, records = make(SmallSource(2, 0), proposal_options=options)
    assert result.notes == {"fewer than two proposals": 2}
    assert result.counts == dict(
        images=2, proposals=2 * number, pairs=0, objects=4
    )
    assert records[0]["proposal_boxes"].shape == (number, 4)
    assert records[0]["object_boxes"].shape == (2, 4)


def test_the_pairs_of_the_source_are_used(make):
    source = SmallSource(1, 0, pairs=((1, 0),))
    result, records = make(source, proposals="ground_truth")
    assert records[0]["pairs"].numpy().tolist() == [[1, 0]]
    assert records[0]["proposal_labels"].numpy().tolist() == [1, -1]
    assert result.notes == {}


def test_the_pairs_of_the_source_do_not_fit_other_proposals(make):
    source = SmallSource(1, 0, pairs=((1, 0),))
    result, records = make(source, proposals="uniform")
    assert len(records[0]["pairs"]) == 3
    (note,) = result.notes
    assert note.startswith("pairs of the source not used")
    broken = SmallSource(
        1, 0, boxes=((0, 0, 9, 9), (5, 5, 5, 5)), pairs=((1, 0),)
    )
    result, records = make(broken, proposals="ground_truth")
    assert len(records[0]["pairs"]) == 0
    assert result.notes[note] == 1


def test_a_picture_that_must_change_is_counted_with_its_reason(make):
    source = SmallSource(3, 0, save=(("format", "PNG"),))
    result, records = make(source)
    assert result.notes == {"picture changed: PNG": 3}
    assert tf.io.is_jpeg(records[0]["encoded"])


def test_a_bad_picture_is_skipped_and_named(make):
    result, records = make(SmallSource(4, 0, bad=(1,)))
    assert result.counts["images"] == 3
    assert result.skipped == [
        {"split": "train", "image_id": "1", "reason": "picture 1 is bad"}
    ]
    ids = [record["image_id"].numpy() for record in records]
    assert ids == [b"0", b"2", b"3"]


def test_a_truncated_picture_is_skipped_and_named(make, monkeypatch):
    whole = picture(0)
    monkeypatch.setattr("small_source.picture", lambda index: whole[:-300])
    result, records = make(SmallSource(1, 0))
    assert records == []
    assert "truncated" in result.skipped[0]["reason"]


def test_a_full_disk_is_named_and_leaves_no_file(make, tmp_path, monkeypatch):
    def full(record):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shard, "to_example", full)
    with pytest.raises(InputError, match="disk is full: .*a.tfrecord"):
        make(SmallSource())
    assert list(tmp_path.iterdir()) == []


def test_a_bad_picture_stops_the_build_if_asked(make, tmp_path):
    with pytest.raises(InputError, match="1 cannot be used: picture 1 is bad"):
        make(SmallSource(4, 0, bad=(1,)), on_bad_image="stop")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_the_number_of_pictures_at_once_changes_nothing(
    make, monkeypatch, at_once
):
    source = SmallSource(4, 0, bad=(1,))
    one, _ = make(source)
    monkeypatch.setattr(shard, "_PICTURES_AT_ONCE", at_once)
    other, _ = make(source)
    assert other == one


@pytest.mark.parametrize("size", [(64, 33_000), (33_000, 64)])
def test_a_picture_too_long_for_its_proposals_is_left_out_alone(make, size):
    class Long(SmallSource):
        def read(self, key):
            record = super().read(key)
            if key.image_id != "1":
                return record
            return dataclasses.replace(record, image=picture(1, *size))

    source = Long(3, 0, boxes=(), labels=())
    result, _ = make(source, proposals="edge_boxes")
    assert result.counts["images"] == 2
    [skip] = result.skipped
    assert skip["image_id"] == "1" and "32766" in skip["reason"]
    with pytest.raises(InputError, match="1 cannot be used.*--max_side"):
        make(source, proposals="edge_boxes", on_bad_image="stop")
    result, _ = make(source, proposals="edge_boxes", max_side=9000)
    assert result.counts["images"] == 3
    result, _ = make(source, proposals="uniform")
    assert result.counts["images"] == 3


def test_every_picture_is_counted_as_it_is_done(tmp_path):
    source = SmallSource(19, 0, bad=(1,))
    task = ShardTask("train", tmp_path / "a", tuple(source.keys()), ())
    numbers = []
    build_shard(task, source, small_options(), numbers.append)
    assert sum(numbers) == 19 and len(numbers) > 1


def test_boxes_are_kept_as_records_can_hold_them(make):
    # 1/32 pixel is the smallest side; less becomes empty.
    boxes = ((0.01, 0, 10.49, 9.98), (3, 3, 3.01, 9))
    source = SmallSource(1, 0, boxes=boxes, labels=("cat", "dog"))
    result, records = make(source, proposals="ground_truth")
    assert result.notes["box dropped: empty"] == 1
    wanted = [[0, 0, 10.5, 9.96875]]
    np.testing.assert_array_equal(records[0]["object_boxes"], wanted)
    np.testing.assert_array_equal(records[0]["proposal_boxes"], wanted)


def test_boxes_of_the_picture_as_it_is_stored_are_used(make):
    result, records = make(SmallSource(2, 0, size=(24, 32)))
    _, plain = make(SmallSource(2, 0))
    assert result.counts["images"] == 2 and result.skipped == []
    for record, other in zip(records, plain, strict=True):
        np.testing.assert_array_equal(
            record["object_boxes"], other["object_boxes"]
        )


def test_boxes_of_a_picture_before_its_exif_rotation_are_not_used(make):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    source = SmallSource(2, 0, save=(("exif", exif),), size=(24, 32))
    result, records = make(source)
    assert records == [] and result.counts["images"] == 0
    assert [skip["image_id"] for skip in result.skipped] == ["0", "1"]
    for skip in result.skipped:
        assert skip["reason"].startswith(
            "its boxes refer to 32 x 24, the upright picture is 24 x 32 "
        )
        assert "Restore the picture that was annotated" in skip["reason"]
    upright = dataclasses.replace(source, size=(32, 24))
    assert make(upright)[0].counts["images"] == 2


def test_boxes_of_a_picture_resized_since_are_not_used(make):
    result, _ = make(SmallSource(1, 0, size=(48, 64)))
    (skip,) = result.skipped
    assert "refer to 64 x 48, the upright picture is 32 x 24" in skip["reason"]


def test_every_note_names_its_images(make):
    boxes = ((-5, 0, 10, 99), (-5, 0, 11, 99), (5, 5, 5, 9))
    source = SmallSource(
        3, 0, bad=(1,), boxes=boxes, labels=("",) * 3, save=(("format", "PNG"),)
    )
    options = ProposalOptions(uniform_crops=1)
    result, _ = make(source, proposal_options=options)
    assert result.notes == {
        "box clipped": 4,
        "box dropped: empty": 2,
        "fewer than two proposals": 2,
        "picture changed: PNG": 2,
    }
    assert result.noted == {note: ["0", "2"] for note in result.notes}


def test_large_pictures_are_scaled_down_and_their_boxes_too(make):
    source = SmallSource(1, 0, size=(24, 32))  # boxes of 24 x 32 pixels
    result, (record,) = make(source, proposals="ground_truth", max_side=16)
    assert record["size"].numpy().tolist() == [12, 16]
    wanted = [[1, 1.5, 6, 11.5], [5, 2, 10, 15]]
    np.testing.assert_array_equal(record["object_boxes"], wanted)
    assert result.notes["picture changed: scaled"] == 1
    same, (record,) = make(source, max_side=32)
    assert record["encoded"].numpy() == picture(0)
    assert same.notes == {}


def test_the_whole_image_can_be_one_more_proposal(make):
    options = ProposalOptions(uniform_crops=2, uniform_side=8)
    _, (plain,) = make(SmallSource(1, 0), proposal_options=options)
    options = dataclasses.replace(options, whole_image=True)
    _, (record,) = make(SmallSource(1, 0), proposal_options=options)
    boxes = record["proposal_boxes"].numpy()
    np.testing.assert_array_equal(boxes[:2], plain["proposal_boxes"])
    np.testing.assert_array_equal(boxes[2], [0, 0, *record["size"].numpy()])
    assert len(record["pairs"]) == 3
    assert record["proposal_labels"].numpy()[2] == -1


def test_boxes_of_a_file_are_scaled_with_the_pictures(make, tmp_path):
    path = tmp_path / "boxes.csv"
    rows = ["0,2,4,20,30,2", "0,0,0,24,32,1", "0,90,90,99,99,3"]
    header = "image_id,ymin,xmin,ymax,xmax,score"
    path.write_text("\n".join([header, *rows]))
    options = ProposalOptions(proposals_file=str(path), whole_image=True)
    result, (record,) = make(
        SmallSource(1, 0),  # of 24 x 32 pixels; it does not state that
        proposals="file",
        proposal_options=options,
        max_side=16,
    )
    np.testing.assert_array_equal(
        record["proposal_boxes"],
        [[1, 2, 10, 15], [0, 0, 12, 16], [0, 0, 12, 16]],
    )
    assert result.notes["proposal dropped: outside"] == 1
