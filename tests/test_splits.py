import pytest

from tfrecords.sources.splits import hashed_split
from tfrecords.sources.splits import named_split


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train2017.json", "train"),
        ("instances_val2017.json", "val"),
        ("instances_valminusminival2014.json", "val"),
        ("valid", "val"),
        ("Validation", "val"),
        ("pascal_eval.record-00001-of-00002", "val"),
        ("TEST-dev.json", "test"),
        ("trainval.record", "train"),
        ("coco_val_train", "val"),
        ("latest.json", None),
        ("carnival.record", None),
        ("annotations.json", None),
        ("", None),
    ],
)
def test_a_name_tells_its_split_at_the_start_of_a_word(name, split):
    assert named_split(name) == split


def test_the_share_of_val_is_as_asked():
    names = [f"{index}.jpg" for index in range(2000)]
    for share in (0.0, 0.1, 0.5, 1.0):
        found = [hashed_split(name, share) for name in names].count("val")
        assert abs(found / 2000 - share) < 0.04


def test_any_text_has_a_split():
    assert hashed_split("\udcff") in ("train", "val")
