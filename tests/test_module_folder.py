"""Laws of the place that a module is written to."""

import pytest

from export.module_folder import replacing_module
from tfrecords.errors import InputError


def write(module_dir):
    with replacing_module(module_dir) as temporary_dir:
        temporary_dir.mkdir()
        (temporary_dir / "saved_model.pb").write_bytes(b"new")


def test_a_folder_of_other_files_is_not_replaced(tmp_path):
    keepsake = tmp_path / "module" / "thesis.txt"
    keepsake.parent.mkdir()
    keepsake.write_text("years of work")
    with pytest.raises(InputError, match="thesis.txt.*Choose another folder"):
        write(tmp_path / "module")
    assert keepsake.read_text() == "years of work"


def test_files_that_were_put_beside_a_module_are_not_lost(tmp_path):
    write(tmp_path / "module")
    for name in ("README.md", "keras.json", "LICENSE", "features.onnx"):
        (tmp_path / "module" / name).write_text("mine")
    with pytest.raises(InputError, match="LICENSE, features.onnx.*move them"):
        write(tmp_path / "module")
    assert (tmp_path / "module" / "LICENSE").read_text() == "mine"


@pytest.mark.parametrize("name", [".DS_Store", ".nfs0001", ".a.b.7.tmp"])
def test_what_nobody_put_there_is_not_missed(tmp_path, name):
    write(tmp_path / "module")
    (tmp_path / "module" / name).touch()
    write(tmp_path / "module")
    assert not (tmp_path / "module" / name).exists()


def test_a_file_in_the_place_of_the_module_is_not_replaced(tmp_path):
    (tmp_path / "module").write_text("years of work")
    with pytest.raises(InputError, match="module is a file"):
        write(tmp_path / "module")


def test_an_empty_folder_is_a_place_for_a_module(tmp_path):
    (tmp_path / "module").mkdir()
    write(tmp_path / "module")
    assert (tmp_path / "module" / "saved_model.pb").read_bytes() == b"new"


def test_a_module_is_replaced_whole(tmp_path):
    write(tmp_path / "module")
    (tmp_path / "module" / "assets").mkdir()
    write(tmp_path / "module")
    assert [path.name for path in (tmp_path / "module").iterdir()] == [
        "saved_model.pb"
    ]
