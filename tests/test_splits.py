import pytest

from tfrecords.sources.splits import filled_splits
from tfrecords.sources.splits import folder_split
from tfrecords.sources.splits import hashed_split
from tfrecords.sources.splits import named_split
from tfrecords.sources.splits import told_splits
from tfrecords.sources.splits import VAL_SHARE


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


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *(("train", "train"), ("Training", "train"), ("TRAIN2017", "train")),
        *(("val", "val"), ("valid", "val"), ("Validation", "val")),
        *(("eval", "val"), ("evaluation2", "val")),
        *(("test", "test"), ("testing", "test"), ("test2007", "test")),
        *(("valley", None), ("tests", None), ("trainer", None)),
        *(("val-dev", None), ("my_train", None), ("trainval", None)),
        *(("2017", None), ("", None)),
    ],
)
def test_a_folder_tells_its_split_by_its_whole_name(name, split):
    assert folder_split(name) == split


def folder_splits(names, val_share=VAL_SHARE):
    return filled_splits(names, told_splits(names), val_share)


NAMES = [f"photos{index % 7}/{index}.jpg" for index in range(400)]


def test_where_no_folder_tells_a_hash_does():
    for names in (NAMES, ["train.jpg", "valley/val.jpg", "latest/test.jpg"]):
        assert folder_splits(names) == list(map(hashed_split, names))
        assert folder_splits(names, 0.5) == [
            hashed_split(name, 0.5) for name in names
        ]


def test_folders_of_all_three_splits_are_what_they_say():
    names = ["a/Train/1.jpg", "a/valid/b/2.jpg", "test2017/3.jpg"] * 50
    assert folder_splits(names, 0.5) == ["train", "val", "test"] * 50


def test_beside_a_val_all_others_are_train():
    names = [*NAMES, "train/a.jpg", "val/a.jpg", "test/a.jpg"]
    wanted = ["train"] * len(NAMES) + ["train", "val", "test"]
    assert folder_splits(names, 0.5) == wanted


def test_without_a_val_what_is_not_test_is_hashed_by_its_name():
    names = [f"train/{name}" for name in NAMES] + ["test/a.jpg", "more/a.jpg"]
    splits = folder_splits(names)
    assert splits[-2] == "test"
    del names[-2], splits[-2]
    assert splits == list(map(hashed_split, names))
    assert 10 < splits.count("val") < 80


def test_folders_count_only_beside_a_train():
    names = [f"{folder}/{name}" for folder in ("test", "val") for name in NAMES]
    assert folder_splits(names) == list(map(hashed_split, names))


def test_of_several_folders_the_outermost_tells():
    names = ["val/train/1.jpg", "train/train/2.jpg", "train/val/3.jpg"]
    assert folder_splits(names) == ["val", "train", "train"]


def test_no_names_have_no_splits():
    assert folder_splits([]) == []


@pytest.mark.parametrize("others", ["train", None, "test"])
def test_what_is_named_holds_where_a_val_is_named(others):
    named = ["val", *[others] * (len(NAMES) - 1)]
    wanted = ["val", *[others or "train"] * (len(NAMES) - 1)]
    assert filled_splits(NAMES, named, 0.5) == wanted


@pytest.mark.parametrize("named", ["train", None])
def test_without_a_val_a_share_of_train_is_held_out(named):
    found = filled_splits(NAMES, [named] * len(NAMES), 0.5)
    assert found == [hashed_split(name, 0.5) for name in NAMES]


def test_test_alone_stays_test():
    assert filled_splits(NAMES, ["test"] * len(NAMES)) == ["test"] * len(NAMES)
