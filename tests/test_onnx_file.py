"""Laws of ONNX files: the network's features, of plain operations."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from export.comparison import TOLERANCE
from export.onnx_file import write_onnx
from export.plain_network import plain_network
from scn_tf.backbones import build_backbone


def network(name="mobilenet_v2", **sizes):
    """A network with weights near its first ones, none of them 0 or 1."""
    backbone = build_backbone(name, "", "none", **sizes)
    model = plain_network(backbone.trunk, backbone.neck).model
    rng = np.random.default_rng(0)
    for variable in model.variables:
        value = variable.numpy() * rng.uniform(0.8, 1.2, variable.shape)
        if len(variable.shape) == 1:  # biases and what normalizations know
            value += rng.uniform(0.05, 0.15, variable.shape)
        variable.assign(value)
    return model


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    model = network()
    write_onnx(model, path)
    return model, path


def images_of(model, number):
    shape = (number, *model.input_shape[1:])
    return np.random.default_rng(0).random(shape, np.float32)


def assert_same_features(model, path, images):
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(["features"], {"images": images})
    wanted = model(images, training=False).numpy()
    assert np.abs(found - wanted).max() <= TOLERANCE * np.abs(wanted).max()


def test_any_number_of_images_has_the_networks_features(written):
    model, path = written
    for number in (1, 3):
        assert_same_features(model, path, images_of(model, number))


def test_normalizations_are_folded_and_weights_are_no_inputs(written):
    model, path = written
    graph = onnx.load(path).graph
    assert [value.name for value in graph.input] == ["images"]
    kinds = [node.op_type for node in graph.node]
    convolutions = [
        layer
        for layer in model._flatten_layers()
        if isinstance(
            layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
        )
    ]
    assert kinds.count("Conv") == len(convolutions)
    assert not {"BatchNormalization", "Sqrt", "Sub", "Reciprocal"} & set(kinds)
    # To channels first and back.
    assert kinds.count("Transpose") <= 2


def test_any_reader_of_onnx_knows_the_operations(written):
    model, path = written
    file = onnx.load(path)
    assert [opset.domain for opset in file.opset_import] == [""]
    onnx.checker.check_model(file)
    assert list(path.parent.iterdir()) == [path]
    parameters = 4 * model.count_params()
    assert path.stat().st_size < 1.01 * parameters


def test_networks_of_other_kinds_are_written_too(tmp_path):
    for name in ("small_cnn", "cnn_m"):
        sizes = {"fc6_width": 8, "fc7_width": 4} if name == "cnn_m" else {}
        model = network(name, **sizes)
        write_onnx(model, tmp_path / "a.onnx")
        assert_same_features(model, tmp_path / "a.onnx", images_of(model, 2))
