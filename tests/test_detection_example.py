import numpy as np
import pytest
from detection_records import example
from detection_records import jpeg

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.images import load_image
from tfrecords.sources.detection_example import outline
from tfrecords.sources.detection_example import read_example

KEY = ImageKey("train", "train.record/0")


def _read(label_map=None, **changes):
    return read_example(KEY, example(**changes), label_map or {}, "here")


def test_a_record_is_read_as_it_is():
    record = _read()
    assert record.key == KEY and record.image == jpeg()
    np.testing.assert_allclose(record.boxes, [[8, 16, 16, 40]], rtol=1e-6)
    assert record.boxes.dtype == np.float32
    assert record.labels == ("dog",)
    np.testing.assert_array_equal(record.difficult, [False])
    assert record.size == (40, 80)


@pytest.mark.parametrize("field", ["difficult", "is_crowd"])
def test_both_flags_make_an_object_difficult(field):
    record = _read(**{f"image__object__{field}": [1]})
    np.testing.assert_array_equal(record.difficult, [True])


@pytest.mark.parametrize(
    ("texts", "labels", "label_map", "names"),
    [
        (None, [7], {}, ("7",)),
        (None, [7], {7: "cat"}, ("cat",)),
        ([b"dog"], None, {7: "cat"}, ("dog",)),
        ([b"dog"], [7], {7: "cat"}, ("dog",)),
        ([b""], [0], {}, ("",)),
        (None, None, {}, ("",)),
    ],
)
def test_the_text_comes_before_the_label(texts, labels, label_map, names):
    changes = dict(
        image__object__class__text=texts, image__object__class__label=labels
    )
    assert _read(label_map, **changes).labels == names
    _, found = outline(example(**changes), label_map)
    assert found - {""} == set(names) - {""}


@pytest.mark.parametrize(
    ("source_id", "filename", "name"),
    [
        ([b"0012"], [b"a.jpg"], "0012"),
        ([b""], [b"a.jpg"], "a.jpg"),
        (None, [b"day/a.jpg"], "day/a.jpg"),
        (None, None, ""),
        ([b"a\n\0b "], None, "a  b"),
        ([b"\xff"], None, "\ufffd"),
        ([b"a" * 10**6], None, "a" * 200),
        ([12], [b"a.jpg"], "a.jpg"),
    ],
)
def test_a_record_has_the_name_that_it_states(source_id, filename, name):
    content = example(image__source_id=source_id, image__filename=filename)
    assert outline(content, {})[0] == name


def test_no_objects_are_no_boxes():
    empty = {
        f"image__object__{name}": None
        for name in (
            *("bbox__ymin", "bbox__xmin", "bbox__ymax", "bbox__xmax"),
            *("class__text", "class__label"),
        )
    }
    record = _read(**empty)
    assert record.boxes.shape == (0, 4) and record.labels == ()
    assert record.difficult.shape == (0,) and record.difficult.dtype == bool


@pytest.mark.parametrize("states_size", [True, False])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_with_their_picture(orientation, states_size):
    size = dict(image__height=None, image__width=None)
    record = _read(
        image__encoded=[jpeg(orientation)], **({} if states_size else size)
    )
    stored = load_image(record.image)
    if states_size:
        assert record.size == (stored.height, stored.width)
    ((y0, x0, y1, x1),) = np.round(record.boxes).astype(int)
    marked = stored.pixels[..., 0] > 128
    assert marked[y0:y1, x0:x1].mean() > 0.9
    assert marked.sum() == pytest.approx(8 * 24, rel=0.2)


def test_boxes_of_the_upright_picture_stay_where_they_are():
    record = _read(
        image__encoded=[jpeg(6)], image__height=[80], image__width=[40]
    )
    np.testing.assert_allclose(record.boxes, [[16, 8, 32, 20]], rtol=1e-6)
    assert record.size == (80, 40)


def test_another_size_is_handed_on_for_the_builder_to_refuse():
    assert _read(image__height=[41]).size == (41, 80)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(image__encoded=None), "no picture in image/encoded"),
        (dict(image__encoded=[b""]), "no picture in image/encoded"),
        (dict(image__encoded=[b"a", b"b"]), "no picture in image/encoded"),
        (dict(image__encoded=[5]), "no picture in image/encoded"),
        (dict(image__encoded=[b"letter"]), "no picture in one of the formats"),
        (dict(image__object__bbox__ymin=None), "has 0, 1, 1, 1 values"),
        (dict(image__object__bbox__xmax=[0.1, 0.2]), "has 1, 1, 1, 2 values"),
        (dict(image__object__bbox__xmax=[1]), "has 1, 1, 1, 0 values"),
        (dict(image__object__bbox__xmax=[300.0]), "no fractions"),
        (dict(image__object__bbox__xmax=[float("nan")]), "no fractions"),
        (dict(image__object__class__text=[b"a", b"b"]), "2 classes, 1 boxes"),
        (dict(image__object__difficult=[0, 1]), "difficult has 2 values"),
    ],
)
def test_a_faulty_field_is_refused_by_name(changes, message):
    with pytest.raises(InputError, match=message):
        _read(**changes)


def test_what_is_no_example_is_refused():
    with pytest.raises(InputError, match="here is no tf.train.Example"):
        read_example(KEY, b"\xff\xff\xff", {}, "here")
    assert outline(b"\xff\xff\xff", {}) == ("", set())
