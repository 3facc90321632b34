import numpy as np
import pytest
import tensorflow as tf

from tfrecords import schema
from tfrecords.errors import InputError
from tfrecords.schema import parse
from tfrecords.schema import parse_structure
from tfrecords.schema import StoredRecord
from tfrecords.schema import to_example


def stored(num_boxes=3, num_objects=2, **changes):
    rng = np.random.default_rng(num_boxes)
    values = dict(
        image_id="dir/ä.jpg",
        split="val",
        encoded=b"\xff\xd8picture",
        height=50,
        width=80,
        object_boxes=rng.uniform(0, 50, [num_objects, 4]).astype(np.float32),
        object_labels=np.arange(num_objects) - 1,
        object_names=("", "dog", "cat")[:num_objects],
        object_difficult=np.arange(num_objects) % 2 == 1,
        proposal_boxes=rng.uniform(0, 50, [num_boxes, 4]).astype(np.float32),
        proposal_scores=rng.uniform(size=num_boxes).astype(np.float32),
        proposal_labels=np.arange(num_boxes) - 1,
        pairs=np.array([[0, 2], [2, 1]])[:num_boxes],
    )
    return StoredRecord(**{**values, **changes})


def in_dataset(serialized):
    dataset = tf.data.Dataset.from_tensors(serialized).map(parse)
    return next(iter(dataset))


def assert_same(parsed, record):
    for name in ("object_boxes", "proposal_boxes"):
        np.testing.assert_allclose(
            parsed[name], getattr(record, name), atol=1e-4
        )
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
    assert parsed["split"].numpy() == b"val"
    assert parsed["encoded"].numpy() == record.encoded
    assert parsed["size"].numpy().tolist() == [50.0, 80.0]
    names = [name.decode() for name in parsed["object_names"].numpy()]
    assert tuple(names) == record.object_names
    assert parsed["proposal_boxes"].shape == (counts[0], 4)
    assert parsed["pairs"].dtype == tf.int64


def test_many_records_parse_to_the_same_numbers_as_one_by_one():
    records = [stored(3, 2), stored(0, 0), stored(2, 1)]
    parsed = parse_structure([to_example(record) for record in records])
    for index, record in enumerate(records):
        assert_same({name: parsed[name][index] for name in parsed}, record)
    assert parsed["proposal_boxes"].flat_values.shape == (5, 4)


def test_objects_are_laid_out_as_the_object_detection_api_reads_them():
    record = stored(
        object_boxes=np.float32([[5, 8, 25, 40], [0, 0, 50, 80]]),
        object_labels=np.array([1, -1]),
        object_names=("dog", ""),
    )
    example = tf.train.Example.FromString(to_example(record))
    feature = example.features.feature

    def floats(name):
        return list(feature[f"image/object/bbox/{name}"].float_list.value)

    # 5 / 50, 8 / 80, 25 / 50, 40 / 80; the second box is the whole image.
    np.testing.assert_allclose(floats("ymin"), [0.1, 0])
    np.testing.assert_allclose(floats("xmin"), [0.1, 0])
    np.testing.assert_allclose(floats("ymax"), [0.5, 1])
    np.testing.assert_allclose(floats("xmax"), [0.5, 1])
    labels = feature["image/object/class/label"].int64_list.value
    assert list(labels) == [2, 0]
    texts = feature["image/object/class/text"].bytes_list.value
    assert list(texts) == [b"dog", b""]
    assert feature["image/format"].bytes_list.value[0] == b"jpeg"
    assert feature["image/encoded"].bytes_list.value[0] == record.encoded
    assert feature["image/height"].int64_list.value[0] == 50
    assert feature["image/filename"].bytes_list.value[0].decode() == "dir/ä.jpg"


def test_equal_records_give_equal_bytes():
    assert to_example(stored()) == to_example(stored())


def test_another_schema_version_is_refused(monkeypatch):
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 7)
    serialized = to_example(stored())
    monkeypatch.undo()
    with pytest.raises(InputError, match="version 1 was wanted.*\\[7\\]"):
        parse(serialized)
    with pytest.raises(InputError, match="Build them again"):
        parse_structure([to_example(stored()), serialized])
    with pytest.raises(tf.errors.InvalidArgumentError, match="version 1 was"):
        in_dataset(serialized)


def test_a_foreign_record_is_refused_by_its_version():
    foreign = tf.train.Example().SerializeToString()
    with pytest.raises(InputError, match="schema version 1 was wanted"):
        parse(foreign)
