"""Laws of a module's card: true, whole, and its code runs."""

import dataclasses
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from test_card_data import MANIFEST

from export import feature_vector
from export.card.card_facts import CardFacts
from export.card.model_card import model_card
from scn_tf.export_flags import ExportOptions

FACTS = CardFacts(
    module_name="module",
    backbone="vgg19",
    cut="fc6",
    image_size=224,
    num_features=4096,
    endpoints={"feature_map": (7, 7, 512), "fc6": (4096,)},
    weights="net.h5",
    options=ExportOptions(),
    flags={"epochs": 200, "offset_gain": 10.0, "weight_decay": 5e-4},
    flags_text="--epochs=200",
    checkpoint_step=1234,
    epochs_finished=3,
    environment={
        "python": "3.11.7",
        "packages": {"keras": "3.15.1", "pillow": None},
        "commit": "abc+changes",
        "weights_sha256": "beef",
    },
    manifest=MANIFEST,
    train_splits=("train",),
    weight_decay=5e-4,
)


def card(**changes: object) -> str:
    return model_card(dataclasses.replace(FACTS, **changes))


@pytest.fixture(scope="module", params=["tuned", "joined"])
def module_dir(request, short_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "mine"
    arguments = [f"--run_dir={short_run}", f"--output={folder}"]
    arguments.append(f"--features={request.param}")
    assert feature_vector.main(["feature_vector", *arguments]) == 0
    return folder


def test_every_piece_of_code_runs_as_it_stands(module_dir, monkeypatch):
    monkeypatch.chdir(module_dir.parent)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 70, 3), np.uint8)
    tf.io.write_file("photo.jpg", tf.io.encode_jpeg(pixels))
    text = (module_dir / "README.md").read_text(encoding="utf-8")
    codes = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(codes) == 3
    length = int(re.search(r"float32 \[batch, (\d+)\]", text)[1])
    results = []
    for code in codes:
        results.append({})
        exec(code, results[-1])
        assert tuple(results[-1]["vectors"].shape) == (4, length)
    alone, hub, keras_3 = results
    assert alone["served"].shape == (1, length)
    assert alone["feature_map"].shape.rank == 4
    assert np.isfinite(hub["loss"])
    assert tuple(keras_3["logits"].shape) == (4, 2)


def test_the_card_of_a_run_names_no_folder(module_dir, short_run):
    text = (module_dir / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# mine: an image feature vector\n")
    assert str(short_run.parent) not in text
    assert str(module_dir.parent) not in text
    assert "Not evaluated." in text
    assert "random, drawn from seed 0" in text
    # Random weights and drawn images have no license to be looked up.
    assert text.count("TO BE FILLED IN") == 1


def test_the_export_stage_writes_the_verdict_into_the_card(demo_run):
    text = (demo_run / "module" / "README.md").read_text(encoding="utf-8")
    verdict = json.loads((demo_run / "verdict.json").read_text())
    for kind, title in (
        ("images", "whole images"),
        ("objects", "object crops"),
    ):
        part = verdict[kind]
        before, after = part["before"]["mean"], part["after"]["mean"]
        form = "no interpolation (scikit-learn)"
        assert f"| {title} | {form} | {before:.2f} | {after:.2f} |" in text
    assert f"Steps of training: {verdict['checkpoint_step']:,}." in text
    assert "**Labels in the proposals:** the boxes were drawn" in text
    assert str(demo_run.parent) not in text


def test_the_card_says_what_the_module_was_made_from():
    text = card()
    assert "features of the network vgg19, from layer `fc6` on" in text
    assert "file `net.h5`, SHA-256 `beef`." in text
    assert "Steps of training: 1,234. Epochs finished: 3." in text
    assert "abc, and changes that no commit has." in text
    assert "Python 3.11.7, keras 3.15.1." in text
    assert "| `epochs` | 200 |" in text
    assert "| `momentum` | not known |" in text
    assert "```text\n--epochs=200\n```" in text
    assert "`fc6` [batch, 4096]" in text
    assert text.count("TO BE FILLED IN") == 3


def test_random_and_downloaded_weights_are_called_so():
    assert "random, drawn from seed not known." in card(weights="none")
    assert "Keras's own for ImageNet" in card(weights="imagenet")


def test_a_network_trained_from_the_input_was_not_held():
    text = card(cut="input")
    assert "vgg19, all of it trained" in text
    assert "No layer was held" in text


def test_a_module_unlike_what_was_judged_says_so():
    verdict = {"checkpoint_step": 1234, "protocol": {}}
    options = ExportOptions("joined", "bfloat16")
    text = card(options=options, verdict=verdict)
    assert "Judged were the features of the trained network alone" in text
    assert "this module computes in bfloat16" in text
    assert "The first 2048 are of the trained network" in text
    assert "gives the features of the trained network joined with" in text
    assert "Judged were" not in card(verdict=verdict)
    joined = verdict | {"features": "joined"}
    assert "Judged were" not in card(options=options, verdict=joined)
    other = "Judged were the features of the trained network joined with"
    assert other in card(verdict=joined)
    flags = {"neck_blend": 0.5}
    other = "Judged was the network with neck_blend=1.0; this module has 0.5"
    assert other in card(verdict=verdict, flags=flags)
    assert "Judged was" not in card(verdict=verdict | flags, flags=flags)


def test_what_is_not_known_says_so():
    text = card(
        flags={},
        flags_text=None,
        checkpoint_step=0,
        epochs_finished=None,
        environment=None,
        manifest=None,
        train_splits=(),
        weight_decay=None,
    )
    assert "Not evaluated." in text
    assert "Not known: the records have no manifest." in text
    assert "SHA-256 not known." in text
    assert "Commit of scn-tf: not known." in text
    assert "Versions: not known." in text
    assert "Steps of training: not known. Epochs finished: not known." in text
    assert "flags.txt: not known." in text
    assert "weight decay: not known" in text
    assert "not known." in card(environment={"packages": 3})


def test_a_network_that_learned_nothing_is_not_called_trained():
    assert "from layer `fc6` on trained by" in card()
    text = card(has_learned=False)
    assert "features of the network vgg19 as it came." in text
    assert "All layers are as they came." in text
    assert "trained by" not in text and "Trained from" not in text


def test_the_pull_of_the_weights_is_told_as_it_was():
    flags = {**FACTS.flags, "neck_decay": "start", "neck_decay_factor": 2000}
    text = card(flags=flags, weight_decay=0.0)
    assert "| `neck_decay` | start |" in text
    assert "| `neck_decay_factor` | 2000 |" in text
    assert "weight decay: 0.0" in text
