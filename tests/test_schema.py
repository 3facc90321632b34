import numpy as np
import pytest
import tensorflow as tf

from tfrecords import schema
from tfrecords.errors import InputError
from tfrecords.schema import parse
from tfrecords.schema import parse_structure
from tfrecords.schema import snap
from tfrecords.schema import StoredRecord
from tfrecords.schema import to_example


def stored(num_boxes=3, num_objects=2, **changes):
    rng = np.random.default_rng(num_boxes)
    values = dict(
        image_id="dir/ä.jpg",
        encoded=b"\xff\xd8picture",
        height=50,
        width=80,
        object_boxes=snap(rng.uniform(0, 50, [num_objects, 4])),
        object_labels=np.arange(num_objects) - 1,
        object_difficult=np.arange(num_objects) % 2 == 1,
        proposal_boxes=snap(rng.uniform(0, 50, [num_boxes, 4])),
        proposal_scores=rng.uniform(size=num_boxes).astype(np.float32),
        proposal_labels=np.arange(num_boxes) - 1,
        pairs=np.stack(np.tril_indices(num_boxes, -1), axis=1),
    )
    return StoredRecord(**{**values, **changes})


def in_dataset(serialized):
    dataset = tf.data.Dataset.from_tensors(serialized).map(parse)
    return next(iter(dataset))


def assert_same(parsed, record):
    for name in ("object_boxes", "proposal_boxes"):
        np.testing.assert_array_equal(parsed[name], getattr(record, name))
    for name in ("object_labels", "object_difficult", "proposal_scores"):
        np.testing.assert_array_equal(parsed[name], getattr(record, name))
    for name in ("proposal_labels", "pairs"):
        np.testing.assert_array_equal(parsed[name], getattr(record, name))


@pytest.mark.parametrize("read", [parse, in_dataset], ids=["eager", "graph"])
@pytest.mark.parametrize("counts", [(3, 2), (0, 0), (1, 0)])
def test_what_is_written_is_read_back(read, counts):
    record = stored(*counts)
    parsed = read(to_example(record))
    assert_same(parsed, record)
    assert parsed["image_id"].numpy().decode() == record.image_id
    assert parsed["encoded"].numpy() == record.encoded
    assert parsed["size"].numpy().tolist() == [50.0, 80.0]
    assert parsed["proposal_boxes"].shape == (counts[0], 4)
    assert parsed["pairs"].dtype == tf.int64


def test_many_records_parse_to_the_same_numbers_as_one_by_one():
    records = [stored(3, 2), stored(0, 0), stored(2, 1)]
    parsed = parse_structure([to_example(record) for record in records])
    for index, record in enumerate(records):
        assert_same({name: parsed[name][index] for name in parsed}, record)
    assert parsed["proposal_boxes"].flat_values.shape == (5, 4)


def test_the_picture_is_named_as_in_the_object_detection_api():
    record = stored()
    example = tf.train.Example.FromString(to_example(record))
    feature = example.features.feature
    assert feature["image/encoded"].bytes_list.value[0] == record.encoded
    assert feature["image/height"].int64_list.value[0] == 50
    assert feature["image/width"].int64_list.value[0] == 80
    assert (
        feature["image/source_id"].bytes_list.value[0].decode() == "dir/ä.jpg"
    )


def test_a_record_is_little_more_than_its_picture():
    # Eight proposals with all 28 pairs and three objects of 320 pixels.
    rng = np.random.default_rng(0)
    record = stored(
        encoded=bytes(20_000),
        object_boxes=snap(rng.uniform(0, 320, [3, 4])),
        object_labels=np.array([7, 14, 19]),
        object_difficult=np.zeros(3, bool),
        proposal_boxes=snap(rng.uniform(0, 320, [8, 4])),
        proposal_scores=np.ones(8, np.float32),
        proposal_labels=np.full(8, -1),
        pairs=np.stack(np.triu_indices(8, 1), axis=1),
    )
    assert len(to_example(record)) - 20_000 < 400


def test_boxes_are_kept_to_a_64th_of_a_pixel_and_whole_ones_exactly():
    box = np.float32([[0.01, 100.02, 319.99, 320]])
    assert np.abs(snap(box) - box).max() <= 1 / 64
    np.testing.assert_array_equal(snap(np.arange(5000.0)), np.arange(5000.0))


def test_what_is_not_written_is_read_as_unknown_and_not_difficult():
    plain = stored(
        object_labels=np.full(2, -1),
        object_difficult=np.zeros(2, bool),
        proposal_labels=np.full(3, -1),
    )
    serialized = to_example(plain)
    names = tf.train.Example.FromString(serialized).features.feature
    assert not {"object/class", "object/difficult", "proposal/class"} & set(
        names
    )
    assert_same(parse(serialized), plain)
    # Beside a record that has all lists, each keeps its own.
    parsed = parse_structure([serialized, to_example(stored()), serialized])
    for index, record in enumerate([plain, stored(), plain]):
        assert_same({name: parsed[name][index] for name in parsed}, record)


@pytest.mark.parametrize("name", ["object/box", "proposal/box"])
def test_a_box_of_other_than_four_numbers_is_refused(name):
    example = tf.train.Example.FromString(to_example(stored()))
    example.features.feature[name].int64_list.value.append(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="whole rows of 4"):
        parse_structure([example.SerializeToString()])


def test_as_many_labels_as_boxes_are_wanted():
    example = tf.train.Example.FromString(to_example(stored()))
    example.features.feature["object/class"].int64_list.value.append(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="classes than of"):
        parse_structure([example.SerializeToString()])


def test_equal_records_give_equal_bytes():
    assert to_example(stored()) == to_example(stored())


def test_another_schema_version_is_refused(monkeypatch):
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 7)
    serialized = to_example(stored())
    monkeypatch.undo()
    with pytest.raises(InputError, match="version 2 was wanted.*\\[7\\]"):
        parse(serialized)
    with pytest.raises(InputError, match="Build them again"):
        parse_structure([to_example(stored()), serialized])
    with pytest.raises(tf.errors.InvalidArgumentError, match="version 2 was"):
        in_dataset(serialized)


def test_a_foreign_record_is_refused_by_its_version():
    foreign = tf.train.Example().SerializeToString()
    with pytest.raises(InputError, match="schema version 2 was wanted"):
        parse(foreign)


@pytest.mark.parametrize("pair", [(0, 3), (3, 0), (-1, 0)])
def test_a_pair_of_no_proposals_is_not_written(pair):
    with pytest.raises(ValueError, match="indices of 3 proposals"):
        to_example(stored(pairs=np.array([pair])))
