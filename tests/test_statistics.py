"""Laws of the statistics: numbers worked out by hand."""

import dataclasses

import numpy as np
import pytest
from small_records import make_record
from small_records import write_records

from tfrecords.statistics import draw_statistics
from tfrecords.statistics import measure
from tfrecords.statistics import statistics_text


@pytest.fixture
def folder(tmp_path):
    # A picture of 40 x 60: a box of 20 x 30, one that covers its right
    # half, one far away.
    record = dataclasses.replace(
        make_record("train", 0, 3),
        proposal_boxes=np.float32(
            [[0, 0, 20, 30], [0, 15, 20, 30], [30, 50, 40, 60]]
        ),
        proposal_labels=np.array([1, 1, -1]),
        pairs=np.array([[0, 1], [2, 0]]),
    )
    val = [make_record("val", index, 0, 0) for index in range(2)]
    write_records(
        tmp_path, {"train-0.tfrecord": [record], "val-0.tfrecord": val}
    )
    return tmp_path


def test_numbers_are_those_worked_out_by_hand(folder):
    train = measure(folder)["train"]
    assert train["boxes_per_image"].tolist() == [3]
    # Half of the smaller over the larger: 300 / 600; the others are apart.
    np.testing.assert_allclose(train["iou"], [0.5, 0])
    # sqrt(20 * 30 / (40 * 60)) = 1 / 2
    np.testing.assert_allclose(train["box_share"][0], 0.5)
    np.testing.assert_allclose(train["aspect"], [1.5, 0.75, 1])
    # Centers (x, y): (15, 10), (22.5, 10), (55, 35); longest side 60.
    np.testing.assert_allclose(
        train["offset"], [[7.5 / 60, 0], [-40 / 60, -25 / 60]], rtol=1e-6
    )
    assert train["same_class"].tolist() == [True]


def test_the_table_has_a_column_per_split(folder):
    table = statistics_text(measure(folder))
    rows = dict(line.rsplit("  ", 2)[::2] for line in table.splitlines()[1:])
    text = " ".join(table.split())
    assert "train val" in text
    assert "pairs under 0.2 IoU (paper, VOC2012 boxes: 92.6 %) 50.0 % -" in text
    assert "images with fewer than two 0.0 % 100.0 %" in text
    assert len(rows) >= 10


def test_splits_without_pairs_are_drawn_too(folder):
    path = folder / "statistics.png"
    draw_statistics(measure(folder), path)
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_damaged_records_are_left_out(folder):
    path = folder / "val-0.tfrecord"
    path.write_bytes(path.read_bytes()[:-3])
    assert measure(folder)["val"]["images"] == 1
