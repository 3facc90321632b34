import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from small_records import make_record
from small_records import with_pair
from small_records import write_records

from tfrecords import pair_graph
from tfrecords import schema
from tfrecords.errors import InputError
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import load_picture
from tfrecords.schema import parse
from tfrecords.schema import to_example

FIRST = make_record("train", 0, num_boxes=3, num_objects=2)
EMPTY = make_record("train", 1, num_boxes=0, num_objects=0)
SECOND = make_record("train", 2, num_boxes=2, num_objects=3)
OTHER = make_record("val", 3, num_boxes=2, num_objects=1)


@pytest.fixture
def folder(tmp_path):
    shards = {"val-0": [OTHER], "train-0": [FIRST, EMPTY], "train-1": [SECOND]}
    write_records(tmp_path, {**shards, "test-0": []})
    return tmp_path


def test_a_split_is_its_images_one_after_the_other(folder):
    graph = read_pair_graph(folder, ["train"])
    assert graph.image_ids == ["train-0", "train-1", "train-2"]
    assert graph.sizes.tolist() == [[40, 60], [41, 59], [42, 58]]
    np.testing.assert_allclose(
        graph.boxes,
        np.concatenate([FIRST.proposal_boxes, SECOND.proposal_boxes]),
    )
    assert graph.patch_image.tolist() == [0, 0, 0, 2, 2]
    assert graph.labels.tolist() == [-1, 0, 1, -1, 0]
    np.testing.assert_array_equal(
        graph.scores,
        np.concatenate([FIRST.proposal_scores, SECOND.proposal_scores]),
    )
    # Three boxes have the pairs 01, 02, 12; two more begin at patch 3.
    assert graph.pairs.tolist() == [[0, 1], [0, 2], [1, 2], [3, 4]]
    assert graph.object_image.tolist() == [0, 0, 2, 2, 2]
    assert graph.object_labels.tolist() == [-1, 0, -1, 0, 1]
    assert graph.object_difficult.tolist() == [True, False, True, False, True]
    assert graph.record_shard.tolist() == [0, 0, 1]


def test_splits_join_in_the_order_they_are_named(folder):
    graph = read_pair_graph(folder, ["train", "val"])
    assert graph.image_ids[-2:] == ["train-2", "val-3"]
    assert graph.pairs.tolist()[-2:] == [[3, 4], [5, 6]]
    assert graph.patch_image.tolist()[-2:] == [3, 3]
    assert graph.record_shard.tolist() == [0, 0, 1, 2]
    assert graph.record_offset[-1] == 0
    assert read_pair_graph(folder, ["val", "train"]).image_ids[0] == "val-3"


def test_arrays_have_the_types_that_are_promised(folder):
    for splits in (["train", "val"], ["test"]):
        graph = read_pair_graph(folder, splits)
        for name in ("sizes", "boxes", "scores", "object_boxes"):
            assert getattr(graph, name).dtype == np.float32, name
        for name in ("labels", "patch_image", "pairs", "object_labels"):
            assert getattr(graph, name).dtype == np.int64, name
        for name in ("object_image", "record_shard", "record_offset"):
            assert getattr(graph, name).dtype == np.int64, name
        assert graph.object_difficult.dtype == bool
        assert graph.boxes.shape[1:] == (4,)
        assert graph.object_boxes.shape[1:] == (4,)
        assert graph.pairs.shape[1:] == (2,)


def test_every_record_lies_where_the_graph_says(folder):
    graph = read_pair_graph(folder, ["train"])
    for image_id, shard, offset in zip(
        graph.image_ids, graph.record_shard, graph.record_offset, strict=True
    ):
        with open(graph.shard_paths[shard], "rb") as file:
            content = file.read()[offset:]
        length = int.from_bytes(content[:8], "little")
        record = parse(content[12 : 12 + length])
        assert record["image_id"].numpy().decode() == image_id


def test_the_batches_of_parsing_leave_no_trace(folder, monkeypatch):
    whole = read_pair_graph(folder, ["train", "val"])
    monkeypatch.setattr(pair_graph, "_RECORDS_AT_ONCE", 1)
    single = read_pair_graph(folder, ["train", "val"])
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(getattr(single, name), value)


def test_an_empty_split_is_an_empty_graph(folder):
    graph = read_pair_graph(folder, ["test"])
    assert graph.image_ids == []
    assert graph.boxes.shape == (0, 4)


@pytest.mark.parametrize("splits", [["train", "tset"], []])
def test_an_unknown_split_is_refused_with_the_known_ones(folder, splits):
    with pytest.raises(InputError, match="'test', 'train', 'val'"):
        read_pair_graph(folder, splits)


def test_a_flipped_bit_is_found_and_its_record_named(folder):
    path = folder / "train-0"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"Record 1 of .*train-0, at byte"):
        read_pair_graph(folder, ["train"])


def test_a_truncated_shard_is_found(folder):
    path = folder / "train-0"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"Record 1 of .*the file ends within"):
        read_pair_graph(folder, ["train"])


def test_a_shard_cut_between_records_is_found(folder):
    path = folder / "train-0"
    length = int.from_bytes(path.read_bytes()[:8], "little")
    path.write_bytes(path.read_bytes()[: length + 16])
    with pytest.raises(InputError, match="holds 1 records; 2 were wanted"):
        read_pair_graph(folder, ["train"])


def test_a_missing_shard_is_named(folder):
    (folder / "train-1").unlink()
    with pytest.raises(InputError, match="train-1 is named by the manifest"):
        read_pair_graph(folder, ["train"])


def test_records_of_something_else_are_refused(folder, monkeypatch):
    path = folder / "val-0"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"no example at all")
    with pytest.raises(
        InputError, match="Record 0 of .*val-0.*not one of our records"
    ):
        read_pair_graph(folder, ["val"])
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 3)
    other = to_example(OTHER)
    monkeypatch.undo()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(other)
    with pytest.raises(InputError, match="schema version 2 was wanted"):
        read_pair_graph(folder, ["val"])


def test_bad_records_are_left_out_and_named_if_asked(folder, caplog):
    path = folder / "train-0"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    whole = read_pair_graph(folder, ["val"], "skip")
    assert whole.bad_records == ()
    with caplog.at_level("WARNING", "absl"):
        graph = read_pair_graph(folder, ["train"], "skip")
    assert graph.image_ids == ["train-1", "train-2"]
    assert graph.patch_image.tolist() == [1, 1]
    (bad,) = graph.bad_records
    assert "Record 0 of " in bad and "train-0, at byte 0" in bad
    assert bad in caplog.messages[0]
    assert caplog.messages[-1] == "1 bad records are left out."
    # What is left is read from where it lies.
    assert load_picture(graph, 0).shape[:2] == (41, 59)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (dict(proposal_scores=np.ones(3, np.float32)), "number of scores"),
        (dict(height=0), "has no size"),
        (dict(height=30), "not inside of its picture"),
        (
            dict(proposal_boxes=np.float32([[1, 1, 9, 9], [5, 5, 5, 9]])),
            "is empty or not inside",
        ),
    ],
)
def test_numbers_that_mislead_are_bad_too(tmp_path, change, fault):
    bad = dataclasses.replace(make_record("train", 1, 2), **change)
    write_records(tmp_path, {"train-0": [SECOND, bad]})
    with pytest.raises(InputError, match=f"Record 1 of .*{fault}.*Delete"):
        read_pair_graph(tmp_path, ["train"])
    graph = read_pair_graph(tmp_path, ["train"], "skip")
    assert graph.image_ids == ["train-2"]


def test_an_unknown_answer_to_bad_records_is_refused(folder):
    with pytest.raises(ValueError, match="'skip', 'stop'.*'ignore'"):
        read_pair_graph(folder, ["train"], "ignore")


@pytest.mark.parametrize("number", [4, 5, 99, -1])
def test_a_pair_that_points_at_no_proposal_is_bad(tmp_path, number):
    # Two proposals: the numbers of their pairs are 0 to 3.
    bad = with_pair(make_record("train", 1, 2), number)
    write_records(tmp_path, {"train-0": [SECOND, bad]})
    with pytest.raises(InputError, match="Record 1 of .*points at no proposal"):
        read_pair_graph(tmp_path, ["train"])
