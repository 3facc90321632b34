import json

import numpy as np
import pytest

from tfrecords.errors import InputError
from tfrecords.sources.coco_file import CocoFile


def _file(tmp_path, images, annotations=(), categories=()):
    path = tmp_path / "boxes.json"
    content = dict(images=images, annotations=annotations)
    path.write_text(json.dumps({**content, "categories": categories}))
    return CocoFile(path)


def test_boxes_go_to_their_photographs_whatever_the_order(tmp_path):
    # An independent join, with dicts, of 300 boxes and 40 photographs.
    rng = np.random.default_rng(0)
    ids = rng.permutation(10**6)[:40].tolist()
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in ids]
    annotations = [
        {
            "image_id": int(rng.choice(ids)),
            "category_id": int(rng.integers(3)),
            "bbox": rng.integers(0, 99, 4).tolist(),
            "iscrowd": int(rng.integers(2)),
        }
        for _ in range(300)
    ]
    categories = [{"id": i, "name": "abc"[i]} for i in range(3)]
    file = _file(tmp_path, images, annotations, categories)
    assert file.listed_names() == [image["file_name"] for image in images]
    for image_id in ids:
        mine = [a for a in annotations if a["image_id"] == image_id]
        entry = file.entry(f"{image_id}.jpg")
        rows = np.array([a["bbox"] for a in mine]).reshape(-1, 4)
        np.testing.assert_array_equal(entry.rows, rows)
        assert entry.labels == tuple("abc"[a["category_id"]] for a in mine)
        assert entry.is_crowd.tolist() == [bool(a["iscrowd"]) for a in mine]
        assert entry.size is None


def test_lists_may_be_empty(tmp_path):
    file = _file(tmp_path, [], [{"image_id": 1, "bbox": [0, 0, 1, 1]}])
    assert file.listed_names() == [] and file.categories == {}


def test_a_whole_number_may_be_written_with_a_point(tmp_path):
    image = {"id": 1, "file_name": "a.jpg", "height": 3.0, "width": 4}
    assert _file(tmp_path, [image]).entry("a.jpg").size == (3, 4)


def test_of_several_faults_one_is_told(tmp_path):
    images = [{"id": 1, "file_name": "a.jpg"}] * 3
    annotations = [{"image_id": 1}, {"image_id": 1, "bbox": 5}]
    file = _file(tmp_path, images, annotations)
    assert file.listed_names() == ["a.jpg"]
    with pytest.raises(InputError, match="boxes.json: 'a.jpg' is listed twic"):
        file.entry("a.jpg")
