import pickle

import numpy as np
import pytest
from PIL import Image

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.sources import csv_boxes
from tfrecords.sources.csv_boxes import CsvBoxes

_HEADER = "filename,xmin,ymin,xmax,ymax"


def _write(folder, *rows, header=_HEADER + ",class,split", name="boxes.csv"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join((header, *rows)) + "\n")
    return folder


def _picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30)).save(path)


@pytest.fixture
def data_dir(tmp_path):
    for name in ("day/a.jpg", "b.jpg", "c.jpg"):
        _picture(tmp_path / name)
    return _write(
        tmp_path,
        "day/a.jpg,1,2,10.5,20,dog,train",
        "b.jpg,0,0,40,30,car,val",
        "day/a.jpg,3,4,5,6,car,train",
        "c.jpg,,,,,,test",
    )


def _read(folder, name):
    return CsvBoxes(str(folder)).read(ImageKey("train", name))


def test_photographs_come_in_the_order_of_their_first_row(data_dir):
    assert CsvBoxes(str(data_dir)).keys() == [
        ImageKey("train", "day/a.jpg"),
        ImageKey("val", "b.jpg"),
        ImageKey("test", "c.jpg"),
    ]


def test_boxes_come_in_our_convention(data_dir):
    record = _read(data_dir, "day/a.jpg")
    assert record.image == data_dir / "day" / "a.jpg"
    np.testing.assert_array_equal(
        record.boxes, [[2, 1, 20, 10.5], [4, 3, 6, 5]]
    )
    assert record.labels == ("dog", "car")
    np.testing.assert_array_equal(record.difficult, [False, False])
    assert record.size is None


def test_empty_corners_are_a_photograph_without_boxes(data_dir):
    record = _read(data_dir, "c.jpg")
    assert record.boxes.shape == (0, 4) and record.labels == ()


def test_classes_are_the_names_in_their_column(data_dir):
    assert CsvBoxes(str(data_dir)).classes == ("car", "dog")


def test_without_a_split_a_hash_decides(tmp_path):
    rows = [f"{index}.jpg,0,0,1,1" for index in range(200)]
    _write(tmp_path, *rows, header=_HEADER)
    source = CsvBoxes(str(tmp_path))
    splits = [key.split for key in source.keys()]
    assert 5 < splits.count("val") < 40 and set(splits) == {"train", "val"}
    assert source.classes == ()


def test_the_optional_columns_in_any_order(tmp_path):
    _picture(tmp_path / "a.jpg")
    _write(
        tmp_path,
        "40,0,0,1,1,1,x,30,a.jpg",
        "40,0,0,2,2,False,x,30,a.jpg",
        header="width,ymin, XMIN ,xmax,ymax,difficult,more,height,filename",
    )
    record = _read(tmp_path, "a.jpg")
    np.testing.assert_array_equal(record.difficult, [True, False])
    assert record.size == (30, 40) and record.labels == ("", "")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_quotes_and_line_ends_are_those_of_csv(tmp_path, newline, encoding):
    _picture(tmp_path / "a, ü.jpg")
    rows = [_HEADER, '"a, ü.jpg",0,0,1,1', "", '"a, ü.jpg","0",0,1,1']
    (tmp_path / "boxes.csv").write_bytes(newline.join(rows).encode(encoding))
    assert CsvBoxes.is_here(tmp_path)
    assert len(_read(tmp_path, "a, ü.jpg").boxes) == 2


def test_one_photograph_under_two_spellings_is_one(tmp_path):
    _picture(tmp_path / "day" / "a.jpg")
    rows = ["day/a.jpg,0,0,1,1", "./day//a.jpg,0,0,2,2", "day\\a.jpg,0,0,3,3"]
    _write(tmp_path, *rows, header=_HEADER)
    (key,) = CsvBoxes(str(tmp_path)).keys()
    assert _read(tmp_path, key.image_id).boxes[:, 2].tolist() == [1, 2, 3]


def test_a_single_table_of_another_name_is_found(tmp_path):
    _write(tmp_path, "a.jpg,0,0,1,1", header=_HEADER, name="labels.csv")
    assert CsvBoxes.is_here(tmp_path)
    assert len(CsvBoxes(str(tmp_path)).keys()) == 1
    _write(tmp_path, "b.jpg,0,0,1,1", header=_HEADER)
    assert CsvBoxes(str(tmp_path)).keys()[0].image_id == "b.jpg"


def test_of_several_tables_none_is_guessed(tmp_path):
    for name in ("one.csv", "two.csv"):
        _write(tmp_path, "a.jpg,0,0,1,1", header=_HEADER, name=name)
    assert not CsvBoxes.is_here(tmp_path)
    with pytest.raises(InputError, match="call the table boxes.csv"):
        CsvBoxes(str(tmp_path))


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n", b"\xff\xfe", b'"', b"filename;xmin;ymin\n"]
)
def test_another_table_is_not_taken_for_boxes(tmp_path, content):
    (tmp_path / "boxes.csv").write_bytes(content)
    assert not CsvBoxes.is_here(tmp_path)
    with pytest.raises(InputError, match="boxes.csv.*(Wanted: file|UTF-8|csv)"):
        CsvBoxes(str(tmp_path)).keys()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,1,2,3,x,dog,train", "not 4 numbers of pixels"),
        ("a.jpg,1,2,3,,dog,train", "not 4 numbers of pixels"),
        ("a.jpg,1,2,3,nan,dog,train", "not 4 numbers of pixels"),
        ("a.jpg,1,2,3,inf,dog,train", "not 4 numbers of pixels"),
        ("a.jpg,1,2,3,1e300,dog,train", "not 4 numbers of pixels"),
        ("a.jpg,1,2,3,4,dog,../../etc", "`split` is '../../etc'"),
        ("a.jpg,1,2,3,4,dog,both", "`split` is 'both', not train, val or"),
        ("a.jpg,1,2,3,4,dog,vall", "`split` is 'vall', not train, val or"),
        ("a.jpg,1,2,3,4,dog", "6 fields under 7 columns"),
        ("a.jpg,1,2,3,4,dog,train,more", "8 fields under 7 columns"),
        ("a.jpg", "1 fields under 7 columns"),
    ],
)
def test_a_faulty_row_refuses_its_photograph_alone(data_dir, row, message):
    _write(data_dir, "b.jpg,0,0,1,1,car,val", row, "c.jpg,,,,,,")
    source = CsvBoxes(str(data_dir))
    assert [key.image_id for key in source.keys()] == [
        "b.jpg",
        "a.jpg",
        "c.jpg",
    ]
    with pytest.raises(InputError, match=f"(?s)boxes.csv, line 3: .*{message}"):
        source.read(source.keys()[1])
    for key in source.keys()[::2]:
        source.read(key)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("2,,", "`difficult` is '2', not 0 or 1"),
        (",30,", "`height`, `width` are '30', ''"),
        (",30,x", "not two numbers of pixels"),
        (",0,40", "not two numbers of pixels"),
        (",30,-40", "not two numbers of pixels"),
        (",30,40.5", "not two numbers of pixels"),
    ],
)
def test_a_faulty_optional_value_is_refused(data_dir, values, message):
    _write(
        data_dir,
        f"b.jpg,0,0,1,1,{values}",
        header=_HEADER + ",difficult,height,width",
    )
    with pytest.raises(InputError, match=message):
        _read(data_dir, "b.jpg")


@pytest.mark.parametrize("between", [[], ["c.jpg,,,,,,"]])
@pytest.mark.parametrize("order", [1, -1])
def test_rows_that_contradict_each_other_are_refused(data_dir, between, order):
    rows = ["b.jpg,0,0,1,1,car,val", *between, "b.jpg,0,0,1,1,car,train"]
    _write(data_dir, *rows[::order])
    with pytest.raises(InputError, match="not what an earlier row says"):
        _read(data_dir, "b.jpg")


def test_a_fault_in_a_later_run_counts_too(data_dir):
    rows = ["b.jpg,0,0,1,1,,", "c.jpg,,,,,,", "b.jpg,0,0,x,1,,"]
    _write(data_dir, *rows)
    with pytest.raises(InputError, match="line 4: corners are"):
        _read(data_dir, "b.jpg")


def test_a_row_without_a_name_goes_by_its_place(data_dir):
    _write(data_dir, "b.jpg,0,0,1,1,,", ",0,0,1,1,,")
    source = CsvBoxes(str(data_dir))
    key = source.keys()[1]
    assert key.image_id == "boxes.csv:3"
    with pytest.raises(InputError, match="line 3: `filename` is empty"):
        source.read(key)


@pytest.mark.parametrize(
    "row", ['"b.jpg,0,0,1,1', '"b"x,0,0,1,1,,', "b" * 200_000]
)
def test_what_is_no_csv_is_refused_by_line(tmp_path, row):
    _write(tmp_path, "a.jpg,0,0,1,1,,", row)
    with pytest.raises(InputError, match="boxes.csv, line 3, is not valid csv"):
        CsvBoxes(str(tmp_path)).keys()


def test_text_in_another_encoding_is_refused(tmp_path):
    content = f"{_HEADER}\nä.jpg,0,0,1,1\n".encode("latin-1")
    (tmp_path / "boxes.csv").write_bytes(content)
    with pytest.raises(InputError, match="not a text file in UTF-8"):
        CsvBoxes(str(tmp_path)).keys()


def test_a_table_without_rows_is_refused(tmp_path):
    _write(tmp_path)
    with pytest.raises(InputError, match="names no photograph"):
        CsvBoxes(str(tmp_path)).keys()


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "..\\a.jpg"])
def test_a_name_that_leads_outside_is_refused(tmp_path, name):
    data_dir = _write(tmp_path / "data", f"{name},0,0,1,1,,")
    _picture(tmp_path / "secret.jpg")
    source = CsvBoxes(str(data_dir))
    assert len(source.digest()) == 64
    with pytest.raises(InputError, match="cannot name a file"):
        source.read(source.keys()[0])


def test_links_that_lead_outside_are_refused(data_dir, tmp_path_factory):
    outside_dir = tmp_path_factory.mktemp("outside")
    for name in ("b.jpg", "boxes.csv"):
        (data_dir / name).rename(outside_dir / name)
        (data_dir / name).symlink_to(outside_dir / name)
    with pytest.raises(InputError, match="boxes.csv is a link that leads"):
        CsvBoxes(str(data_dir))
    (data_dir / "boxes.csv").unlink()
    (outside_dir / "boxes.csv").rename(data_dir / "boxes.csv")
    with pytest.raises(InputError, match="b.jpg is a link that leads"):
        _read(data_dir, "b.jpg")


def test_an_unknown_key_is_refused_by_name(data_dir):
    with pytest.raises(InputError, match="no photograph 'boxes.csv'"):
        _read(data_dir, "boxes.csv")


def test_the_digest_follows_table_and_pictures(data_dir):
    digest = CsvBoxes(str(data_dir)).digest()
    assert CsvBoxes(str(data_dir)).digest() == digest
    text = (data_dir / "boxes.csv").read_text()
    (data_dir / "boxes.csv").write_text(text.replace("dog", "cat"))
    changed = CsvBoxes(str(data_dir)).digest()
    assert changed != digest
    (data_dir / "b.jpg").write_bytes(b"")
    assert CsvBoxes(str(data_dir)).digest() != changed


def test_what_was_parsed_stays_behind(data_dir):
    source = CsvBoxes(str(data_dir))
    before = len(pickle.dumps(source))
    source.digest()
    assert len(pickle.dumps(source)) == before < 500


def test_folders_tell_the_splits_that_the_table_does_not(tmp_path):
    _write(
        tmp_path,
        "train/a.jpg,0,0,1,1,car,",
        "valid/b.jpg,0,0,1,1,car,",
        "test/c.jpg,0,0,1,1,car,",
        "test/d.jpg,0,0,1,1,car,val",
        "e.jpg,0,0,1,1,car,",
    )
    splits = [key.split for key in CsvBoxes(str(tmp_path)).keys()]
    assert splits == ["train", "val", "test", "val", "train"]


def _many(tmp_path, *splits):
    rows = [f"{i}.jpg,0,0,1,1,car,{s}" for i, s in enumerate(splits)]
    _write(tmp_path, *rows)
    return [key.split for key in CsvBoxes(str(tmp_path)).keys()]


def test_beside_a_val_all_else_is_train(tmp_path):
    splits = _many(tmp_path, *["val"] * 20, *[""] * 180, "test")
    assert splits == ["val"] * 20 + ["train"] * 180 + ["test"]


def test_without_a_val_a_tenth_of_train_is_held_out(tmp_path):
    splits = _many(tmp_path, *["train"] * 200, "test", "")
    assert splits[200] == "test" and set(splits[:200]) == {"train", "val"}
    assert 5 < splits.count("val") < 40


def test_the_digest_follows_the_splits(data_dir, monkeypatch):
    digest = CsvBoxes(str(data_dir)).digest()
    monkeypatch.setattr(csv_boxes, "ImageKey", lambda _, n: ImageKey("x", n))
    assert CsvBoxes(str(data_dir)).digest() != digest


def test_pictures_that_no_row_names_are_told_of(tmp_path, caplog):
    _write(tmp_path, "a.jpg,0,0,1,1,car,train", "b.jpg,0,0,1,1,car,val")
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    CsvBoxes(str(tmp_path)).digest()
    assert caplog.messages == []
    (tmp_path / "c.jpg").write_bytes(b"x")
    CsvBoxes(str(tmp_path)).digest()
    (told,) = caplog.messages
    assert told.startswith(f"1 of 3 pictures in {tmp_path} are in no row of ")
    assert "c.jpg first" in told
