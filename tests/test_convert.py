"""Laws of the files that are made of a module."""

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_modules import FEATURES
from small_modules import small_images
from small_modules import write_small_module

from export import convert

# Fails where anything of ours is imported.
STRANGER = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("export", "scn_tf", "tfrecords"):
            raise ImportError(f"a stranger has no {name}")

sys.meta_path.insert(0, Nothing())
import keras, numpy as np, tensorflow as tf
images = np.load("images.npy")
model = keras.saving.load_model("module.keras")
np.save("keras.npy", model(images))
np.save("loaded.npy", tf.saved_model.load("module")(images))
"""


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    return write_small_module(tmp_path_factory.mktemp("shared") / "module")


@pytest.fixture(scope="module")
def expected(module_dir):
    return tf.saved_model.load(str(module_dir))(small_images()).numpy()


def test_strangers_need_nothing_of_ours(module_dir, expected):
    folder = module_dir.parent
    convert.convert(module_dir, folder / "module.keras")
    np.save(folder / "images.npy", small_images())
    subprocess.run([sys.executable, "-c", STRANGER], cwd=folder, check=True)
    for name in ("keras", "loaded"):
        found = np.load(folder / f"{name}.npy")
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_keras_file_takes_any_size_and_can_be_tuned(module_dir, tmp_path):
    convert.convert(module_dir, tmp_path / "a.keras")
    model = keras.saving.load_model(tmp_path / "a.keras")
    images = small_images(3, 13, 9)
    wanted = tf.saved_model.load(str(module_dir))(images).numpy()
    np.testing.assert_allclose(model(images), wanted, rtol=1e-6)
    model.compile("sgd", "mse")
    before = [variable.numpy() for variable in model.trainable_variables]
    assert len(before) == 10
    statistics = [
        variable
        for variable in model.non_trainable_variables
        if "moving" in variable.path
    ]
    still = [variable.numpy() for variable in statistics]
    assert len(still) == 4
    model(images)
    np.testing.assert_array_equal(statistics[0], still[0])
    model.train_on_batch(images, np.zeros((3, FEATURES)))
    assert not np.array_equal(statistics[0], still[0])
    assert any(
        not np.array_equal(value, variable.numpy())
        for value, variable in zip(
            before, model.trainable_variables, strict=True
        )
    )


def test_the_keras_file_names_no_class_of_ours(module_dir, tmp_path):
    convert.convert(module_dir, tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        config = archive.read("config.json").decode()
    assert "scn_tf" not in config
    assert "Lambda" not in config
    assert json.loads(config)["class_name"] == "Functional"


def test_onnx_takes_any_number_of_images(module_dir, expected, tmp_path):
    import onnxruntime

    convert.convert(module_dir, tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "a.onnx", providers=["CPUExecutionProvider"]
    )
    (given,), (output,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("images", ["batch", 8, 8, 3])
    assert (output.name, output.shape) == ("features", ["batch", FEATURES])
    for number in (1, 4):
        (found,) = session.run(None, {"images": small_images()[:number]})
        np.testing.assert_allclose(found, expected[:number], rtol=1e-5)


def test_litert_takes_any_number_of_images(module_dir, expected, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    convert.convert(module_dir, tmp_path / "a.tflite")
    interpreter = Interpreter(model_path=str(tmp_path / "a.tflite"))
    run = interpreter.get_signature_runner("serving_default")
    (name,) = run.get_input_details()
    for number in (1, 4):
        (found,) = run(**{name: small_images()[:number]}).values()
        np.testing.assert_allclose(found, expected[:number], rtol=1e-5)


@pytest.mark.parametrize(
    "name, message",
    [("a.pb", "wanted one of .keras, .onnx, .tflite"), ("keras", "ends in ''")],
)
def test_another_ending_is_refused(module_dir, tmp_path, capsys, name, message):
    assert convert.main(["convert", str(module_dir), str(tmp_path / name)]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".keras", ".onnx", ".tflite"])
def test_a_folder_is_never_replaced(module_dir, tmp_path, capsys, suffix):
    mine = tmp_path / f"mine{suffix}" / "mine.txt"
    mine.parent.mkdir()
    mine.touch()
    arguments = ["convert", str(module_dir), str(mine.parent)]
    assert convert.main(arguments) == 1
    assert "is a folder; wanted: a file" in capsys.readouterr().err
    assert list(tmp_path.rglob("*")) == [mine.parent, mine]


def test_what_is_no_module_leaves_no_file(tmp_path, capsys):
    assert (
        convert.main(["convert", str(tmp_path), str(tmp_path / "a.keras")]) == 1
    )
    assert "holds no keras.json" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_missing_converter_is_named(
    module_dir, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert (
        convert.main(["convert", str(module_dir), str(tmp_path / "a.onnx")])
        == 1
    )
    assert "tf2onnx is not installed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_says_how_large_the_file_is(module_dir, tmp_path, capsys):
    path = tmp_path / "new" / "a.keras"
    assert convert.main(["convert", str(module_dir), str(path)]) == 0
    size = f"{path.stat().st_size:,} bytes"
    assert capsys.readouterr().out == f"{path}: {size}\n"
