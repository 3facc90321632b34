"""Laws of the pictures that a training shows while it runs."""

import json
import logging

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from scn_tf import live_pictures
from scn_tf.live_pictures import LivePictures
from scn_tf.run_log import RunLog

DEMO = "--flagfile=scn_tf/flagfiles/demo.flags"
PICTURES = ("train/pairs", "train/predictions")
STEPS_PER_EPOCH = 9  # of the demo: 600 pairs, 64 a step, the last smaller


class Sheets:
    """Draws a pixel, and notes what was drawn."""

    def __init__(self, folder, seconds=0.0):
        self.folder, self.drawn = folder, []
        self.now, self.seconds = 0.0, seconds

    def draw(self, name):
        def draw(path):
            self.drawn.append(name)
            self.now += self.seconds
            PIL.Image.new("RGB", (4, 3)).save(path, "png")

        return draw

    def live(self, every, epochs=6, log=None):
        return LivePictures(
            {name: self.draw(name) for name in ("pairs", "predictions")},
            self.folder / "pictures",
            log or RunLog(self.folder),
            steps_per_epoch=10,
            epochs=epochs,
            every=every,
        )


def shown_epochs(sheets, live, epochs=6):
    """Epochs after which predictions were drawn."""
    found = []
    for epoch in range(epochs + 1):
        before = len(sheets.drawn)
        live.show(10 * epoch)
        if "predictions" in sheets.drawn[before:]:
            found.append(epoch)
    return found


@pytest.mark.parametrize(
    ("every", "epochs"),
    [(1, [0, 1, 2, 3, 4, 5, 6]), (4, [0, 4, 6]), (9, [0, 6]), (0, [])],
)
def test_predictions_come_every_so_many_epochs_and_last(
    tmp_path, every, epochs
):
    sheets = Sheets(tmp_path)
    assert shown_epochs(sheets, sheets.live(every)) == epochs
    # Pairs do not change: once.
    assert sheets.drawn.count("pairs") == (1 if every else 0)


def test_by_themselves_they_take_a_hundredth_of_the_time(tmp_path, monkeypatch):
    sheets = Sheets(tmp_path, seconds=2.0)
    monkeypatch.setattr(live_pictures.time, "monotonic", lambda: sheets.now)
    live = sheets.live(None, epochs=1000)
    for epoch in range(1000):
        live.show(10 * epoch)
        sheets.now += 30.0
    spent = 2.0 * len(sheets.drawn)
    assert 0.009 * sheets.now < spent < 0.01 * sheets.now + 2.0


def test_a_continued_training_draws_no_pairs_again(tmp_path):
    sheets = Sheets(tmp_path)
    sheets.live(None).show(30)
    assert sheets.drawn == ["predictions"]


def test_a_sheet_that_cannot_be_drawn_is_named_and_no_more(tmp_path, caplog):
    sheets = Sheets(tmp_path)
    live = sheets.live(1)

    def fail(path):
        raise MemoryError("no room")

    live._sheets["predictions"] = fail
    with caplog.at_level(logging.WARNING, logger="absl"):
        live.show(0)
        live.show(10)
    assert sheets.drawn == ["pairs"]
    text = "The picture of predictions after step 10 was not drawn"
    assert f"{text} (MemoryError: no room)" in caplog.text


def test_a_full_disk_of_tensorboard_does_not_end_the_training(tmp_path):
    log = RunLog(tmp_path)

    def fail(tag, path, step):
        raise tf.errors.ResourceExhaustedError(None, None, "disk full")

    log.picture = fail
    sheets = Sheets(tmp_path)
    sheets.live(1, log=log).show(0)
    assert sheets.drawn == ["pairs", "predictions"]


@pytest.fixture(scope="module")
def trained(command, demo_run, tmp_path_factory):
    """Run folders of three epochs by --picture_every; "2" was broken off."""
    folders = {}
    for every, parts in (("0", ["3"]), ("1", ["3"]), ("2", ["1", "3"])):
        folders[every] = tmp_path_factory.mktemp("trained") / every
        for epochs in parts:
            arguments = [
                DEMO,
                f"--run_dir={folders[every]}",
                f"--records_dir={demo_run}/records",
                "--stages=records,train",
                f"--picture_every={every}",
                f"--epochs={epochs}",
            ]
            assert command(*arguments) == 0
    return folders


def events(run_dir):
    """What TensorBoard reads of a run."""
    reader = event_accumulator.EventAccumulator(
        str(run_dir / "tensorboard"), size_guidance={"tensors": 0}
    )
    return reader.Reload()


def steps(reader, tag):
    return [event.step for event in reader.Tensors(tag)]


def pixels(event):
    """[H, W, 3] of an image event: width, height and the PNG file."""
    width, height, encoded = tf.make_ndarray(event.tensor_proto)
    picture = tf.io.decode_png(encoded, channels=3).numpy()
    assert picture.shape[:2] == (int(height), int(width))
    return picture.astype(int)


def test_tensorboard_reads_scalars_and_pictures_at_their_steps(trained):
    reader = events(trained["1"])
    ends = [STEPS_PER_EPOCH * epoch for epoch in (1, 2, 3)]
    scalars = {
        f"epoch/{name}"
        for name in (
            *("epoch", "loss", "over_floor", "learning_rate", "val_loss"),
            *("val_floor", "val_permuted", "pairs_per_second", "input_wait"),
            *("weights_head", "weights_neck"),
            *("gradients_head", "gradients_neck"),
        )
    }
    assert scalars | set(PICTURES) <= set(reader.Tags()["tensors"])
    for tag in scalars:
        assert steps(reader, tag) == ends, tag
    assert steps(reader, "train/pairs") == [0]
    assert steps(reader, "train/predictions") == [0, *ends]
    for tag in PICTURES:
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        assert plugin == "images"
    values = [
        tf.make_ndarray(event.tensor_proto).item()
        for event in reader.Tensors("epoch/loss")
    ]
    lines = (trained["1"] / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line).get("loss") for line in lines]
    wanted = [loss for loss in losses if loss is not None]
    np.testing.assert_allclose(values, wanted, rtol=1e-6)


def test_the_same_pairs_are_drawn_while_their_predictions_change(trained):
    reader = events(trained["1"])
    first, *_, last = map(pixels, reader.Tensors("train/predictions"))
    # Source, offset and target are the three columns on the left of eight.
    left = 3 * first.shape[1] // 8
    np.testing.assert_array_equal(first[:, :left], last[:, :left])
    assert np.abs(first[:, left:] - last[:, left:]).max() > 100
    with PIL.Image.open(trained["1"] / "pictures" / "predictions.png") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), last)


def test_a_continued_training_shows_no_step_twice(trained):
    reader = events(trained["2"])
    assert steps(reader, "train/pairs") == [0]
    # 9 was the end of the first command.
    assert steps(reader, "train/predictions") == [0, 9, 18, 27]
    assert steps(reader, "epoch/loss") == [9, 18, 27]


def test_no_pictures_are_drawn_where_none_are_wanted(trained):
    assert not set(PICTURES) & set(events(trained["0"]).Tags()["tensors"])
    assert not (trained["0"] / "pictures").exists()


@pytest.mark.parametrize("every", ["1", "2"])
def test_pictures_change_no_bit_of_the_training(trained, every):
    readers = [
        tf.train.load_checkpoint(str(trained[name] / "checkpoints"))
        for name in ("0", every)
    ]
    names = readers[0].get_variable_to_shape_map()
    assert len(names) > 10
    for name in names:
        if name.endswith("VARIABLE_VALUE") and "save_counter" not in name:
            one, other = (reader.get_tensor(name) for reader in readers)
            np.testing.assert_array_equal(one, other, err_msg=name)
