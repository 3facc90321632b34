"""The stages on real photographs, and what links them."""

import json
import types

import numpy as np
import pytest
from parsed_flags import parsed_config
from tiny import tiny_backbone

from scn_tf import stages
from scn_tf.optimizer import MomentumSGD

DEMO = "--flagfile=scn_tf/flagfiles/demo.flags"


def test_a_slice_of_the_real_run_gives_a_whole_verdict(voc_run):
    verdict = json.loads((voc_run / "verdict.json").read_text())
    for kind in ("images", "objects"):
        part = verdict[kind]
        assert len(part["classes"]) == 20
        # ImageNet features recognize VOC: far above the classes' share.
        assert part["before"]["mean"] > 40
        assert part["after"]["mean"] > 40
        difference = part["after"]["mean"] - part["before"]["mean"]
        assert part["difference"]["mean"] == pytest.approx(difference)
    assert "train" in verdict["protocol"]["trained_on"]


def test_the_real_records_are_counted(voc_run):
    manifest = json.loads((voc_run / "records" / "manifest.json").read_text())
    images = sum(split["images"] for split in manifest["splits"].values())
    assert images == 200
    assert manifest["skipped"] == []
    proposals = sum(s["proposals"] for s in manifest["splits"].values())
    assert 7 * 200 < proposals <= 8 * 200


def test_training_from_the_input_runs_live(demo_run, command, tmp_path):
    arguments = [
        f"--run_dir={tmp_path}/run",
        f"--records_dir={demo_run}/records",
        "--train_from=input",
        "--epochs=1",
    ]
    assert command(DEMO, *arguments) == 0
    folder = tmp_path / "run"
    assert (folder / "module" / "saved_model.pb").is_file()
    stored = {path.name for path in (folder / "cache").glob("*/*.npy")}
    assert stored == {"targets-00000.npy"}


def test_cached_and_live_training_learn_the_same(demo_run, command, tmp_path):
    histories = []
    for cached in ("true", "false"):
        folder = tmp_path / cached
        arguments = [
            f"--run_dir={folder}",
            f"--records_dir={demo_run}/records",
            f"--feature_cache={cached}",
            "--cache_dtype=float32",
            "--precision=float32",
            "--stages=records,train",
            "--epochs=2",
        ]
        assert command(DEMO, *arguments) == 0
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        histories.append(
            [
                (line["loss"], line["val_loss"])
                for line in map(json.loads, lines)
                if line["event"] == "epoch"
            ]
        )
    assert len(histories[0]) == 2
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-4)


def test_photographs_without_labels_get_their_losses(
    command, tmp_path, scn_data, capsys
):
    photographs = scn_data / "data" / "VOCdevkit" / "VOC2007" / "JPEGImages"
    folder = tmp_path / "run"
    arguments = [
        f"--run_dir={folder}",
        f"--data_dir={photographs}",
        "--source=image_folder",
        "--limit_images=40",
        "--backbone=small_cnn",
        "--proposals=uniform",
        "--epochs=1",
        "--stages=records,train,evaluate",
    ]
    assert command(*arguments) == 0
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["images"] == {"not_run": "the photographs have no labels"}
    assert verdict["losses"]["floor"] > 0
    assert verdict["losses"]["pairs"] > 0
    assert "no labels" in capsys.readouterr().out


def test_weights_of_another_network_are_refused(
    demo_run, command, tmp_path, scn_data, capsys
):
    weights = scn_data / "weights" / "mobilenet_v2_imagenet.weights.h5"
    arguments = [
        f"--run_dir={tmp_path}/run",
        f"--records_dir={demo_run}/records",
        f"--weights={weights}",
        "--stages=records,train",
    ]
    assert command(DEMO, *arguments) == 1
    assert str(weights) in capsys.readouterr().err


@pytest.mark.parametrize("start", ["zero", "start"])
def test_the_neck_has_the_rate_and_the_decay_of_its_flags(start, monkeypatch):
    treated = []
    monkeypatch.setattr(
        MomentumSGD, "treat", lambda _, *args: treated.append(args)
    )
    config = parsed_config(
        "--neck_rate=0.25", "--neck_decay_factor=60", f"--neck_decay={start}"
    )
    backbone, frozen = tiny_backbone(), tiny_backbone(seed=1)
    run = types.SimpleNamespace(
        config=config, backbone=backbone, frozen_neck=frozen.neck
    )
    stages._treat_neck(run, MomentumSGD())
    ((variables, rate, starts, factor),) = treated
    assert list(variables) == list(backbone.neck.trainable_variables)
    assert (rate, factor) == (0.25, 60)
    expected = frozen.neck.trainable_variables if start == "start" else ()
    assert list(starts) == list(expected)
