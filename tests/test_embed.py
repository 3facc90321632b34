"""The embed command: what it writes, reports, continues and refuses."""

import csv

import numpy as np
import pytest
import tensorflow as tf
from small_pictures import write_module
from small_pictures import write_pictures

from scn_tf import embed
from scn_tf.embedding import embedder
from scn_tf.embedding.feature_files import read_features
from scn_tf.embedding.loaded_module import FeatureModule
from scn_tf.embedding.picture_source import open_pictures


@pytest.fixture
def folder(tmp_path):
    write_pictures(tmp_path / "in", 6)
    write_module(tmp_path / "module")
    return tmp_path


def run(folder, output="f.npy", module="module", *more):
    return embed.main(
        [
            "scn_tf.embed",
            f"--module={folder / module}",
            f"--images={folder / 'in'}",
            f"--output={folder / output}",
            *more,
        ]
    )


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir())


def test_features_are_written_with_their_names(folder, capsys):
    assert run(folder) == 0
    table = read_features(folder / "f.npy")
    assert table.names == open_pictures(str(folder / "in")).names
    assert table.columns == {"folder": list("aaabbb")}
    assert table.features.shape == (6, 12)
    assert table.about["image_size"] == 16
    # No part, no temporary file is left behind.
    assert left_behind(folder) == ["f.json", "f.npy", "in", "module"]
    output = capsys.readouterr().out
    assert "6 images, 12 features each" in output
    assert "images/s" in output


@pytest.mark.parametrize("suffix", ["npy", "csv", "parquet"])
def test_every_format_has_the_same_numbers(folder, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    assert run(folder) == run(folder, f"g.{suffix}") == 0
    expected = np.load(folder / "f.npy")
    if suffix == "npy":
        features = np.load(folder / "g.npy")
    elif suffix == "csv":
        with open(folder / "g.csv", newline="") as file:
            rows = list(csv.reader(file))[1:]
        features = np.array([row[2:] for row in rows], np.float32)
    else:
        import pyarrow.parquet as parquet

        column = parquet.read_table(folder / "g.parquet")["features"]
        features = np.array(column.to_pylist(), np.float32)
    np.testing.assert_array_equal(features, expected)


def test_records_of_a_run_by_its_own_export(demo_run, tmp_path, capsys):
    code = embed.main(
        [
            "scn_tf.embed",
            f"--module={demo_run / 'module'}",
            f"--images={demo_run / 'records'}",
            f"--output={tmp_path / 'f.npy'}",
        ]
    )
    assert code == 0
    table = read_features(tmp_path / "f.npy")
    assert len(table.names) == len(table.features) == 800
    assert set(table.columns["split"]) == {"train", "val"}
    assert all(table.columns["labels"])
    pictures = open_pictures(str(demo_run / "records"))
    alone = tf.saved_model.load(str(demo_run / "module"))
    image = pictures.load(7)[np.newaxis] / np.float32(255)
    expected = alone(image, training=False).numpy()[0]
    np.testing.assert_allclose(
        table.features[7], expected, rtol=2e-4, atol=2e-5
    )


def test_bad_pictures_are_reported_and_do_not_fail(folder, capsys):
    (folder / "in/a/0.png").write_bytes(b"junk")
    (folder / "in/b/1.png").write_bytes(b"")
    assert run(folder) == 0
    output = capsys.readouterr().out
    assert "2 left out:" in output
    assert "0.png: it is no picture" in output
    assert "1.png: it is empty" in output
    table = read_features(folder / "f.npy")
    assert len(table.names) == 4
    assert [name for name, _ in table.about["left_out"]] == [
        "a/0.png",
        "b/1.png",
    ]


def test_a_bad_picture_stops_if_that_is_wanted(folder, capsys):
    (folder / "in/a/0.png").write_bytes(b"junk")
    assert run(folder, "f.npy", "module", "--on_bad_image=stop") == 1
    assert "0.png" in capsys.readouterr().err
    assert not (folder / "f.npy").exists()


def test_status_1_if_none_can_be_embedded(folder, capsys):
    for path in (folder / "in").rglob("*.png"):
        path.write_bytes(b"junk")
    assert run(folder) == 1
    output = capsys.readouterr().out
    assert "6 left out" in output and "None of the pictures" in output
    assert left_behind(folder) == ["in", "module"]


def interrupted(monkeypatch, folder, *arguments):
    """Runs until the fourth batch of one picture; parts hold two."""
    monkeypatch.setattr(embedder, "PICTURES_PER_PART", 2)
    original, calls = FeatureModule.__call__, []

    def call(self, images):
        calls.append(len(images))
        if len(calls) == 1 + 4:  # the first is the probe
            raise KeyboardInterrupt
        return original(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(FeatureModule, "__call__", call)
        assert run(folder, *arguments, "--batch_size=1") == 130


def test_the_same_command_continues(monkeypatch, folder, capsys):
    interrupted(monkeypatch, folder, "f.npy", "module")
    assert ".f.npy.parts" in left_behind(folder)
    assert not (folder / "f.npy").exists()
    assert run(folder) == 0
    output = capsys.readouterr().out
    assert "4 computed in" in output and "2 were there from before" in output
    assert left_behind(folder) == ["f.json", "f.npy", "in", "module"]
    assert run(folder, "g.npy") == 0
    np.testing.assert_allclose(
        np.load(folder / "f.npy"), np.load(folder / "g.npy"), rtol=1e-6
    )


@pytest.mark.parametrize("change", ["module", "pictures", "size"])
def test_parts_of_something_else_are_not_used(
    monkeypatch, folder, capsys, change
):
    write_module(folder / "any", size=None)
    interrupted(monkeypatch, folder, "f.npy", "any")
    module, more = "any", []
    if change == "module":
        module = "module"
    elif change == "pictures":
        write_pictures(folder / "in", 1, first=6)
    else:
        more = ["--image_size=20"]
    assert run(folder, "f.npy", module, *more) == 0
    number = 7 if change == "pictures" else 6
    assert f"{number} computed in" in capsys.readouterr().out


def test_a_projector_has_at_most_the_pictures_wanted(folder, capsys):
    projector = folder / "projector"
    code = run(
        folder,
        "f.csv",
        "module",
        f"--projector_dir={projector}",
        "--projector_images=4",
    )
    assert code == 0
    assert "4 of 6 images, drawn with seed 0" in capsys.readouterr().out
    assert left_behind(projector) == [
        "metadata.tsv",
        "projector_config.pbtxt",
        "sprite.png",
        "tensors.tsv",
    ]
    header, *lines = (projector / "metadata.tsv").read_text().splitlines()
    assert header == "image_id\tfolder"
    tensors = np.loadtxt(projector / "tensors.tsv", delimiter="\t")
    with open(folder / "f.csv", newline="") as file:
        rows = {row[0]: row[2:] for row in list(csv.reader(file))[1:]}
    for line, tensor in zip(lines, tensors, strict=True):
        expected = np.array(rows[line.split("\t")[0]], np.float32)
        np.testing.assert_allclose(tensor, expected, rtol=1e-5)


def test_a_projector_among_the_pictures_is_refused(folder, capsys):
    projector = f"--projector_dir={folder / 'in' / 'cloud'}"
    assert run(folder, "f.npy", "module", projector) == 1
    assert "lies in --images" in capsys.readouterr().err
    assert not (folder / "in" / "cloud").exists()


def test_a_json_of_the_user_is_kept(folder, capsys, monkeypatch):
    monkeypatch.setattr(embed, "FeatureModule", None)  # Nothing is computed.
    (folder / "f.json").write_text('{"my": "settings"}')
    assert run(folder) == 1
    assert "f.json that scn_tf.embed did not write" in capsys.readouterr().err
    assert (folder / "f.json").read_text() == '{"my": "settings"}'
    assert left_behind(folder) == ["f.json", "in", "module"]


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(module="none"), "no such folder"),
        (dict(module="in"), "saved_model.pb"),
        (dict(output="f.txt"), ".npy, .csv, .parquet"),
    ],
)
def test_what_cannot_be_used_is_said_at_the_start(
    folder, capsys, change, words
):
    assert run(folder, **change) == 1
    assert words in capsys.readouterr().err
    assert left_behind(folder) == ["in", "module"]
