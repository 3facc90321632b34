"""Laws that every proposal method in PROPOSERS keeps."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfrecords import boxes
from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.proposals import PROPOSERS
from tfrecords.proposals import yolo_v8
from tfrecords.proposals.proposals import ProposalOptions

_METHODS = pytest.mark.parametrize("name", sorted(PROPOSERS))
_OPTIONS = {}  # What a method cannot do without, by its name.
_SIZES = [(120, 160), (90, 31), (1, 1), (2, 300), (7, 5)]


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    """Boxes for --proposals=file, and a stand-in for YOLO's detector."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(-20, 100, (30, 2))
    rows = np.concatenate([corner, corner + rng.uniform(-9, 90, (30, 2))], 1)
    path = tmp_path / "boxes.csv"
    with open(path, "w") as file:
        print("image_id,ymin,xmin,ymax,xmax,score", file=file)
        for row in rows:
            print("one", *row, rng.random(), sep=",", file=file)
    monkeypatch.setitem(_OPTIONS, "file", {"proposals_file": str(path)})
    monkeypatch.setattr(yolo_v8, "_detector", lambda *_: _detect)


def _detect(pictures):
    """Nine regions around the middle, each as confident as it is bright."""
    edge = np.linspace(0, 300, 9)
    side = np.array([edge, edge / 2, 640 - edge, 640 - edge / 2]).T
    regions = np.broadcast_to(side, (len(pictures), 9, 4)).astype(np.float32)
    bright = pictures.mean((1, 2, 3))[:, None] / 255
    return {
        "boxes": tf.constant(regions),
        "confidence": tf.constant(bright * np.linspace(1, 0.5, 9)),
        "classes": tf.constant(np.tile(np.arange(9), (len(pictures), 1))),
        "num_detections": tf.constant([9] * len(pictures)),
    }.items()


def _image(height, width):
    image = np.full((height, width, 3), 60, np.uint8)
    image[height // 4 : height // 2, width // 5 : width // 2] = 230
    image[height // 2 :, width * 3 // 4 :] = 200, 20, 20
    return image


def _record(height, width):
    rows = [[0, 0, height, width], [-5, -5, 1, 1], [9, 9, 3, 3]]
    rows += [[height / 4, width / 5, height / 2, width / 2]]
    return ImageRecord(
        key=ImageKey("train", "one"),
        image=b"",
        boxes=np.array(rows, np.float32),
        labels=("cat", "dog", "cow", "cat"),
        difficult=np.zeros(4, bool),
    )


def _propose(name, size=(120, 160), seed=0, **options):
    [found] = PROPOSERS[name].propose(
        [_image(*size)],
        [_record(*size)],
        ProposalOptions(**options, **_OPTIONS.get(name, {})),
        [np.random.default_rng(seed)],
    )
    return found


def test_the_table_is_sorted():
    assert list(PROPOSERS) == sorted(PROPOSERS)


@_METHODS
@pytest.mark.parametrize("upright", [False, True])
def test_a_long_picture_is_refused_or_has_boxes(name, upright):
    longest = PROPOSERS[name].most_side or 40_000
    for side in (longest, longest + 1):
        size = (side, 40) if upright else (40, side)
        try:
            PROPOSERS[name].check_size(size)
        except InputError as error:
            assert side > PROPOSERS[name].most_side > 0
            assert "--max_side" in str(error)
        else:
            found = _propose(name, size)
            assert not any(boxes.faults(found.boxes, size))


@_METHODS
@pytest.mark.parametrize("size", _SIZES)
def test_boxes_lie_in_the_picture_and_are_not_empty(name, size):
    found = _propose(name, size)
    assert found.boxes.dtype == np.float32
    assert found.boxes.shape == (len(found.labels), 4)
    assert not any(boxes.faults(found.boxes, size))
    np.testing.assert_array_equal(boxes.clip(found.boxes, size), found.boxes)


@_METHODS
@pytest.mark.parametrize("size", _SIZES)
def test_scores_are_finite_and_best_first(name, size):
    found = _propose(name, size)
    assert found.scores.dtype == np.float32
    assert found.scores.shape == (len(found.boxes),)
    assert np.isfinite(found.scores).all()
    assert (np.diff(found.scores) <= 0).all()


@_METHODS
def test_a_picture_of_usual_size_gives_pairs(name):
    assert len(_propose(name).boxes) >= 2


@_METHODS
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_boxes_per_image_is_an_upper_bound(name, limit):
    assert len(_propose(name, boxes_per_image=limit).boxes) <= limit


@_METHODS
def test_0_boxes_per_image_keeps_all(name):
    few = _propose(name)
    everything = _propose(name, boxes_per_image=0)
    assert len(everything.boxes) >= len(few.boxes)
    np.testing.assert_array_equal(everything.boxes[: len(few.boxes)], few.boxes)


@_METHODS
def test_one_seed_gives_one_list(name):
    one, same = _propose(name, seed=4), _propose(name, seed=4)
    np.testing.assert_array_equal(one.boxes, same.boxes)
    np.testing.assert_array_equal(one.scores, same.scores)
    assert one.labels == same.labels


@_METHODS
def test_the_picture_and_the_record_stay_as_they_are(name):
    image, record = _image(120, 160), _record(120, 160)
    image.flags.writeable = False
    record.boxes.flags.writeable = False
    rng = np.random.default_rng(0)
    options = ProposalOptions(**_OPTIONS.get(name, {}))
    PROPOSERS[name].propose([image], [record], options, [rng])


@_METHODS
def test_a_batch_gives_what_its_pictures_give_one_by_one(name):
    batch = PROPOSERS[name].propose(
        [_image(*size) for size in _SIZES],
        [_record(*size) for size in _SIZES],
        ProposalOptions(**_OPTIONS.get(name, {})),
        [np.random.default_rng(seed) for seed in range(len(_SIZES))],
    )
    assert len(batch) == len(_SIZES)
    for seed, (size, found) in enumerate(zip(_SIZES, batch, strict=True)):
        alone = _propose(name, size, seed)
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        np.testing.assert_array_equal(found.scores, alone.scores)
        assert found.labels == alone.labels


@_METHODS
def test_no_pictures_give_no_proposals(name):
    assert PROPOSERS[name].propose([], [], ProposalOptions(), []) == []


def test_methods_that_saw_labels_say_so_in_a_sentence():
    leaks = {name: method.label_leak for name, method in PROPOSERS.items()}
    assert all(" " in leak for leak in leaks.values() if leak)
    # What cannot be seen from the boxes: whence a file, how a detector came.
    assert leaks["file"] and leaks["yolo"]


@pytest.mark.parametrize(
    "name", [name for name in PROPOSERS if not PROPOSERS[name].label_leak]
)
def test_a_method_that_confesses_nothing_reads_no_labels(name):
    record = _record(120, 160)
    bare = dataclasses.replace(
        record, boxes=record.boxes[:0], labels=(), difficult=np.zeros(0, bool)
    )
    with_labels, without = (
        PROPOSERS[name].propose(
            [_image(120, 160)],
            [given],
            ProposalOptions(**_OPTIONS.get(name, {})),
            [np.random.default_rng(0)],
        )[0]
        for given in (record, bare)
    )
    assert not any(with_labels.labels)
    np.testing.assert_array_equal(with_labels.boxes, without.boxes)
    np.testing.assert_array_equal(with_labels.scores, without.scores)
