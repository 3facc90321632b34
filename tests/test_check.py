"""Laws of the command that checks a module."""

import os
import shutil

import pytest
import tensorflow as tf
from foreign_module import save_foreign_module
from small_modules import SIZE
from small_modules import write_small_module

from export import check
from export.consumers import LOADING
from export.consumers import THOROUGH


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    return save_foreign_module(tmp_path_factory.mktemp("good") / "module")


def test_the_command_prints_a_table_and_fails_on_a_difference(
    module_dir, capsys
):
    # The signature of this module gives twice its features.
    assert check.main(["check", str(module_dir), "--images=2", "--size=7"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == "consumer difference images/s MB note".split()
    for line, consumer in zip(lines[1:-1], LOADING | THOROUGH, strict=True):
        assert line.startswith(consumer)
    served = lines[2].split()
    assert served[:2] == ["serving_default", "1.0e+00"]
    assert float(served[2]) > 0
    assert lines[2].endswith("images -> features")
    assert lines[-1].startswith(f"{module_dir}: ")
    assert lines[-1].endswith(" times its variables; images of 7 x 7 pixels")


def test_the_command_succeeds_where_all_agree(tmp_path, capsys):
    folder = write_small_module(tmp_path / "module")
    assert check.main(["check", str(folder), "--images=2"]) == 0
    out = capsys.readouterr().out
    assert "ONNX, onnxruntime" in out
    assert "failed" not in out
    # Nobody had to say that its size is not the usual one.
    assert out.endswith(f"images of {SIZE} x {SIZE} pixels\n")
    (files,) = [line for line in out.splitlines() if "serving_jpeg" in line]
    assert files.endswith("encoded -> features")
    assert float(files.split()[1]) <= 1e-5


def test_at_another_size_files_are_not_compared(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(check, "THOROUGH", {})  # They take longer.
    folder = write_small_module(tmp_path / "module")
    assert check.main(["check", str(folder), "--images=2", "--size=20"]) == 0
    out = capsys.readouterr().out
    assert "not checked: images are 20 x 20" in out
    assert out.endswith("images of 20 x 20 pixels\n")


@pytest.mark.parametrize(
    "damage, message",
    [
        (shutil.rmtree, "no such folder"),
        (lambda path: (path / "saved_model.pb").unlink(), "no saved_model.pb"),
        (
            lambda path: (path / "saved_model.pb").write_bytes(b"half"),
            "cannot be loaded as a SavedModel",
        ),
        (
            lambda path: shutil.rmtree(path / "variables"),
            "cannot be loaded as a SavedModel",
        ),
    ],
)
def test_a_folder_without_a_whole_module_is_one_line_and_code_2(
    module_dir, tmp_path, capsys, damage, message
):
    broken = tmp_path / "broken"
    shutil.copytree(module_dir, broken)
    damage(broken)
    assert check.main(["check", str(broken)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert str(broken) in line
    assert message in line


def test_a_model_that_cannot_be_called_is_code_2(tmp_path, capsys):
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    assert check.main(["check", str(tmp_path / "empty")]) == 2
    assert "cannot be called" in capsys.readouterr().err


def test_no_images_are_refused(module_dir, capsys):
    assert check.main(["check", str(module_dir), "--images=0"]) == 2
    assert "--images=0: 0 is not a positive" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["variables.index", "variables.data-00000-of-00001"]
)
@pytest.mark.parametrize("share", [0, 0.5])
def test_weights_cut_short_are_one_line_and_code_2(
    module_dir, tmp_path, capsys, name, share
):
    broken = tmp_path / "broken"
    shutil.copytree(module_dir, broken)
    path = broken / "variables" / name
    os.truncate(path, int(path.stat().st_size * share))
    assert check.main(["check", str(broken)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{broken} cannot be loaded" in line
    assert "it is damaged. Export it again." in line


class Foreign(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        return tf.strings.length(texts)


class Detector(tf.Module):
    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)]
    )
    def __call__(self, images):
        return {"boxes": tf.zeros([tf.shape(images)[0], 4])}


@pytest.mark.parametrize(
    "module, why", [(Foreign(), "failed"), (Detector(), "gives () dict")]
)
def test_a_module_of_another_kind_is_one_line_and_code_2(
    tmp_path, capsys, module, why
):
    tf.saved_model.save(module, str(tmp_path / "other"))
    assert check.main(["check", str(tmp_path / "other"), "--images=2"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is a SavedModel but no image feature vector" in line
    assert why in line
    assert "(2, 224, 224, 3) float32" in line
