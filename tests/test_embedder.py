"""Laws of embedding: a row is the picture's alone, no work is done twice."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_pictures import write_module
from small_pictures import write_pictures

from scn_tf.embedding import embedder
from scn_tf.embedding.embedder import as_input
from scn_tf.embedding.embedder import embed_pictures
from scn_tf.embedding.feature_parts import FeatureParts
from scn_tf.embedding.loaded_module import FeatureModule
from scn_tf.embedding.picture_source import _FolderPictures
from scn_tf.embedding.picture_source import open_pictures
from tfrecords.errors import InputError

NUM_PICTURES = 11


class CountingModule(FeatureModule):
    """Notes how many pictures each call got; raises at a call of choice."""

    def __init__(self, module_dir, raise_at=None):
        self.calls = None  # The first call, with black pictures, is no work.
        super().__init__(module_dir)
        self.calls = []
        self._raise_at = raise_at

    def __call__(self, images):
        if self.calls is not None:
            if len(self.calls) == self._raise_at:
                raise KeyboardInterrupt
            self.calls.append(len(images))
        return super().__call__(images)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(embedder, "PICTURES_PER_PART", 4)


@pytest.fixture
def folder(tmp_path):
    write_pictures(tmp_path / "in", NUM_PICTURES)
    write_module(tmp_path / "module")
    return tmp_path


def embed(folder, module, batch_size=2, key="key", **options):
    pictures = open_pictures(str(folder / "in"))
    parts = FeatureParts(folder / ".f.npy.parts", key)
    return embed_pictures(module, pictures, parts, batch_size, **options)


@pytest.mark.parametrize("batch_size", [1, 3, 4])
def test_a_row_is_what_the_module_gives_for_that_picture_alone(
    folder, demo_run, batch_size
):
    # An export resizes inside, so it may be given pictures of any size.
    module_dir = demo_run / "module"
    pictures = open_pictures(str(folder / "in"))
    embedding = embed(folder, FeatureModule(module_dir), batch_size)
    alone = tf.saved_model.load(str(module_dir))
    for row, feature in zip(embedding.rows, embedding.features, strict=True):
        image = pictures.load(row)[np.newaxis] / np.float32(255)
        expected = alone(image, training=False).numpy()[0]
        np.testing.assert_allclose(feature, expected, rtol=2e-4, atol=2e-5)
    assert embedding.rows.tolist() == list(range(NUM_PICTURES))


def test_a_picture_of_the_modules_size_is_not_touched():
    pixels = np.random.default_rng(0).integers(0, 256, [9, 9, 3], np.uint8)
    np.testing.assert_array_equal(
        as_input(pixels, 9), pixels.astype(np.float32) / 255
    )
    assert as_input(pixels, 5).shape == (5, 5, 3)
    # The mean of an antialiased resize stays what it was.
    flat = np.full([30, 20, 3], 51, np.uint8)
    np.testing.assert_allclose(as_input(flat, 7), 0.2, rtol=1e-6)


def test_bad_pictures_are_named_counted_and_left_out(folder):
    whole = embed(folder, CountingModule(folder / "module"))
    for name in ("a/2.png", "b/7.png"):
        (folder / "in" / name).write_bytes(b"junk")
    (folder / "in" / "z.jpg").write_bytes(b"")
    embedding = embed(folder, CountingModule(folder / "module"), key="other")
    names = open_pictures(str(folder / "in")).names
    assert [name for name, _ in embedding.left_out] == [
        "a/2.png",
        "b/7.png",
        "z.jpg",
    ]
    assert "it is empty" in embedding.left_out[2][1]
    assert len(embedding.rows) == NUM_PICTURES - 2
    kept = [names.index(names[row]) for row in embedding.rows]
    np.testing.assert_allclose(
        embedding.features, whole.features[kept], rtol=1e-6
    )
    text = embedding.left_out_text()
    assert text.startswith("3 left out:") and "b/7.png" in text
    assert whole.left_out_text() == ""


def test_a_bad_picture_stops_if_that_is_wanted(folder):
    (folder / "in/b/7.png").write_bytes(b"junk")
    module = CountingModule(folder / "module")
    for _ in range(2):
        with pytest.raises(InputError, match="7.png.*--on_bad_image=skip"):
            embed(folder, module, on_bad_image="stop")
    # Also where an earlier run that skipped has finished that part.
    embed(folder, module)
    with pytest.raises(InputError, match="7.png"):
        embed(folder, module, on_bad_image="stop")


def test_a_picture_that_can_be_read_again_is_not_left_out(folder, monkeypatch):
    """Permissions, or a disk that was away, do not show in a file's time."""
    load = _FolderPictures.load

    def refuse(self, index):
        if index == 2:
            raise InputError("Cannot read 2: Permission denied.")
        return load(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(_FolderPictures, "load", refuse)
        for _ in range(2):
            first = embed(folder, CountingModule(folder / "module"))
            assert len(first.rows) == NUM_PICTURES - 1
        assert first.num_computed == 0
    second = embed(folder, CountingModule(folder / "module"))
    assert len(second.rows) == NUM_PICTURES and not second.left_out
    assert second.num_computed == 4


def test_features_that_are_not_finite_are_left_out(folder):
    class Broken(FeatureModule):
        def __call__(self, images):
            features = super().__call__(images)
            features[images.mean(axis=(1, 2, 3)) > 0.99] = np.nan
            return features

    white = np.full([9, 9, 3], 255, np.uint8)
    Image.fromarray(white).save(folder / "in/white.png")
    embedding = embed(folder, Broken(folder / "module"))
    (left_out,) = embedding.left_out
    assert left_out[0] == "white.png" and "not finite" in left_out[1]
    assert np.isfinite(embedding.features).all()
    assert len(embedding.features) == NUM_PICTURES


@pytest.mark.parametrize("raise_at", range(1, 6))
def test_an_interrupted_run_continues_with_its_finished_parts(folder, raise_at):
    whole = embed(folder, CountingModule(folder / "module"), key="whole")
    # Parts of 4, 4 and 3 pictures, batches of 2: 2 + 2 + 2 calls.
    broken = CountingModule(folder / "module", raise_at)
    with pytest.raises(KeyboardInterrupt):
        embed(folder, broken)
    kept = 4 * (raise_at // 2)
    again = CountingModule(folder / "module")
    embedding = embed(folder, again)
    assert sum(again.calls) == NUM_PICTURES - kept == embedding.num_computed
    np.testing.assert_array_equal(embedding.features, whole.features)
    # What is whole is not computed at all.
    third = CountingModule(folder / "module")
    assert embed(folder, third).num_computed == 0
    assert third.calls == []


def test_what_was_done_before_is_shown_but_is_no_work(folder, monkeypatch):
    bars = []

    class Bar(embedder.tqdm):
        def __init__(self, **options):
            super().__init__(**options)
            bars.append(self)

    monkeypatch.setattr(embedder, "tqdm", Bar)
    with pytest.raises(KeyboardInterrupt):
        embed(folder, CountingModule(folder / "module", raise_at=2))
    embed(folder, CountingModule(folder / "module"))
    assert [(bar.initial, bar.n) for bar in bars] == [(0, 4), (4, 11)]


def test_parts_of_another_key_are_not_used(folder):
    embed(folder, CountingModule(folder / "module"))
    module = CountingModule(folder / "module")
    assert embed(folder, module, key="other").num_computed == NUM_PICTURES


def test_a_folder_of_bad_pictures_has_no_features(folder):
    for path in (folder / "in").rglob("*.png"):
        path.write_bytes(b"junk")
    embedding = embed(folder, CountingModule(folder / "module"))
    assert embedding.features.shape == (0, 12)
    assert len(embedding.left_out) == NUM_PICTURES
