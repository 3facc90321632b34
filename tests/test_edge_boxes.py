import time

import cv2
import numpy as np
import pytest

from tfrecords import boxes
from tfrecords.errors import InputError
from tfrecords.images import decode
from tfrecords.images import load_image
from tfrecords.proposals.edge_boxes import gradient_edges
from tfrecords.proposals.edge_boxes import propose_edge_boxes
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.sources.voc import VocDevkit


def _scene():
    """A red and a blue rectangle on gray, uint8 [150, 220, 3]."""
    image = np.full((150, 220, 3), 110, np.uint8)
    image[30:90, 20:80] = 220, 30, 30
    image[50:120, 130:200] = 20, 40, 230
    return image


_RECTANGLES = np.array([[30, 20, 90, 80], [50, 130, 120, 200]], np.float32)


def _propose(image, **options):
    return propose_edge_boxes(image, None, ProposalOptions(**options), None)


def test_rectangles_are_among_the_best_boxes():
    found = _propose(_scene())
    assert boxes.iou(_RECTANGLES, found.boxes).max(axis=1).min() > 0.8


def test_scores_fall_and_stay_above_the_least():
    found = _propose(_scene(), min_score=0.15, nms_iou=1.0)
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.min() >= 0.15
    assert found.labels == ("",) * len(found.boxes)


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_the_best_boxes_do_not_depend_on_how_many_are_kept(limit):
    everything = _propose(_scene(), boxes_per_image=0)
    few = _propose(_scene(), boxes_per_image=limit)
    assert len(everything.boxes) > 8
    np.testing.assert_array_equal(few.boxes, everything.boxes[:limit])


def test_a_higher_least_score_only_drops_boxes():
    everything = {"boxes_per_image": 0, "nms_iou": 1.0}
    low = _propose(_scene(), min_score=0.1, **everything)
    high = _propose(_scene(), min_score=0.3, **everything)
    assert 0 < len(high.boxes) < len(low.boxes)
    assert high.scores.min() >= 0.3


def test_no_box_is_longer_or_smaller_than_allowed():
    found = _propose(
        _scene(), boxes_per_image=0, max_aspect_ratio=1.5, min_box_area=3000
    ).boxes
    sides = found[:, 2:] - found[:, :2]
    assert len(found)
    assert (sides.max(1) / sides.min(1)).max() <= 1.5
    assert boxes.area(found).min() >= 3000


def test_boxes_of_one_region_stand_behind_other_regions():
    plain = _propose(_scene(), nms_iou=1.0, boxes_per_image=0)
    spread = _propose(_scene(), nms_iou=0.4, boxes_per_image=0)
    assert len(spread.boxes) == len(plain.boxes)
    # Each rectangle has been found by the second of the boxes.
    found = boxes.iou(_RECTANGLES, spread.boxes[:2])
    np.testing.assert_array_equal(found.max(axis=1) > 0.8, True)
    for box, score in zip(spread.boxes, spread.scores, strict=True):
        [index] = np.flatnonzero((plain.boxes == box).all(axis=1))
        assert score <= plain.scores[index]


def test_a_box_reaches_to_the_contour_on_all_sides_alike():
    image = np.full((160, 160, 3), 90, np.uint8)
    image[50:110, 50:110] = 240  # 50 pixels from every side of the picture.
    y0, x0, y1, x1 = _propose(image, boxes_per_image=1).boxes[0]
    np.testing.assert_allclose([y0, x0, 160 - y1, 160 - x1], 50, atol=4)
    np.testing.assert_allclose([y0 - x0, y1 - x1, y0 + y1 - 160], 0, atol=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("edge_alpha", 0.0), ("edge_alpha", 1.0), ("edge_beta", 0.0)],
)
def test_numbers_that_opencv_cannot_take_are_refused(name, value):
    with pytest.raises(InputError, match=f"--{name}={value}.*between"):
        _propose(_scene(), **{name: value})


def test_one_picture_always_gives_the_same_boxes():
    one, same = _propose(_scene()), _propose(_scene())
    np.testing.assert_array_equal(one.boxes, same.boxes)
    np.testing.assert_array_equal(one.scores, same.scores)


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_a_blank_picture_has_no_boxes(gray):
    assert _propose(np.full((90, 120, 3), gray, np.uint8)).boxes.size == 0


def test_faint_noise_is_no_edge():
    rng = np.random.default_rng(0)
    noise = rng.integers(126, 130, (90, 120, 3)).astype(np.uint8)
    assert gradient_edges(noise)[0].max() < 0.5


@pytest.mark.parametrize("side", ["height", "width"])
def test_a_step_gives_one_thin_line_and_its_direction(side):
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 21:] = 200
    if side == "height":
        image = image.swapaxes(0, 1).copy()
    edges, orientations = gradient_edges(image)
    if side == "height":
        edges, orientations = edges.T, orientations.T
    # Pixel 20 is dark and 21 light: the ridge lies between and ties.
    assert set(np.flatnonzero(edges.max(axis=0) > 0.5)) <= {20, 21}
    np.testing.assert_allclose(edges.max(axis=1), 1, atol=0.01)
    across = 0 if side == "width" else np.pi / 2
    np.testing.assert_allclose(orientations[:, 20:22], across, atol=1e-3)


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 90, 110, 135, 160])
def test_the_direction_is_the_one_that_edge_boxes_expects(degrees, tmp_path):
    angle = np.deg2rad(degrees)
    y, x = np.mgrid[:80, :80] - 40
    across = x * np.cos(angle) + y * np.sin(angle)
    image = np.repeat(255 / (1 + np.exp(-2 * across[..., None])), 3, -1)
    edges, orientations = gradient_edges(image.astype(np.uint8))
    middle = np.pad(edges[20:60, 20:60] > 0.5, 20)
    np.testing.assert_allclose(
        np.cos(2 * (orientations[middle] - angle)), 1, atol=0.01
    )
    if degrees % 90:
        # OpenCV's own direction of the contour errs by up to 10 degrees
        # (and takes 0 for 90), yet never leans to the other side.
        detector = cv2.ximgproc.createStructuredEdgeDetection(
            _write_model(tmp_path / "model.yml")
        )
        smooth = cv2.GaussianBlur(edges, (0, 0), 1.0)
        theirs = np.median(detector.computeOrientation(smooth)[middle])
        assert np.cos(2 * (theirs - angle)) > 0.9


def test_the_strongest_channel_finds_edges_that_gray_hides():
    image = np.zeros((40, 40, 3), np.uint8)
    image[..., 0] = 100
    image[:, 20:, 0] = 0
    image[:, 20:, 1] = 51  # The same gray: .299 * 100 = .587 * 51.
    edges, _ = gradient_edges(image)
    assert edges[:, 18:22].max(axis=1).min() > 0.9


def test_edges_match_a_plain_suppression_across_the_gradient():
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)
    image = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
    edges, orientations = gradient_edges(image)
    assert edges.min() >= 0 and edges.max() == 1
    assert orientations.min() >= 0 and orientations.max() < np.pi
    roots = np.sqrt(255 * image.astype(np.float64))
    smooth = cv2.GaussianBlur(roots, (0, 0), 2.5)
    strength = np.zeros(image.shape[:2])
    for channel in range(3):
        padded = np.pad(smooth[..., channel], 1, mode="reflect")
        weights = np.array([3, 10, 3])
        down = padded[2:] - padded[:-2]
        dy = sum(w * down[:, k : k + 64] for k, w in enumerate(weights))
        right = padded[:, 2:] - padded[:, :-2]
        dx = sum(w * right[k : k + 48] for k, w in enumerate(weights))
        strength = np.maximum(strength, np.hypot(dx, dy))
    for y, x in rng.integers(2, 46, (200, 2)):
        step = np.array(
            [np.sin(orientations[y, x]), np.cos(orientations[y, x])]
        )
        beside = [
            _bilinear(strength, *(np.array([y, x]) + s * step)) for s in (1, -1)
        ]
        if edges[y, x] > 0:
            # OpenCV samples at 32nds of a pixel.
            assert strength[y, x] >= 0.97 * max(beside)
        else:
            assert strength[y, x] <= 1.03 * max(beside)


def _bilinear(values, y, x):
    y0, x0 = int(np.floor(y)), int(np.floor(x))
    rows = values[y0 : y0 + 2, x0 : x0 + 2]
    return (
        np.array([1 - y + y0, y - y0]) @ rows @ np.array([1 - x + x0, x - x0])
    )


_OPTIONS = {
    "stride": 2,
    "shrinkNumber": 2,
    "patchSize": 32,
    "patchInnerSize": 16,
    "numberOfGradientOrientations": 4,
    "gradientSmoothingRadius": 0,
    "regFeatureSmoothingRadius": 2,
    "ssFeatureSmoothingRadius": 8,
    "gradientNormalizationRadius": 4,
    "selfsimilarityGridSize": 5,
    "numberOfTrees": 1,
    "numberOfTreesToEvaluate": 1,
}
# One tree in OpenCV's layout: where the gradient strength (channel 3 of 13,
# 16 x 16 cells) in the middle of the patch is high, its middle is an edge.
_TABLES = {
    "childs": [2, 0, 0],
    "featureIds": [3 * 256 + 8 * 16 + 8, 0, 0],
    "thresholds": [0.05, 0.0, 0.0],
    "edgeBoundaries": [0, 0, 0, 64],
    "edgeBins": [119, 120, 135, 136] * 16,
}


def _write_model(path, options=_OPTIONS, tables=_TABLES):
    lines = ["%YAML:1.0", "---", "options:"]
    lines += [f"   {name}: {value}" for name, value in options.items()]
    for name, row in tables.items():
        lines += [f"{name}:", f"   - [ {', '.join(map(str, row))} ]"]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_structured_edges_give_boxes_too(tmp_path):
    model_path = _write_model(tmp_path / "model.yml")
    found = _propose(_scene(), edge_model=model_path, min_score=0.01)
    assert len(found.boxes)
    assert boxes.iou(_RECTANGLES, found.boxes).max() > 0.6


def test_a_missing_edge_model_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="none.yml does not exist"):
        _propose(_scene(), edge_model=str(tmp_path / "none.yml"))


def test_an_edge_model_that_does_not_fit_is_refused_by_name(tmp_path):
    text_path = tmp_path / "text.yml"
    text_path.write_text("no model at all")
    empty_path = _write_model(tmp_path / "empty.yml", {"stride": 2}, {})
    zero_path = _write_model(
        tmp_path / "zero.yml", {**_OPTIONS, "numberOfTrees": 0}
    )
    table_path = _write_model(
        tmp_path / "table.yml", tables={**_TABLES, "edgeBins": []}
    )
    for path, fault in (
        (text_path, "cannot be parsed"),
        (empty_path, "option shrinkNumber is missing"),
        (zero_path, "option numberOfTrees is missing or not positive"),
        (table_path, "table edgeBins has 0 entries, not 1"),
    ):
        with pytest.raises(InputError, match=fault):
            _propose(_scene(), edge_model=str(path))


def test_photographs_give_eight_boxes_in_time(scn_data):
    source = VocDevkit(str(scn_data / "data"))
    counts = []
    start = time.thread_time()
    for key in source.keys()[:40]:
        record = source.read(key)
        image = decode(load_image(record.image).encoded)
        counts.append(len(_propose(image).boxes))
    assert np.mean(np.array(counts) == 8) > 0.9
    assert (time.thread_time() - start) / 40 < 0.5  # seconds; measured 0.05
