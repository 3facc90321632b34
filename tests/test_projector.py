"""Laws of the projector's folder: TensorBoard's own plugin reads it."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from small_pictures import write_pictures
from tensorboard.backend.event_processing import data_provider
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.projector import projector_plugin
from werkzeug.test import Client

from scn_tf.embedding.picture_source import open_pictures
from scn_tf.embedding.projector import drawn_rows
from scn_tf.embedding.projector import fitted
from scn_tf.embedding.projector import thumbnail_side
from scn_tf.embedding.projector import write_projector
from tfrecords.errors import InputError

FEATURES = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
COLUMNS = {
    "image_id": ["a/0.png", "tab\there", "line\nbreak", "  ", "b/3.png"],
    "folder": ["a", "a", "", "b", "b"],
}


@pytest.fixture
def folder(tmp_path):
    write_pictures(tmp_path / "in", 5)
    pictures = open_pictures(str(tmp_path / "in"))
    write_projector(tmp_path / "out", FEATURES, COLUMNS, pictures, np.arange(5))
    return tmp_path / "out"


def ask(folder, route, **query):
    """What TensorBoard's projector answers when it is opened on a folder."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))
    context = base_plugin.TBContext(logdir=str(folder), data_provider=provider)
    plugin = projector_plugin.ProjectorPlugin(context)
    response = Client(plugin.get_plugin_apps()[route]).get(query_string=query)
    assert response.status_code == 200, response.data
    return response.data


def test_the_plugin_finds_the_run_and_its_tensor(folder):
    assert json.loads(ask(folder, "/runs")) == ["."]
    (embedding,) = json.loads(ask(folder, "/info", run="."))["embeddings"]
    assert embedding["tensorName"] == "features"
    assert embedding["tensorShape"] == [5, 3]
    content = ask(folder, "/tensor", run=".", name="features")
    numbers = np.frombuffer(content, np.float32).reshape(5, 3)
    np.testing.assert_allclose(numbers, FEATURES, rtol=1e-5)


def test_the_plugin_reads_a_header_and_a_line_per_picture(folder):
    text = ask(folder, "/metadata", run=".", name="features").decode()
    # The page strips lines: no cell may be empty or hold a tab.
    assert [line.split("\t") for line in text.splitlines()] == [
        ["image_id", "folder"],
        ["a/0.png", "a"],
        ["tab here", "a"],
        ["line break", "-"],
        ["-", "b"],
        ["b/3.png", "b"],
    ]


def test_the_plugin_shows_a_thumbnail_per_picture(folder, tmp_path):
    content = ask(folder, "/sprite_image", run=".", name="features")
    sprite = np.asarray(Image.open(io.BytesIO(content)))
    (embedding,) = json.loads(ask(folder, "/info", run="."))["embeddings"]
    assert embedding["sprite"]["singleImageDim"] == [64, 64]
    # Five pictures: three in the first row, two in the second.
    assert sprite.shape == (128, 192, 3)
    pictures = open_pictures(str(tmp_path / "in"))
    thumbnails = [sprite[:64, :64], sprite[64:, 64:128]]
    for row, thumbnail in zip((0, 4), thumbnails, strict=True):
        expected = fitted(pictures.load(row), 64)
        np.testing.assert_array_equal(thumbnail, expected)
    assert (sprite[64:, 128:] == 255).all()


def test_a_picture_that_is_gone_leaves_its_place_white(folder, tmp_path):
    pictures = open_pictures(str(tmp_path / "in"))
    (tmp_path / "in/a/0.png").unlink()
    write_projector(folder, FEATURES, COLUMNS, pictures, np.arange(5))
    content = ask(folder, "/sprite_image", run=".", name="features")
    sprite = np.asarray(Image.open(io.BytesIO(content)))
    assert (sprite[:64, :64] == 255).all()
    assert (sprite[:64, 64:128] != 255).any()


@pytest.mark.parametrize("number", [1, 5, 5000, 16384, 16385, 100_000])
def test_thumbnails_of_any_number_fit_into_the_largest_texture(number):
    side = thumbnail_side(number)
    columns = int(np.ceil(np.sqrt(number)))
    assert 25 <= side <= 64 and side * columns <= 8192
    # 128 * 64 = 8192: the last number of the full size.
    assert (side == 64) == (number <= 128**2)


def test_a_picture_is_fitted_whole_and_in_the_middle():
    pixels = np.zeros([20, 40, 3], np.uint8)
    square = fitted(pixels, 8)
    assert (square[2:6] == 0).all()
    assert (square[:2] == 255).all() and (square[6:] == 255).all()
    assert fitted(np.zeros([1, 500, 3], np.uint8), 8).shape == (8, 8, 3)


def test_rows_are_drawn_by_the_seed_each_once():
    rows = drawn_rows(100, 10, seed=1)
    assert len(set(rows)) == 10 and (np.diff(rows) > 0).all()
    assert rows.tolist() == drawn_rows(100, 10, seed=1).tolist()
    assert rows.tolist() != drawn_rows(100, 10, seed=2).tolist()
    assert drawn_rows(4, 10, seed=0).tolist() == [0, 1, 2, 3]


def test_a_file_is_no_folder_to_write_into(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is no folder"):
        write_projector(tmp_path / "out", FEATURES, COLUMNS, None, [])
