import keras
import numpy as np
import pytest
import tensorflow as tf

from tfrecords import boxes
from tfrecords.errors import InputError
from tfrecords.proposals import yolo_v8
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.proposals.yolo_v8 import propose_yolo


@pytest.fixture(scope="module", autouse=True)
def _forget():
    """Leaves no small detector behind for other tests."""
    yield
    yolo_v8._detector.cache_clear()


@pytest.fixture
def tiny(monkeypatch):
    """A detector of the same build that sees 64 pixels and has few weights."""
    pytest.importorskip("keras_cv")
    monkeypatch.setattr(yolo_v8, "_SIDE", 64)
    monkeypatch.setattr(yolo_v8, "_CHANNELS", (8, 8, 8, 8))
    monkeypatch.setattr(yolo_v8, "_DEPTHS", (1, 1, 1, 1))
    monkeypatch.setattr(yolo_v8, "_NECK_DEPTH", 1)


def _pictures(*sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in sizes]


def _propose(images, **options):
    none = [None] * len(images)
    return propose_yolo(images, none, ProposalOptions(**options), none)


def _stand_in(monkeypatch, rows, confidence, classes):
    """Replaces the detector by one that finds the same in every picture."""
    seen = []

    def detect(pictures):
        seen.append(pictures)
        found = {
            "boxes": rows,
            "confidence": confidence,
            "classes": classes,
            "num_detections": len(rows) - 1,  # The last row is padding.
        }
        copies = len(pictures)
        return [
            (name, tf.stack([tf.constant(value)] * copies))
            for name, value in found.items()
        ]

    monkeypatch.setattr(yolo_v8, "_detector", lambda *_: detect)
    return seen


def test_regions_come_back_in_the_pixels_of_the_picture(monkeypatch):
    # A picture of 100 x 200 is shown at 320 x 640: 0.3125 of its pixels each.
    rows = [[0, 32, 64, 96], [330, 0, 400, 9], [160, 0, 480, 640], [0, 0, 0, 0]]
    scores, classes = [0.9, 0.8, 0.7, -1.0], [0, 1, 14, -1]
    seen = _stand_in(monkeypatch, np.float32(rows), np.float32(scores), classes)
    image = np.full((100, 200, 3), 7, np.uint8)
    [found] = _propose([image])
    # The second region lies in the padding, the third reaches into it.
    np.testing.assert_allclose(
        found.boxes, [[0, 10, 20, 30], [50, 0, 100, 200]], rtol=1e-6
    )
    np.testing.assert_array_equal(found.scores, np.float32([0.9, 0.7]))
    assert found.labels == ("aeroplane", "person")
    assert (seen[0][0, :320] == 7).all() and not seen[0][0, 320:].any()
    [first] = _propose([image], boxes_per_image=1)
    assert first.labels == ("aeroplane",)
    [unknown] = _propose([image], yolo_weights="none")
    assert unknown.labels == ("", "")


def test_every_picture_gets_its_own_regions(tiny):
    images = _pictures(*[(40 + 7 * index, 60) for index in range(11)])
    together = _propose(images, yolo_weights="none", min_score=0)
    assert len(together) == 11
    for image, found in zip(images, together, strict=True):
        [alone] = _propose([image], yolo_weights="none", min_score=0)
        assert len(found.boxes) == 8
        assert not any(boxes.faults(found.boxes, image.shape[:2]))
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        np.testing.assert_array_equal(found.scores, alone.scores)


def test_a_region_under_the_least_score_is_dropped(tiny):
    images = _pictures((50, 60))
    [low] = _propose(images, yolo_weights="none", min_score=0)
    least = float(low.scores[4])
    [high] = _propose(images, yolo_weights="none", min_score=least)
    assert high.scores.min() >= least and len(high.scores) < len(low.scores)


def test_random_weights_are_the_same_in_every_process(tiny, caplog):
    images = _pictures((50, 60))
    yolo_v8._detector.cache_clear()
    [one] = _propose(images, yolo_weights="none", min_score=0)
    assert "random" in caplog.text
    yolo_v8._detector.cache_clear()
    keras.utils.set_random_seed(5)
    [same] = _propose(images, yolo_weights="none", min_score=0)
    np.testing.assert_array_equal(one.boxes, same.boxes)
    np.testing.assert_array_equal(one.scores, same.scores)


def test_the_detector_runs_in_float32_under_any_policy(tiny):
    yolo_v8._detector.cache_clear()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        [found] = _propose(
            _pictures((50, 60)), yolo_weights="none", min_score=0
        )
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    yolo_v8._detector.cache_clear()
    [plain] = _propose(_pictures((50, 60)), yolo_weights="none", min_score=0)
    np.testing.assert_array_equal(found.boxes, plain.boxes)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_a_file_gives_the_detector_that_was_saved(tiny, tmp_path, ending):
    network = yolo_v8._network("none")
    path = str(tmp_path / f"voc{ending}")
    network.save(path) if ending == ".keras" else network.save_weights(path)
    images = _pictures((50, 60))
    [random] = _propose(images, yolo_weights="none", min_score=0)
    [loaded] = _propose(images, yolo_weights=path, min_score=0)
    np.testing.assert_array_equal(random.boxes, loaded.boxes)
    assert set(loaded.labels) <= set(yolo_v8.VOC_CLASSES)


def test_weights_that_are_missing_or_do_not_fit_are_refused(tiny, tmp_path):
    images = _pictures((50, 60))
    with pytest.raises(InputError, match="none.h5: no such file.*Wanted"):
        _propose(images, yolo_weights=str(tmp_path / "none.h5"))
    path = tmp_path / "bad.weights.h5"
    path.write_text("no weights at all")
    with pytest.raises(InputError, match="does not fit.*Correct --yolo_wei"):
        _propose(images, yolo_weights=str(path))


def test_weights_of_another_network_are_refused(tiny, tmp_path, monkeypatch):
    path = str(tmp_path / "other.weights.h5")
    yolo_v8._network("none").save_weights(path)
    monkeypatch.setattr(yolo_v8, "_CHANNELS", (8, 8, 8, 16))
    with pytest.raises(InputError, match="does not fit"):
        _propose(_pictures((50, 60)), yolo_weights=path)


def test_without_network_the_preset_says_what_to_do(tiny, monkeypatch):
    import keras_cv

    def fail(*_, **__):
        raise ConnectionError("no route")

    detector = keras_cv.models.YOLOV8Detector
    monkeypatch.setattr(detector, "from_preset", fail)
    with pytest.raises(InputError, match="no route.*--yolo_weights=FILE"):
        _propose(_pictures((50, 60)), yolo_weights="pascalvoc")


@pytest.mark.slow
def test_the_network_is_that_of_the_preset():
    pytest.importorskip("keras_cv")
    yolo_v8._detector.cache_clear()
    network = yolo_v8._network("none")
    assert network.count_params() == 25_901_004  # keras-cv's own metadata.
    [found] = _propose(_pictures((240, 320)), yolo_weights="none", min_score=0)
    assert found.boxes.shape == (8, 4)
