"""The sheet of Figure 4: which epochs and pairs it shows."""

import types

import cv2
import numpy as np
import pytest

from scn_tf.experiments import pixel_sheet
from tfrecords.errors import InputError
from tfrecords.pair_graph import PairGraph


def small_run(tmp_path, predict):
    """A run of four pairs with two labels, as far as the sheet asks."""
    return make_run(tmp_path, predict, [(1, 9, 9), (2, 9, 9)] * 2)


def make_run(tmp_path, predict, rows):
    """A run of a pair for each of `rows`: label, and the target's (dy, dx)."""
    empty = np.zeros(0)
    number = len(rows)
    boxes = np.tile(np.array([100, 100, 120, 120], np.float32), (2 * number, 1))
    boxes[1::2] += np.array([(dy, dx, dy, dx) for _, dy, dx in rows])
    labels = np.zeros(2 * number, np.int64)
    labels[1::2] = [label for label, *_ in rows]
    graph = PairGraph(
        image_ids=["a"],
        sizes=empty,
        boxes=boxes,
        scores=empty,
        labels=labels,
        patch_image=np.zeros(2 * number, np.int64),
        pairs=np.arange(2 * number).reshape(number, 2),
        object_boxes=empty,
        object_labels=empty,
        object_difficult=empty,
        object_image=empty,
        shard_paths=[],
        record_shard=empty,
        record_offset=empty,
    )
    # Circles are gray, what is labeled 1 is black, 2 white.
    shades = np.array([0.5, 0, 1], np.float32)[labels]
    targets = np.repeat(shades[:, None], 4096, axis=1)
    config = types.SimpleNamespace(
        run_dir=tmp_path, training=types.SimpleNamespace(epochs=40)
    )
    return types.SimpleNamespace(
        config=config,
        train_splits=("train",),
        held_out_splits=("val",),
        manifest=types.SimpleNamespace(classes=("circle", "black", "white")),
        graph=lambda splits: graph,
        cache=lambda splits, kind: types.SimpleNamespace(targets=targets),
        source_vectors=lambda graph, splits, nodes: nodes,
        offsets=lambda splits: lambda pairs: targets[pairs[:, 1]],
        predictions=predict,
    )


def kept(tmp_path):
    return sorted((tmp_path / "predicted_rows").iterdir())


def test_right_templates_are_counted_by_label(tmp_path):
    # White is predicted well, black as three quarters white.
    run = small_run(tmp_path, lambda nodes, truth: 0.75 + 0.25 * truth)
    result = pixel_sheet.right_templates(run)
    assert result == {"share": 0.5, "shares": {"black": 0.0, "white": 1.0}}


def test_targets_without_a_label_are_refused(tmp_path):
    run = small_run(tmp_path, lambda nodes, truth: truth)
    pixel_sheet.require_labeled_targets(run)
    run.graph(("val",)).labels[1] = -1
    with pytest.raises(InputError, match="1 pairs of .* without a label"):
        pixel_sheet.require_labeled_targets(run)


def test_predictions_are_kept_at_the_papers_epochs_and_the_last(tmp_path):
    run = small_run(tmp_path, lambda nodes, truth: truth)
    for epoch in range(41):
        pixel_sheet.keep_predictions(run, epoch)
    files = kept(tmp_path)
    epochs = [int(path.stem[6:]) for path in files]
    assert epochs == [1, 2, 3, 4, 5, 6, 21, 27, 35, 40]
    pictures = np.load(files[0])
    # One row per label that is a target.
    assert [picture.mean() for picture in pictures] == [0, 255]


def test_a_row_shows_the_pair_of_median_distance_from_the_axes(tmp_path):
    asked = []

    def predict(sources, offsets):
        asked.append((sources, offsets))
        return np.zeros((len(sources), 4096))

    rows = [
        *((1, 50, 41), (1, -90, 90), (1, -70, 120)),  # 41, 90 and 70
        *((2, 30, 60), (2, 5, -60), (2, -80, -9)),  # 30, 5 and 9
    ]
    run = make_run(tmp_path, predict, rows)
    run.offsets = lambda splits: lambda pairs: pairs
    pixel_sheet.keep_predictions(run, 1)
    ((sources, pairs),) = asked
    assert pairs.tolist() == [[4, 5], [10, 11]]
    # One circle for all rows.
    assert sources.tolist() == [4, 4]


def test_a_lower_median_is_taken_of_an_even_number(tmp_path):
    rows = [(1, 9, 40), (1, 9, -10), (1, 9, 7), (1, 9, 8)]
    run = make_run(tmp_path, lambda sources, pairs: pairs, rows)
    _, pairs = pixel_sheet._rows(run.graph(("val",)))
    # 9, 9, 7 and 8.
    assert pairs.tolist() == [[6, 7]]


def test_sources_that_differ_stay_with_their_targets(tmp_path):
    """As on photographs, where a source is one of many classes."""
    run = small_run(tmp_path, lambda nodes, truth: truth)
    graph = run.graph(("val",))
    graph.labels[6] = 1
    sources, pairs = pixel_sheet._rows(graph)
    np.testing.assert_array_equal(sources, pairs[:, 0])


def test_the_place_of_an_empty_target_is_drawn(tmp_path, monkeypatch):
    scene = np.zeros((256, 256, 3), np.uint8)
    monkeypatch.setattr(pixel_sheet, "load_picture", lambda *_: scene)
    run = small_run(tmp_path, lambda nodes, truth: truth)
    for epoch in (1, 2):
        pixel_sheet.keep_predictions(run, epoch)
    path = tmp_path / "pictures" / "sheet.png"
    pixel_sheet.draw_sheet(run, path)
    picture = cv2.imread(str(path)).astype(int)
    green, red = picture[..., 1], picture[..., 2]
    # The target's frame, and the circle's; the arrow is orange.
    for drawn in (red - green > 100, green - red > 100):
        # In both rows, in the first of five columns.
        where = np.argwhere(drawn)
        assert len(where) > 10
        assert where[:, 0].min() < len(picture) / 2 < where[:, 0].max()
        assert where[:, 1].max() < picture.shape[1] / 5
