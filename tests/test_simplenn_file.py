"""Laws of reading a SimpleNN; hostile files end in an InputError."""

import pathlib
import re

import h5py
import numpy as np
import pytest
import scipy.io
from matconvnet_files import COLOR
from matconvnet_files import convolution
from matconvnet_files import LRN
from matconvnet_files import normalization
from matconvnet_files import pooling
from matconvnet_files import write

from scn_tf.backbones.simplenn_file import read_simplenn
from tfrecords.errors import InputError


def _layers(old: bool = False) -> list:
    rng = np.random.default_rng(0)
    first = convolution("conv1", (3, 2, 3, 4), rng, stride=2, pad=1, old=old)
    last = convolution("fc", (1, 1, 4, 1), rng, old=old)
    pool = pooling("pool1", 3, (0, 1, 0, 1))
    return [*first, normalization("norm1", old), pool, *last]


def _save(path: pathlib.Path, **variables: object) -> pathlib.Path:
    scipy.io.savemat(path, variables)
    return path


def _cell(*items: object) -> np.ndarray:
    cell = np.empty((1, len(items)), object)
    cell[0] = items
    return cell


@pytest.mark.parametrize("old", [True, False])
def test_both_layouts_give_the_same_layers(tmp_path, old):
    layers = _layers(old)
    path = write(tmp_path / "x.mat", layers, old=old, image_size=224)
    file = read_simplenn(path)
    kinds = ["conv", "relu", "lrn", "pool", "conv", "relu"]
    assert [layer.kind for layer in file.layers] == kinds
    conv1, relu1, norm1, pool1, fc, _ = file.layers
    assert (conv1.name, conv1.stride, conv1.pad) == (
        *("conv1", (2, 2), (1, 1, 1, 1)),
    )
    assert conv1.shapes == ((3, 2, 3, 4), (4,))
    filters = layers[0]["filters"] if old else layers[0]["weights"][0][0]
    np.testing.assert_array_equal(conv1.arrays[0], filters)
    assert relu1.numbers == ()
    assert norm1.numbers == pytest.approx(LRN)
    assert (pool1.window, pool1.method) == ((3, 3), "max")
    assert (pool1.stride, pool1.pad) == ((2, 2), (0, 1, 0, 1))
    assert fc.shapes == ((1, 1, 4, 1), (1,))
    np.testing.assert_allclose(file.average, [[COLOR]], rtol=1e-6)
    assert file.image_size == 224


def test_what_a_layer_leaves_out_is_as_vl_simplenn_tidy_says(tmp_path):
    filters = np.ones((2, 2, 3), np.float32)  # MATLAB drops the last 1
    path = write(
        tmp_path / "x.mat",
        [
            {"type": "conv", "filters": filters, "biases": np.zeros((0, 0))},
            {"type": "pool", "pool": 2.0},
            {"type": "lrn"},
        ],
    )
    conv, pool, lrn = read_simplenn(path).layers
    assert (conv.name, conv.stride, conv.pad) == (
        *("layer 1", (1, 1), (0, 0, 0, 0)),
    )
    assert conv.shapes == ((2, 2, 3, 1), (1,)) and not conv.arrays[1].any()
    assert (pool.window, pool.method, pool.stride) == ((2, 2), "max", (1, 1))
    assert lrn.numbers == (5, 1, 2e-5, 0.75)


@pytest.mark.parametrize(
    ("average", "shape"),
    [
        (COLOR, (1, 1, 3)),  # written as a row
        (COLOR.reshape(3, 1), (1, 1, 3)),
        (np.ones((5, 4, 3)), (5, 4, 3)),
        (np.zeros((0, 0)), (1, 1, 3)),
    ],
)
def test_the_mean_may_be_a_color_or_an_image(tmp_path, average, shape):
    path = write(tmp_path / "x.mat", _layers(), average)
    assert read_simplenn(path).average.shape == shape


@pytest.mark.parametrize("empty", [np.zeros((0, 0)), np.empty((0, 0), object)])
def test_an_empty_field_of_meta_is_none(tmp_path, empty):
    path = tmp_path / "x.mat"
    meta = {"normalization": empty}
    _save(path, layers=_cell(*_layers()), meta=meta)
    assert read_simplenn(path).average is None
    older = {"averageImage": COLOR, "imageSize": np.array([[224.0, 224.0, 3]])}
    _save(path, layers=_cell(*_layers()), meta=meta, normalization=older)
    file = read_simplenn(path)
    np.testing.assert_allclose(file.average, [[COLOR]])
    assert file.image_size == 224


def test_a_file_without_a_mean_says_none(tmp_path):
    file = read_simplenn(write(tmp_path / "x.mat", _layers(), None))
    assert file.average is None and file.image_size == 0
    file = read_simplenn(_save(tmp_path / "x.mat", layers=_cell(*_layers())))
    assert file.average is None


@pytest.mark.parametrize("average", [np.ones((4, 4)), "mean", [[1, np.nan, 2]]])
def test_a_mean_that_is_neither_is_refused(tmp_path, average):
    path = _save(
        tmp_path / "x.mat",
        layers=_cell(*_layers()),
        normalization={"averageImage": average},
    )
    with pytest.raises(InputError, match="x.mat.*averageImage is neither"):
        read_simplenn(path)


@pytest.mark.parametrize(
    ("layers", "fault"),
    [
        (_cell("conv1", "relu1"), "layer 1 is no struct"),
        (np.arange(4.0), "no cell array of layers"),
        ("conv", "no cell array of layers"),
        (np.empty((1, 0), object), "no cell array of layers"),
        (_cell({"name": "a"}), "layer 1 has no type"),
        (_cell({"type": 3.0}), "layer 1 has no type"),
        (_cell({"type": "conv"}), "filters or biases that are no numbers"),
        (_cell({"type": "conv", "weights": "x"}), "no filters and biases"),
        (
            _cell({"type": "conv", "weights": _cell(np.ones(3))}),
            "no filters and biases",
        ),
        (
            _cell({"type": "conv", "weights": _cell(np.ones(3), "x")}),
            "no numbers",
        ),
        (
            _cell({"type": "conv", "weights": _cell(1j * np.ones(3), 1.0)}),
            "complex numbers",
        ),
        (
            _cell(
                {"type": "conv", "weights": _cell(np.ones([1] * 4 + [2]), 1)}
            ),
            r"filters of the shape \(1, 1, 1, 1, 2\)",
        ),
        (_cell({"type": "pool", "pool": 2.5}), r"\(2.5, 2.5\) as pool"),
        (_cell({"type": "pool", "pool": 0.0}), r"\(0.0, 0.0\) as pool"),
        (_cell({"type": "pool", "stride": np.inf}), "have 2 numbers as stride"),
        (_cell({"type": "pool", "pad": np.ones(3)}), "4 numbers as pad"),
        (_cell({"type": "lrn", "param": "x"}), "4 numbers as param"),
    ],
)
def test_layers_of_other_things_are_refused(tmp_path, layers, fault):
    path = _save(tmp_path / "x.mat", layers=layers)
    with pytest.raises(InputError, match=f"x.mat.*{fault}"):
        read_simplenn(path)


def test_a_file_without_layers_says_what_it_holds(tmp_path):
    path = _save(tmp_path / "x.mat", net={"layers": 1.0}, opts=2.0)
    expected = "x.mat holds no variable 'layers', but net, opts.*'-struct'"
    with pytest.raises(InputError, match=expected):
        read_simplenn(path)


def test_a_dagnn_is_named(tmp_path):
    path = _save(tmp_path / "x.mat", layers=1.0, vars=1.0, params=1.0)
    with pytest.raises(InputError, match="x.mat is a DagNN"):
        read_simplenn(path)


def test_a_file_of_version_73_says_how_to_save_it_otherwise(tmp_path):
    path = tmp_path / "x.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["layers"] = np.zeros(3)
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(content)
    with pytest.raises(InputError, match="x.mat .* version 7.3.*'-v7'"):
        read_simplenn(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_byte_never_ends_in_anything_but_an_input_error(
    tmp_path, compressed
):
    """Every byte of the file's structure, and many of its numbers."""
    path = write(tmp_path / "x.mat", _layers(), do_compression=compressed)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.choice(len(content), 400, replace=False):
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read_simplenn(path)
        except InputError as error:
            assert re.search("x.mat", str(error))
            refused += 1
    assert refused > 50
