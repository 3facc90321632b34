import json
import os
import pickle

import numpy as np
import pytest
from PIL import Image
from small_source import small_options

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.parts import Parts
from tfrecords.plan import plan_shards
from tfrecords.shard import build_shard
from tfrecords.sources import coco
from tfrecords.sources.coco import Coco
from tfrecords.sources.splits import hashed_split

_CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}]


def _picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30)).save(path)


def _write(path, images, annotations=(), categories=tuple(_CATEGORIES)):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "info": {"year": 2017},
        "images": list(images),
        "annotations": list(annotations),
        "categories": list(categories),
    }
    path.write_text(json.dumps(content))


def _image(index, name=None, **more):
    name = name or f"{index}.jpg"
    return {"id": index, "file_name": name, "height": 30, "width": 40, **more}


def _box(image_id, bbox=(1, 2, 10, 20), category_id=18, **more):
    return {
        "image_id": image_id,
        "bbox": list(bbox),
        "category_id": category_id,
        **more,
    }


@pytest.fixture
def data_dir(tmp_path):
    """Two photographs in train2017, one in val2017."""
    annotations_dir = tmp_path / "annotations"
    _write(
        annotations_dir / "instances_train2017.json",
        [_image(7), _image(5)],
        [
            _box(5),
            _box(7, (0, 0, 40, 30), 3, iscrowd=1),
            _box(5, category_id=3),
        ],
    )
    _write(annotations_dir / "instances_val2017.json", [_image(9)])
    for name in ("train2017/5.jpg", "train2017/7.jpg", "val2017/9.jpg"):
        _picture(tmp_path / name)
    return tmp_path


def _read(data_dir, image_id="train2017/5.jpg"):
    return Coco(str(data_dir)).read(ImageKey("train", image_id))


def test_photographs_come_file_by_file_in_the_files_order(data_dir):
    assert Coco(str(data_dir)).keys() == [
        ImageKey("train", "train2017/7.jpg"),
        ImageKey("train", "train2017/5.jpg"),
        ImageKey("val", "val2017/9.jpg"),
    ]


def test_a_shard_of_train_parses_no_other_file(data_dir, tmp_path):
    opener = Coco(str(data_dir))
    task, *_ = plan_shards(opener, small_options(num_shards=1), tmp_path)
    parts = Parts(tmp_path / "records")
    parts.make()
    parts.begin([task])
    # No process could parse this one now.
    (data_dir / "annotations" / "instances_val2017.json").write_text("{")
    _, task = parts.read_task(task.path.name)
    result = build_shard(task, Coco(str(data_dir)), small_options())
    assert task.classes == ("car", "dog")
    assert result.counts["images"] == 2 and not result.skipped


def test_boxes_come_in_our_convention(data_dir):
    record = _read(data_dir)
    assert record.image == data_dir / "train2017" / "5.jpg"
    # x 1, y 2, 10 wide, 20 high.
    np.testing.assert_array_equal(
        record.boxes, [[2, 1, 22, 11], [2, 1, 22, 11]]
    )
    assert record.labels == ("dog", "car")
    np.testing.assert_array_equal(record.difficult, [False, False])
    assert record.size == (30, 40)


def test_a_crowd_is_difficult(data_dir):
    record = _read(data_dir, "train2017/7.jpg")
    np.testing.assert_array_equal(record.difficult, [True])


def test_a_photograph_without_annotations_is_kept(data_dir):
    record = _read(data_dir, "val2017/9.jpg")
    assert record.boxes.shape == (0, 4) and record.labels == ()


def test_classes_are_those_of_all_files(data_dir):
    _write(
        data_dir / "annotations" / "instances_test2017.json",
        [],
        categories=[{"id": 1, "name": "ant"}],
    )
    assert Coco(str(data_dir)).classes == ("ant", "car", "dog")


def test_a_photograph_needs_its_own_file_only(data_dir):
    (data_dir / "annotations/instances_val2017.json").write_text("damaged")
    source = Coco(str(data_dir))
    assert len(source.read(ImageKey("train", "train2017/5.jpg")).boxes) == 2
    with pytest.raises(InputError, match="instances_val2017.json is not"):
        source.keys()


@pytest.mark.parametrize(
    "place",
    ["train2017/", "images/train2017/", "images/", ""],
)
def test_pictures_are_found_in_each_place(tmp_path, place):
    _write(tmp_path / "annotations/instances_train2017.json", [_image(1)])
    _picture(tmp_path / f"{place}1.jpg")
    record = _read(tmp_path, "train2017/1.jpg")
    assert record.image == tmp_path / f"{place}1.jpg"


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("annotations/instances_valid.json", "val"),
        ("annotations/boxes_test.json", "test"),
        ("train.json", "train"),
        ("instances_train.json", "train"),
    ],
)
def test_the_annotations_are_found_in_each_place(tmp_path, name, split):
    _write(tmp_path / name, [_image(1, "a.jpg")])
    assert Coco.is_here(tmp_path)
    (key,) = Coco(str(tmp_path)).keys()
    assert key.split == split


def test_without_a_named_split_a_hash_decides(tmp_path):
    _write(tmp_path / "a.json", [_image(index) for index in range(200)])
    splits = [key.split for key in Coco(str(tmp_path)).keys()]
    assert 5 < splits.count("val") < 40 and set(splits) == {"train", "val"}


def test_other_files_beside_the_instances_are_left_alone(data_dir):
    (data_dir / "annotations" / "captions_train2017.json").write_text("?")
    assert len(Coco(str(data_dir)).keys()) == 3


def test_several_files_of_unknown_kind_are_not_guessed_at(tmp_path):
    for name in ("a.json", "b.json"):
        _write(tmp_path / "annotations" / name, [_image(1)])
    assert not Coco.is_here(tmp_path)
    with pytest.raises(InputError, match="instances_<split>.json"):
        Coco(str(tmp_path))


def test_any_json_is_not_taken_for_coco(tmp_path):
    (tmp_path / "package.json").write_text('{"name": "x"}')
    assert not Coco.is_here(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file_name": None}, r"`file_name` is missing"),
        ({"file_name": 5}, r"`file_name` is 5"),
        ({"file_name": " "}, r"`file_name` is ' '"),
    ],
)
def test_an_entry_without_a_name_goes_by_its_place(data_dir, change, message):
    path = data_dir / "annotations" / "instances_val2017.json"
    _write(path, [_image(9), {**_image(10), **change}])
    source = Coco(str(data_dir))
    key = source.keys()[-1]
    assert key.image_id == "val2017/images[1]"
    with pytest.raises(InputError, match=f"(?s)images.1.*{message}"):
        source.read(key)
    source.read(source.keys()[-2])


@pytest.mark.parametrize("entry", [None, 5, "x", [], {}])
def test_an_entry_that_is_no_object_goes_by_its_place(data_dir, entry):
    path = data_dir / "annotations" / "instances_val2017.json"
    _write(path, [entry], [entry], [entry])
    source = Coco(str(data_dir))
    with pytest.raises(InputError, match="`file_name` is missing"):
        source.read(source.keys()[-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": -1}, "`id` is -1"),
        ({"id": "5"}, "`id` is '5'"),
        ({"id": True}, "`id` is True"),
        ({"id": 2**63}, "`id` is 9223372036854775808"),
        ({"id": None}, "`id` is missing"),
        ({"height": -3}, r"are \[-3, 40\], not pixels"),
        ({"height": "30"}, r"are \['30', 40\], not pixels"),
        ({"width": float("nan")}, "nan.*not pixels"),
        ({"width": 1.5}, "not pixels"),
        ({"width": 10**30}, "not pixels"),
        ({"id": 7}, "the id 7 stands twice"),
        ({"file_name": "7.jpg"}, "'7.jpg' is listed twice"),
        ({"file_name": "./7.jpg"}, "'7.jpg' is listed twice"),
    ],
)
def test_a_faulty_entry_is_refused_alone(data_dir, change, message):
    path = data_dir / "annotations" / "instances_train2017.json"
    _write(path, [_image(7), {**_image(5), **change}, _image(8)])
    _picture(data_dir / "train2017/8.jpg")
    name = "7.jpg" if "file_name" in change else "5.jpg"
    with pytest.raises(InputError, match=f"(?s)train2017.json: .*{message}"):
        _read(data_dir, f"train2017/{name}")
    _read(data_dir, "train2017/8.jpg")


@pytest.mark.parametrize("size", [{"height": None}, {"width": 0}])
def test_a_size_may_be_left_out(data_dir, size):
    path = data_dir / "annotations" / "instances_train2017.json"
    _write(path, [_image(5, **size)])
    assert _read(data_dir).size is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": None}, "`bbox` is missing"),
        ({"bbox": [1, 2, 3]}, r"`bbox` is \[1, 2, 3\]"),
        ({"bbox": [1, 2, 3, "4"]}, "not 4 numbers"),
        ({"bbox": [1, 2, 3, True]}, "not 4 numbers"),
        ({"bbox": [1, 2, 3, float("nan")]}, "not 4 numbers"),
        ({"bbox": [1, 2, 3, float("inf")]}, "not 4 numbers"),
        ({"bbox": [1, 2, 3, 10**400]}, r"not 4 numbers"),
        ({"bbox": "a" * 10**5}, r"`bbox` is 'a{79}\.\.\., not"),
        ({"category_id": None}, "`category_id` is missing"),
        ({"category_id": -1}, "`category_id` is -1"),
        ({"category_id": 99}, "box of the category 99, which is not"),
        ({"iscrowd": 2}, "`iscrowd` is 2"),
        ({"iscrowd": "no"}, "`iscrowd` is 'no'"),
    ],
)
def test_a_faulty_annotation_refuses_its_photograph_alone(
    data_dir, change, message
):
    path = data_dir / "annotations" / "instances_train2017.json"
    _write(path, [_image(7), _image(5)], [_box(7), {**_box(5), **change}])
    with pytest.raises(InputError, match=f"(?s)train2017.json: .*{message}"):
        _read(data_dir)
    assert len(_read(data_dir, "train2017/7.jpg").boxes) == 1


def test_annotations_of_no_photograph_are_counted(data_dir, caplog):
    path = data_dir / "annotations" / "instances_train2017.json"
    strangers = [_box(99), _box(-1), _box("7"), {**_box(98), "bbox": None}, 3]
    _write(path, [_image(7)], [_box(7), *strangers])
    assert len(_read(data_dir, "train2017/7.jpg").boxes) == 1
    (message,) = caplog.messages
    assert message.startswith("5 annotations in ")
    assert "instances_train2017.json are of no photograph" in message


def test_a_boxs_sides_may_be_wrong_the_builder_names_that(data_dir):
    path = data_dir / "annotations" / "instances_train2017.json"
    _write(path, [_image(5)], [_box(5, (5, 5, -3, 0))])
    np.testing.assert_array_equal(_read(data_dir).boxes, [[5, 5, 5, 2]])


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_missing_list_refuses_the_file_by_name(tmp_path, key):
    path = tmp_path / "annotations" / "instances_train.json"
    _write(path, [_image(1)])
    content = json.loads(path.read_text())
    del content[key]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"train.json has no list {key}"):
        Coco(str(tmp_path)).keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', "is not valid JSON"),
        ('{"images": ' + "[" * 10**5, "nested too deeply"),
        ('{"images": 5}', "'images' must be a list"),
    ],
)
def test_a_file_that_does_not_parse_is_refused_by_name(tmp_path, text, message):
    (tmp_path / "instances_train.json").write_text(text)
    with pytest.raises(
        InputError, match=f"instances_train.json {message}|{message}"
    ):
        Coco(str(tmp_path)).keys()


def test_two_categories_with_one_id_are_refused(tmp_path):
    categories = [{"id": 1, "name": "ant"}, {"id": 1, "name": "bee"}]
    path = tmp_path / "instances_train.json"
    _write(path, [_image(1)], categories=categories)
    with pytest.raises(InputError, match="id 1 is that of 'ant' and of 'bee'"):
        Coco(str(tmp_path)).keys()


def test_a_file_without_photographs_is_refused(tmp_path):
    _write(tmp_path / "instances_train.json", [])
    with pytest.raises(InputError, match="No photograph is listed"):
        Coco(str(tmp_path)).keys()


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", "\udcff.jpg"]
)
def test_a_name_that_leads_outside_is_refused(tmp_path, name):
    data_dir = tmp_path / "data"
    _write(data_dir / "instances_train.json", [_image(1, name), _image(2)])
    _picture(tmp_path / "secret.jpg")
    source = Coco(str(data_dir))
    assert len(source.digest()) == 64
    with pytest.raises(InputError, match="cannot name a file"):
        source.read(source.keys()[0])


def test_links_that_lead_outside_are_refused(data_dir, tmp_path_factory):
    outside_dir = tmp_path_factory.mktemp("outside")
    path = data_dir / "train2017" / "5.jpg"
    path.rename(outside_dir / "5.jpg")
    path.symlink_to(outside_dir / "5.jpg")
    with pytest.raises(InputError, match="5.jpg is a link that leads outside"):
        _read(data_dir)
    path = data_dir / "annotations" / "instances_val2017.json"
    path.rename(outside_dir / "boxes.json")
    path.symlink_to(outside_dir / "boxes.json")
    with pytest.raises(InputError, match="val2017.json is a link that leads"):
        Coco(str(data_dir)).keys()


@pytest.mark.parametrize(
    "image_id", ["nobody", "train2017/nobody", "train2017/../val2017/9.jpg", ""]
)
def test_an_unknown_key_is_refused_by_name(data_dir, image_id):
    with pytest.raises(InputError, match=f"no photograph '.*{image_id[-6:]}'"):
        _read(data_dir, image_id)


def test_the_digest_follows_annotations_and_pictures(data_dir):
    digest = Coco(str(data_dir)).digest()
    path = data_dir / "annotations" / "instances_val2017.json"
    os.utime(path, (0, 0))
    assert Coco(str(data_dir)).digest() == digest
    path.write_text(path.read_text().replace("18", "19"))
    changed = Coco(str(data_dir)).digest()
    assert changed != digest
    (data_dir / "val2017" / "9.jpg").unlink()
    assert Coco(str(data_dir)).digest() != changed


def test_what_was_parsed_stays_behind(data_dir):
    source = Coco(str(data_dir))
    before = len(pickle.dumps(source))
    source.digest()
    assert len(pickle.dumps(source)) == before < 500


def _splits(data_dir):
    keys = Coco(str(data_dir)).keys()
    return {key.image_id: key.split for key in keys}


def test_folders_of_file_names_tell_what_the_files_name_does_not(tmp_path):
    names = ["train/1.jpg", "val/2.jpg", "test/3.jpg", "more/4.jpg"]
    images = [_image(index, name) for index, name in enumerate(names)]
    _write(tmp_path / "boxes.json", images)
    assert _splits(tmp_path) == {
        "boxes/train/1.jpg": "train",
        "boxes/val/2.jpg": "val",
        "boxes/test/3.jpg": "test",
        "boxes/more/4.jpg": "train",
    }


def test_folders_tell_over_several_files(tmp_path):
    for name, picture in (("a", "train/1.jpg"), ("b", "valid/2.jpg")):
        _write(tmp_path / f"instances_{name}.json", [_image(1, picture)])
    assert list(_splits(tmp_path).values()) == ["train", "val"]


def test_the_name_of_the_annotations_goes_before_folders(tmp_path):
    images = [_image(1, "train/1.jpg"), _image(2, "val/2.jpg")]
    _write(tmp_path / "instances_test.json", images)
    assert set(_splits(tmp_path).values()) == {"test"}


@pytest.mark.parametrize("more", [(), ("test",)])
def test_without_a_val_a_tenth_of_train_is_held_out(tmp_path, more):
    images = [_image(index) for index in range(300)]
    for split in ("train", *more):
        _write(tmp_path / f"instances_{split}2017.json", images)
    splits = _splits(tmp_path)
    held_out = {key for key, split in splits.items() if split == "val"}
    assert 10 < len(held_out) < 50
    for image_id in splits:
        name = "test" if image_id[:4] == "test" else hashed_split(image_id)
        assert splits[image_id] == name


def test_beside_a_named_val_all_else_is_train(tmp_path):
    images = [_image(index) for index in range(60)]
    for name in ("val", "more"):
        _write(tmp_path / f"instances_{name}.json", images)
    splits = list(_splits(tmp_path).values())
    assert splits == ["train"] * 60 + ["val"] * 60


def test_a_hash_is_of_the_files_short_name_and_the_photographs(tmp_path):
    names = [f"train/{index}.jpg" for index in range(200)]
    images = [_image(index, name) for index, name in enumerate(names)]
    _write(tmp_path / "boxes.json", images)
    assert _splits(tmp_path) == {
        f"boxes/{name}": hashed_split(f"boxes/{name}") for name in names
    }


def test_the_digest_follows_the_splits(data_dir, monkeypatch):
    digest = Coco(str(data_dir)).digest()
    monkeypatch.setattr(coco, "named_split", lambda name: "test")
    assert Coco(str(data_dir)).digest() != digest
