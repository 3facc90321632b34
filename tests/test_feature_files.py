"""Laws of feature files: what was written is read, by us and by others."""

import builtins
import csv
import dataclasses
import json

import numpy as np
import pytest

from scn_tf.embedding.feature_files import check_output
from scn_tf.embedding.feature_files import FeatureTable
from scn_tf.embedding.feature_files import read_features
from scn_tf.embedding.feature_files import write_features
from tfrecords.errors import InputError

NAMES = ["a\r.jpg", 'b,"c".jpg', "d\u00e9\n.jpg"]
LABELS = ["cat", "cat,dog", ""]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, 5)).astype(np.float32)
    return FeatureTable(NAMES, {"labels": LABELS}, features, {"key": "k"})


def test_npy_comes_back_with_names_and_columns(table, tmp_path):
    write_features(table, tmp_path / "f.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "f.json",
        "f.npy",
    ]
    read = read_features(tmp_path / "f.npy")
    np.testing.assert_array_equal(read.features, table.features)
    assert read.features.dtype == np.float32
    assert (read.names, read.columns, read.about) == (
        NAMES,
        {"labels": LABELS},
        {"key": "k"},
    )


def test_odd_bytes_in_the_name_of_a_folder_are_written_too(tmp_path):
    """Python has them as lone surrogates, which UTF-8 does not know."""
    about = {"images": "/photographs/caf\udce9"}
    features = np.zeros((1, 2), np.float32)
    table = FeatureTable(["a.jpg"], {}, features, about)
    write_features(table, tmp_path / "f.npy")
    assert read_features(tmp_path / "f.npy").about == about


def test_csv_has_every_digit_of_a_float(table, tmp_path):
    write_features(table, tmp_path / "f.csv")
    with open(tmp_path / "f.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["image_id", "labels"] + [f"feature_{i}" for i in range(5)]
    assert [row[0] for row in rows] == NAMES
    assert [row[1] for row in rows] == LABELS
    numbers = np.array([row[2:] for row in rows]).astype(np.float32)
    np.testing.assert_array_equal(numbers, table.features)


def test_lines_of_a_csv_end_as_they_always_did(table, tmp_path):
    plain = dataclasses.replace(table, names=["a.jpg", "b.jpg", "c.jpg"])
    write_features(plain, tmp_path / "f.csv")
    assert b"\r" not in (tmp_path / "f.csv").read_bytes()


def test_parquet_has_a_list_of_features_per_row(table, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_features(table, tmp_path / "f.parquet")
    read = parquet.read_table(tmp_path / "f.parquet")
    assert read["image_id"].to_pylist() == NAMES
    assert read["labels"].to_pylist() == LABELS
    features = np.array(read["features"].to_pylist(), np.float32)
    np.testing.assert_array_equal(features, table.features)
    assert json.loads(read.schema.metadata[b"scn_tf"]) == {"key": "k"}


def test_without_pyarrow_it_is_said_what_to_install(monkeypatch, tmp_path):
    original = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name=name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"\[parquet\]"):
        check_output(tmp_path / "f.parquet")
    check_output(tmp_path / "f.csv")


@pytest.mark.parametrize("name", ["f.txt", "f", "f.npz", ".npy"])
def test_an_unknown_suffix_is_refused(table, tmp_path, name):
    with pytest.raises(InputError, match=".npy, .csv, .parquet"):
        write_features(table, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file_to_write(tmp_path):
    (tmp_path / "f.npy").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        check_output(tmp_path / "f.npy")


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    check_output(tmp_path / "new" / "folder" / "f.npy")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        check_output(tmp_path / "file" / "f.npy")


HUGE = 1 << 40
OURS = '{\n "features_sha256": "%s",\n' % ("0" * 64)


def write_huge(text):
    """A file of a terabyte, nearly all of it a hole."""

    def write(path):
        with open(path, "wb") as file:
            file.write(text.encode())
            file.truncate(HUGE)

    return write


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text('{"my": "settings"}'),
        lambda path: path.write_text('{"runs": [{"features_sha256": "0"}]}'),
        lambda path: path.write_text('["features_sha256"]'),
        lambda path: path.write_text(OURS),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text(""),
        lambda path: path.write_text("[" * 100_000),
        write_huge("{}"),
        write_huge(OURS),
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("nowhere"),
    ],
)
def test_a_json_of_others_is_never_replaced(table, tmp_path, write):
    beside = tmp_path / "f.json"
    write(beside)
    before = beside.lstat()
    for work in (check_output, lambda path: write_features(table, path)):
        with pytest.raises(InputError, match="f.json.*did not write"):
            work(tmp_path / "f.npy")
    after = beside.lstat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert [path.name for path in tmp_path.iterdir()] == ["f.json"]
    # Beside the other formats there is no .json.
    check_output(tmp_path / "f.csv")


def test_a_json_of_ours_is_replaced_whatever_its_size(table, tmp_path):
    path = tmp_path / "f.npy"
    write_features(table, path)
    text = path.with_suffix(".json").read_text()
    # As another program may have laid it out anew.
    path.with_suffix(".json").write_text(json.dumps(json.loads(text)))
    check_output(path)
    names = [f"{number:06}.jpg" for number in range(100_000)]
    features = np.zeros([len(names), 1], np.float32)
    many = FeatureTable(names, {}, features, {"key": "k"})
    write_features(many, path)
    assert path.with_suffix(".json").stat().st_size > 1 << 20
    check_output(path)
    write_features(table, path)
    assert read_features(path).names == NAMES


def refused(path):
    with pytest.raises(InputError, match="scn_tf.embed") as raised:
        read_features(path)
    return str(raised.value)


def test_files_that_do_not_belong_together_are_refused(table, tmp_path):
    path = tmp_path / "f.npy"
    assert "cannot be read" in refused(path)
    write_features(table, path)
    np.save(path, table.features + 1)
    assert "do not belong together" in refused(path)
    np.save(path, np.array([{}], dtype=object))
    assert "cannot be read" in refused(path)
    write_features(table, path)
    path.with_suffix(".json").write_text("[]")
    assert "cannot be read" in refused(path)
