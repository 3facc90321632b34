"""The sheet of Figure 4: which epochs and pairs it shows."""

import types

import numpy as np
import pytest

from scn_tf.experiments import pixel_sheet
from tfrecords.errors import InputError
from tfrecords.pair_graph import PairGraph


def small_run(tmp_path, predict):
    """A run of four pairs with two labels, as far as the sheet asks."""
    empty = np.zeros(0)
    graph = PairGraph(
        image_ids=["a"],
        sizes=empty,
        boxes=np.zeros((8, 4), np.float32),
        scores=empty,
        labels=np.array([0, 1, 0, 2, 0, 1, 0, 2]),
        patch_image=np.zeros(8, np.int64),
        pairs=np.arange(8).reshape(4, 2),
        object_boxes=empty,
        object_labels=empty,
        object_difficult=empty,
        object_image=empty,
        shard_paths=[],
        record_shard=empty,
        record_offset=empty,
    )
    shades = np.array([0.5, 0, 0.5, 1, 0.5, 0, 0.5, 1], np.float32)
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
    files = sorted((tmp_path / "predicted_pixels").iterdir())
    epochs = [int(path.stem[6:]) for path in files]
    assert epochs == [1, 2, 3, 4, 5, 6, 21, 27, 35, 40]
    pictures = np.load(files[0])
    # One row per label that is a target, the first pair of each.
    assert [picture.mean() for picture in pictures] == [0, 255]
