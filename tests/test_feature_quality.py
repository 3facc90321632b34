"""What features are worth: each of the three told apart."""

import dataclasses
import types

import numpy as np
import pytest

from scn_tf.experiments import feature_quality
from scn_tf.experiments.feature_quality import measure_features
from scn_tf.experiments.feature_quality import measure_parts
from scn_tf.experiments.feature_quality import parts_of
from scn_tf.experiments.feature_quality import require_labels
from scn_tf.experiments.feature_quality import require_unseen_val
from scn_tf.experiments.feature_quality import vectors_of
from scn_tf.run_data import learning_part
from scn_tf.unit_length import of_unit_length
from tfrecords.errors import InputError


@pytest.fixture(scope="module")
def run(restored_run):
    return restored_run


def test_joined_features_are_both_of_unit_length(run):
    vectors = vectors_of(run, ("val",), "objects")
    original, h1, joined = (
        vectors[name] for name in ("original", "h1", "joined")
    )
    assert not np.allclose(original, h1)
    parts = np.split(joined, 2, axis=1)
    for part, whole in zip(parts, (original, h1), strict=True):
        np.testing.assert_allclose(part, of_unit_length(whole))


def test_a_trained_run_is_measured_beside_the_original(run):
    values = measure_features(run)
    vectors = vectors_of(run, ("val",), "objects")
    moved = np.linalg.norm(vectors["h1"] - vectors["original"], axis=1)
    ratio = moved.mean() / np.linalg.norm(vectors["original"], axis=1).mean()
    assert values["objects"]["moved"] == pytest.approx(ratio)
    for kind in ("objects", "images"):
        assert set(values[kind]) == {"original", "h1", "joined", "moved"}
        over = values[kind]["h1"]["over_original"]
        means = [values[kind][name]["mean"] for name in ("original", "h1")]
        assert over["difference"] == pytest.approx(means[1] - means[0])
        assert over["interval"][0] <= over["interval"][1]
    losses = values["losses"]
    assert losses["over_floor"] < losses["permuted_over_floor"]
    assert (values["setting"]["fitted"], values["setting"]["judged"]) == (
        *(600, 200),
    )


def test_a_part_of_train_shares_no_photograph_with_the_rest(run):
    config = dataclasses.replace(run.config, judge_on="train_part")
    part_run = types.SimpleNamespace(
        config=config,
        restored_step=run.restored_step,
        manifest=run.manifest,
        graph=run.graph,
        vectors=run.vectors,
    )
    for kind in ("objects", "images"):
        fitted, judged = parts_of(part_run, kind)
        assert not set(fitted.image) & set(judged.image)
        assert len(set(fitted.image)) == 420
        assert len(set(judged.image)) == 180
        assert all(learning_part(600)[fitted.image])
        assert len(judged.vectors["joined"]) == len(judged.targets)


def test_lengths_count_only_where_they_are_kept(run, monkeypatch):
    """The same features with and without their lengths are judged apart."""
    fitted, judged = parts_of(run, "images")
    lengths = np.linspace(1, 50, len(fitted.targets))[:, None]
    stretched = dataclasses.replace(
        fitted,
        vectors={name: v * lengths for name, v in fitted.vectors.items()},
    )
    scores = {}
    for normalize in (True, False):
        config = dataclasses.replace(
            run.config, svm_normalize=normalize, svm_c=(1.0,)
        )
        monkeypatch.setattr(run, "config", config)
        monkeypatch.setattr(feature_quality, "_ORIGINALS", {})
        for name, part in (("plain", fitted), ("stretched", stretched)):
            values = measure_parts(run, {"images": (part, judged)})["images"]
            scores[normalize, name] = values["h1"]["mean"]
    assert scores[True, "plain"] == pytest.approx(scores[True, "stretched"])
    assert scores[False, "plain"] != pytest.approx(scores[False, "stretched"])


def test_zero_rows_stay_zero():
    rows = of_unit_length(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(rows, [[0.6, 0.8], [0.0, 0.0]])


def test_photographs_that_nothing_can_be_judged_by_are_refused(
    run, monkeypatch
):
    require_labels(run)
    tested = dataclasses.replace(run.config, judge_on="test")
    with monkeypatch.context() as patch:
        patch.setattr(run, "config", tested)
        with pytest.raises(InputError, match=r"\['test', 'train', 'val'\]"):
            require_labels(run)
    monkeypatch.delitem(run.manifest.splits, "val")
    with pytest.raises(InputError, match="labeled photographs"):
        require_labels(run)


def test_a_network_that_val_alone_judges_is_not_trained_on_it(run, monkeypatch):
    require_unseen_val(run)
    seen = dataclasses.replace(run.config, train_split="trainval")
    monkeypatch.setattr(run, "config", seen)
    with pytest.raises(InputError, match="--train_split=trainval trains on"):
        require_unseen_val(run)


@pytest.mark.parametrize(
    "other", [{"precision": "bfloat16"}, {"image_size": 160}]
)
def test_original_features_are_fitted_once_for_what_decides_them(
    run, monkeypatch, other
):
    monkeypatch.setattr(feature_quality, "_ORIGINALS", {})
    size = other.pop("image_size", run.backbone.image_size)
    changed = types.SimpleNamespace(
        config=dataclasses.replace(run.config, **other),
        network_digest=run.network_digest,
        manifest=run.manifest,
        graph=run.graph,
        data_digest=run.data_digest,
        backbone=dataclasses.replace(run.backbone, image_size=size),
    )
    fits = []

    def fit(name):
        fits.append(name)
        return np.zeros(1), {"mean": len(fits)}

    for asked, mean in ((run, 1), (run, 1), (changed, 2), (run, 1)):
        found = feature_quality._remembered(fit, asked, "objects")
        assert found("original")[1]["mean"] == mean


def test_a_folder_with_a_checkpoint_is_not_yet_a_trained_network(
    run, monkeypatch
):
    monkeypatch.setattr(run, "restored_step", 0)
    assert set(vectors_of(run, ("val",), "images")) == {"original"}
