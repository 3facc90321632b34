import collections

import numpy as np
import pytest

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.images import decode
from tfrecords.images import load_image
from tfrecords.sources.synthetic import Synthetic


@pytest.fixture(scope="module")
def records():
    """All 160 scenes of a small source: 60 squares, 60 triangles, 40 empty."""
    source = Synthetic(seed=3, num_scenes=160)
    return [source.read(key) for key in source.keys()]


def _offsets(records, label):
    """Returns [N, 2] (dy, dx) from the circle's center to the other's."""
    chosen = [r.boxes for r in records if r.labels[1] == label]
    centers = [(box[:, :2] + box[:, 2:]) / 2 for box in chosen]
    return np.array([center[1] - center[0] for center in centers])


def test_the_default_is_the_papers_800_scenes_split_600_to_200():
    splits = collections.Counter(k.split for k in Synthetic().keys())
    assert splits == {"train": 600, "val": 200}


def test_kinds_stand_three_to_three_to_two(records):
    labels = collections.Counter(record.labels[1] for record in records)
    assert labels == {"square": 60, "triangle": 60, "empty": 40}


def test_both_splits_hold_every_kind(records):
    for split in ("train", "val"):
        found = {r.labels[1] for r in records if r.key.split == split}
        assert found == {"square", "triangle", "empty"}


def test_squares_lie_beside_the_circle_on_both_sides(records):
    offsets = _offsets(records, "square")
    assert abs(offsets[:, 0]).max() <= 30
    assert (offsets[:, 1] > 48).any() and (offsets[:, 1] < -48).any()


def test_triangles_lie_above_the_circle(records):
    offsets = _offsets(records, "triangle")
    assert offsets[:, 0].max() < -48
    assert abs(offsets[:, 1]).max() <= 30


def test_empty_patches_lie_off_both_axes(records):
    assert abs(_offsets(records, "empty")).min() > 40


def test_the_circle_is_the_source_of_the_only_pair(records):
    for record in records:
        assert record.labels[0] == "circle"
        np.testing.assert_array_equal(record.pairs, [[0, 1]])


def test_boxes_are_about_64_pixels_inside_and_apart(records):
    boxes = np.stack([record.boxes for record in records])  # [N, 2, 4]
    sides = boxes[..., 2:] - boxes[..., :2]
    assert sides.min() == 48 and sides.max() == 72
    np.testing.assert_array_equal(sides[..., 0], sides[..., 1])
    assert boxes.min() >= 0 and boxes.max() <= 256
    start, end = boxes[..., :2].max(1), boxes[..., 2:].min(1)
    assert (start - end).max(axis=-1).min() >= 4


def test_boxes_are_tight_around_their_shapes(records):
    for record in records[::8]:
        gray = decode(record.image)[..., 0]
        for box, label in zip(record.boxes, record.labels, strict=True):
            y0, x0, y1, x1 = box.astype(int)
            patch = gray[y0:y1, x0:x1]
            if label == "empty":
                assert patch.max() < 12
                continue
            rows = np.flatnonzero((patch > 60).any(axis=1))
            columns = np.flatnonzero((patch > 60).any(axis=0))
            slack = 2 if label == "triangle" else 1  # the tip is thin
            for seen in (rows, columns):
                assert seen[0] <= slack
                assert seen[-1] >= len(patch) - 1 - slack


@pytest.mark.parametrize(
    ("label", "share"),
    [("circle", np.pi / 4), ("square", 1), ("triangle", 0.5)],
)
def test_shapes_fill_their_share_of_the_box(records, label, share):
    for record in records:
        if label not in record.labels:
            continue
        box = record.boxes[record.labels.index(label)].astype(int)
        patch = decode(record.image)[box[0] : box[2], box[1] : box[3], 0]
        brightness = np.median(patch[patch > 150])
        assert 0.79 * 255 < brightness <= 255
        assert abs(patch.mean() / brightness - share) < 0.04


def test_nothing_lies_outside_of_the_boxes(records):
    for record in records[::8]:
        gray = decode(record.image)[..., 0].copy()
        for y0, x0, y1, x1 in record.boxes.astype(int):
            gray[y0:y1, x0:x1] = 0
        assert gray.max() < 90  # what JPEG smears over the border
        assert gray.mean() < 0.5


def test_the_picture_is_stored_as_it_comes(records):
    stored = load_image(records[0].image)
    assert stored.changed == "" and stored.encoded == records[0].image
    assert (stored.height, stored.width) == (256, 256)


def test_a_scene_is_a_function_of_seed_and_index():
    key = ImageKey("train", "000002")
    one = Synthetic(seed=1, num_scenes=80).read(key)
    same = Synthetic(seed=1, num_scenes=80).read(key)
    other = Synthetic(seed=2, num_scenes=80).read(key)
    assert one.image == same.image
    np.testing.assert_array_equal(one.boxes, same.boxes)
    assert one.image != other.image


def test_the_digest_follows_the_parameters():
    digests = {
        Synthetic(seed=0).digest(),
        Synthetic(seed=1).digest(),
        Synthetic(num_scenes=80).digest(),
        Synthetic(canvas_side=300).digest(),
    }
    assert len(digests) == 4
    assert Synthetic("anywhere", 0).digest() in digests


@pytest.mark.parametrize(
    "options", [{"seed": -1}, {"num_scenes": 7}, {"canvas_side": 100}]
)
def test_parameters_out_of_range_are_refused(options):
    with pytest.raises(InputError, match="Received: seed="):
        Synthetic(**options)


@pytest.mark.parametrize("image_id", ["000008", "-1", "a"])
def test_an_unknown_scene_is_refused_by_name(image_id):
    with pytest.raises(InputError, match=f"No synthetic scene '{image_id}'"):
        Synthetic(num_scenes=8).read(ImageKey("train", image_id))
