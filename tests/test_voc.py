import errno
import os
import pathlib
import pickle
import shutil

import numpy as np
import pytest

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.sources.voc import find_year_dirs
from tfrecords.sources.voc import VOC_CLASSES
from tfrecords.sources.voc import VocDevkit

_DOG = """
<object><name>dog</name><difficult>1</difficult>
  <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin>
    <xmax>2</xmax><ymax>2</ymax></bndbox></part>
  <bndbox><xmax>30</xmax><xmin>11</xmin><ymin>21</ymin><ymax>40.5</ymax>
  </bndbox></object>"""
_CAR = """
<object><name>car</name><bndbox><xmin>1</xmin><ymin>1</ymin>
  <xmax>60</xmax><ymax>50</ymax></bndbox></object>"""


def _xml(objects=_DOG + _CAR, filename="a.jpg"):
    return f"<annotation><filename>{filename}</filename>{objects}</annotation>"


@pytest.fixture
def year_dir(tmp_path) -> pathlib.Path:
    """A year with the photographs a, b (train) and c (val)."""
    year_dir = tmp_path / "VOCdevkit" / "VOC2007"
    for name in ("ImageSets/Main", "JPEGImages", "Annotations"):
        (year_dir / name).mkdir(parents=True)
    for image_id in "abc":
        (year_dir / "JPEGImages" / f"{image_id}.jpg").write_bytes(b"jpeg")
        (year_dir / "Annotations" / f"{image_id}.xml").write_text(
            _xml(filename=f"{image_id}.jpg")
        )
    (year_dir / "ImageSets/Main/train.txt").write_text("b\n\na  1\n")
    (year_dir / "ImageSets/Main/val.txt").write_text("c\n")
    (year_dir / "ImageSets/Main/trainval.txt").write_text("a\nb\nc\n")
    return year_dir


def _read(year_dir, image_id="a"):
    return VocDevkit(str(year_dir)).read(ImageKey("train", image_id))


def test_the_devkit_is_found_from_each_of_its_folders(year_dir):
    for folder in (year_dir, year_dir.parent, year_dir.parent.parent):
        assert find_year_dirs(folder) == [year_dir]
        assert len(VocDevkit(str(folder)).keys()) == 3


def test_a_relative_folder_is_found_too(year_dir, monkeypatch):
    monkeypatch.chdir(year_dir)
    assert len(VocDevkit(".").keys()) == 3


def test_splits_follow_their_lists_in_order(year_dir):
    assert VocDevkit(str(year_dir)).keys() == [
        ImageKey("train", "b"),
        ImageKey("train", "a"),
        ImageKey("val", "c"),
    ]


def test_trainval_is_train_where_nothing_else_is_given(year_dir):
    (year_dir / "ImageSets/Main/train.txt").unlink()
    (year_dir / "ImageSets/Main/val.txt").rename(
        year_dir / "ImageSets/Main/test.txt"
    )
    (year_dir / "ImageSets/Main/trainval.txt").write_text("a\nb\n")
    keys = VocDevkit(str(year_dir)).keys()
    assert [key.split for key in keys] == ["train", "train", "test"]


def test_objects_come_in_our_convention_without_their_parts(year_dir):
    record = _read(year_dir)
    assert record.image == year_dir / "JPEGImages" / "a.jpg"
    # VOC's 1-based inclusive x 11..30, y 21..40.5 of the dog.
    np.testing.assert_array_equal(
        record.boxes, [[20, 10, 40.5, 30], [0, 0, 50, 60]]
    )
    assert record.boxes.dtype == np.float32
    assert record.labels == ("dog", "car")
    np.testing.assert_array_equal(record.difficult, [True, False])
    assert record.pairs is None


def test_a_photograph_without_objects_has_no_boxes(year_dir):
    (year_dir / "Annotations/a.xml").write_text(_xml(""))
    record = _read(year_dir)
    assert record.boxes.shape == (0, 4) and record.labels == ()


def test_the_twenty_classes_are_sorted():
    assert len(VOC_CLASSES) == 20
    assert list(VOC_CLASSES) == sorted(VOC_CLASSES)


def test_the_digest_follows_content_not_place_or_time(year_dir, tmp_path):
    before = VocDevkit(str(year_dir)).digest()
    copy_dir = tmp_path / "copy" / "VOC2007"
    shutil.copytree(year_dir, copy_dir)
    assert VocDevkit(str(copy_dir)).digest() == before
    (copy_dir / "Annotations/a.xml").write_text(_xml(_DOG))
    assert VocDevkit(str(copy_dir)).digest() != before
    (copy_dir / "JPEGImages/a.jpg").unlink()
    assert VocDevkit(str(copy_dir)).digest() != before


@pytest.mark.parametrize(
    "filename", ["a.jpg", "a", "a.JPG", "C:\\pictures\\a.jpg", "/x/a.png", ""]
)
def test_only_the_base_name_in_the_xml_counts(year_dir, filename):
    (year_dir / "Annotations/a.xml").write_text(_xml(filename=filename))
    assert _read(year_dir).image.name == "a.jpg"


def _object(**numbers):
    corners = {"xmin": 1, "ymin": 1, "xmax": 9, "ymax": 9, **numbers}
    tags = "".join(f"<{k}>{v}</{k}>" for k, v in corners.items())
    return f"<object><name>cat</name><bndbox>{tags}</bndbox></object>"


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<annotation><object>", "not well-formed XML"),
        ("", "not well-formed XML"),
        (_xml(filename="b.jpg"), "names a picture that is not there"),
        (_xml(_DOG.replace("dog", "dgo")), "unknown class 'dgo'"),
        (_xml("<object><bndbox/></object>"), "xmin> .* is missing"),
        (_xml(_DOG.replace("<name>dog</name>", "")), "unknown class ''"),
        (_xml("<object><name>cat</name></object>"), "xmin> .* is missing"),
        (_xml(_object(ymax="ten")), "ymax> .* is 'ten', not a number"),
        (_xml(_object(xmin="nan")), "xmin> .* is 'nan', not a number"),
        (_xml(_object(xmax="")), "xmax> .* is '', not a number"),
        (_xml(_DOG.replace("t>1<", "t>x<")), "difficult> .* is 'x'"),
        (
            '<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;">]>'
            "<annotation><filename>&c;</filename></annotation>",
            "has entities",
        ),
        (
            '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>'
            "<annotation><filename>&b;</filename></annotation>",
            "has entities",
        ),
    ],
)
def test_a_bad_annotation_is_refused_by_name(year_dir, xml, message):
    (year_dir / "Annotations/a.xml").write_text(xml)
    with pytest.raises(InputError, match=f"(?s)a.xml.*{message}"):
        _read(year_dir)
    assert _read(year_dir, "b").labels == ("dog", "car")


def test_a_missing_picture_or_annotation_is_refused_by_name(year_dir):
    (year_dir / "JPEGImages/a.jpg").unlink()
    (year_dir / "Annotations/b.xml").unlink()
    with pytest.raises(InputError, match="picture is missing: .*a.jpg"):
        _read(year_dir, "a")
    with pytest.raises(InputError, match="annotation is missing: .*b.xml"):
        _read(year_dir, "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("../../secret\n", "never a path"),
        ("a/b\n", "never a path"),
        ("a\\b\n", "never a path"),
        ("a\na\n", "listed before"),
        ("c\n", "listed before"),
        (b"\xff\xfe\xfa", "not a text file"),
    ],
)
def test_a_bad_list_is_refused_by_name(year_dir, content, message):
    path = year_dir / "ImageSets/Main/train.txt"
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(data)
    name = "val.txt" if content == "c\n" else "train.txt"
    with pytest.raises(InputError, match=f"{name}.*{message}"):
        VocDevkit(str(year_dir)).keys()


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        VocDevkit(str(tmp_path / "nowhere"))


def test_a_folder_without_voc_says_what_was_looked_for(tmp_path):
    with pytest.raises(InputError, match="looked for VOCdevkit/VOC20xx"):
        VocDevkit(str(tmp_path))


def test_a_year_without_lists_says_what_was_looked_for(year_dir):
    shutil.rmtree(year_dir / "ImageSets")
    with pytest.raises(InputError, match="looked for train.txt, val.txt"):
        VocDevkit(str(year_dir)).keys()


def test_several_years_want_one_to_be_named(year_dir):
    shutil.copytree(year_dir, year_dir.parent / "VOC2012")
    with pytest.raises(InputError, match="VOC2007, VOC2012. Name one"):
        VocDevkit(str(year_dir.parent))
    assert len(VocDevkit(str(year_dir)).keys()) == 3


def test_a_pickled_source_reads_the_same(year_dir):
    source = VocDevkit(str(year_dir))
    twin = pickle.loads(pickle.dumps(source))
    assert twin.keys() == source.keys()
    assert twin.digest() == source.digest()


def test_the_real_devkit_reads_to_its_last_annotation(scn_data):
    source = VocDevkit(str(scn_data / "data"))
    keys = source.keys()
    assert {key.split for key in keys} == {"train", "val"}
    records = [source.read(key) for key in keys[::50]]
    assert all(len(record.boxes) for record in records)
    assert {label for r in records for label in r.labels} <= set(VOC_CLASSES)


@pytest.mark.parametrize(
    ("tags", "size"),
    [
        ("<width>60</width><height>50</height>", (50, 60)),
        ("<width>0</width><height>0</height>", None),
        ("<width>60</width>", None),
        ("<width>wide</width><height>50</height>", None),
        ("", None),
    ],
)
def test_the_size_is_what_the_xml_states_or_none(year_dir, tags, size):
    (year_dir / "Annotations/a.xml").write_text(
        _xml(f"<size>{tags}</size>{_DOG}")
    )
    assert _read(year_dir).size == size
    assert _read(year_dir, "b").size is None


def _refuse(function, refused_path):
    """Returns `function`, but for one path, which it may not read."""

    def refusing(path, *arguments, **options):
        if pathlib.Path(path) == refused_path:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return function(path, *arguments, **options)

    return refusing


def test_an_unreadable_annotation_is_refused_by_name(year_dir, monkeypatch):
    path = year_dir / "Annotations/a.xml"
    read = _refuse(pathlib.Path.read_bytes, path)
    monkeypatch.setattr(pathlib.Path, "read_bytes", read)
    with pytest.raises(InputError, match="a.xml cannot be read .Permission"):
        _read(year_dir)
    assert _read(year_dir, "b").labels == ("dog", "car")


@pytest.mark.parametrize("name", ["JPEGImages/a.jpg", "Annotations/a.xml"])
def test_a_size_that_cannot_be_read_is_refused_by_name(
    year_dir, monkeypatch, name
):
    source = VocDevkit(str(year_dir))
    digest = source.digest()
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", _refuse(os.stat, year_dir / name))
        assert source.digest() != digest
        with pytest.raises(InputError, match=f"{name} cannot be read"):
            source.read(ImageKey("train", "a"))


def test_a_link_to_itself_is_refused_by_name(year_dir):
    path = year_dir / "Annotations/a.xml"
    path.unlink()
    path.symlink_to(path)
    assert len(VocDevkit(str(year_dir)).digest()) == 64
    with pytest.raises(InputError, match="annotation .*a.xml is a link that"):
        _read(year_dir)


@pytest.mark.parametrize("name", ["JPEGImages/a.jpg", "Annotations/a.xml"])
def test_a_link_that_leads_outside_is_refused_by_name(year_dir, tmp_path, name):
    outside_path = tmp_path / "outside"
    (year_dir / name).rename(outside_path)
    (year_dir / name).symlink_to(outside_path)
    assert len(VocDevkit(str(year_dir)).digest()) == 64
    with pytest.raises(InputError, match=f"{name} is a link that leads out"):
        _read(year_dir)
    assert _read(year_dir, "b").labels == ("dog", "car")


def test_a_list_that_lies_outside_is_refused(year_dir, tmp_path):
    path = year_dir / "ImageSets/Main/train.txt"
    path.rename(tmp_path / "list.txt")
    path.symlink_to(tmp_path / "list.txt")
    with pytest.raises(InputError, match="train.txt is a link that leads"):
        VocDevkit(str(year_dir)).keys()


def test_a_year_that_lies_outside_says_how_to_name_it(year_dir, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "VOC2012").symlink_to(year_dir)
    with pytest.raises(InputError, match=f"--data_dir={year_dir}"):
        VocDevkit(str(tmp_path / "here"))
    # The folder that the user names may be a link itself.
    assert VocDevkit(str(tmp_path / "here" / "VOC2012")).keys()


@pytest.mark.parametrize(
    "image_id", ["../../etc/passwd", "/etc/passwd", "..", "a\\b", "a\0b", ""]
)
def test_a_hostile_key_is_refused(year_dir, image_id):
    with pytest.raises(InputError, match="never a path|cannot name|missing"):
        _read(year_dir, image_id)


def test_a_photograph_is_read_without_the_lists(year_dir):
    source = pickle.loads(pickle.dumps(VocDevkit(str(year_dir))))
    shutil.rmtree(year_dir / "ImageSets")
    assert source.read(ImageKey("train", "a")).labels == ("dog", "car")


def test_an_unreadable_list_is_refused_by_name(year_dir, monkeypatch):
    path = year_dir / "ImageSets/Main/val.txt"
    read_bytes = _refuse(pathlib.Path.read_bytes, path)
    monkeypatch.setattr(pathlib.Path, "read_bytes", read_bytes)
    with pytest.raises(InputError, match="val.txt cannot be read"):
        VocDevkit(str(year_dir)).keys()


def test_the_digest_follows_annotations_of_the_same_length(year_dir):
    digest = VocDevkit(str(year_dir)).digest()
    path = year_dir / "Annotations/c.xml"
    path.write_text(path.read_text().replace("<xmin>11", "<xmin>12"))
    assert VocDevkit(str(year_dir)).digest() != digest


def test_the_digest_never_follows_annotations_outside(year_dir, tmp_path):
    path = year_dir / "Annotations/a.xml"
    path.rename(tmp_path / "a.xml")
    missing = VocDevkit(str(year_dir)).digest()
    path.symlink_to(tmp_path / "a.xml")
    assert VocDevkit(str(year_dir)).digest() == missing
