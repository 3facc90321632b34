"""Bands of losses, whatever their length and number of seeds."""

import cv2
import numpy as np

from scn_tf.experiments.loss_bands import draw_loss_bands


def test_every_variant_has_its_line(tmp_path):
    curves = {
        "with": np.linspace(2, 0.1, 20).reshape(2, 10),
        "without": np.ones((1, 7)),
    }
    draw_loss_bands(curves, tmp_path / "bands.png")
    picture = cv2.imread(str(tmp_path / "bands.png"))
    for color in ([0xB4, 0x77, 0x1F], [0x0E, 0x7F, 0xFF]):
        assert (picture == color).all(axis=-1).sum() > 50


def test_one_epoch_is_drawn_as_well(tmp_path):
    counts = []
    for loss in (0.5, np.nan):
        draw_loss_bands({"a": np.array([[loss]])}, tmp_path / "bands.png")
        picture = cv2.imread(str(tmp_path / "bands.png"))
        counts.append((picture == [0xB4, 0x77, 0x1F]).all(axis=-1).sum())
    # A point where there is one; the legend has a line in any case.
    assert counts[0] > counts[1]
