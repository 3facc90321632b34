"""A table in the terminal, in a file and as a picture."""

import csv

import cv2

from scn_tf.experiments.table import Table

TABLE = Table(
    "small",
    "A small table",
    ("", "crops", "whole images"),
    (("original", "1.00", "2.00"), ("trained, long name", "10.00 ± 0.1", "-")),
    ("What the numbers mean.",),
)


def test_text_is_aligned_and_whole():
    title, _, names, _, *rows, _, note = TABLE.text().splitlines()
    assert title == "A small table"
    assert note == "What the numbers mean."
    assert names.split() == ["crops", "whole", "images"]
    assert rows[0].endswith("2.00") and rows[1].endswith("-")
    assert len({len(line) for line in (names, *rows)}) == 1


def test_csv_holds_the_cells(tmp_path):
    TABLE.write_csv(tmp_path / "small.csv")
    with open(tmp_path / "small.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            list(row) for row in (TABLE.columns, *TABLE.rows)
        ]
    assert len(list(tmp_path.iterdir())) == 1


def test_picture_shows_ink(tmp_path):
    TABLE.write_picture(tmp_path / "small.png")
    picture = cv2.imread(str(tmp_path / "small.png"))
    assert picture.min() < 60 and picture.max() == 255
