"""Laws of what a card is told about a run."""

import dataclasses
import json
import shutil

import pytest

from export.card.card_facts import facts_of_run
from export.card.card_facts import without_paths
from export.finished_run import open_run
from scn_tf.export_flags import ExportOptions
from scn_tf.stages import restore


@pytest.fixture
def run(short_run, tmp_path):
    """The run in a folder of its own, whose files may be damaged."""
    for name in ("records", "checkpoints"):
        (tmp_path / name).symlink_to(short_run / name)
    for name in ("flags.txt", "environment.json", "metrics.jsonl"):
        shutil.copy(short_run / name, tmp_path)
    return open_run(tmp_path)


def facts_of(run, options=None):
    module_dir = run.config.run_dir / "mine"
    return facts_of_run(run, module_dir, options or ExportOptions())


def test_the_facts_are_those_of_the_run(run):
    facts = facts_of(run)
    assert facts.module_name == "mine"
    assert (facts.backbone, facts.weights) == ("small_cnn", "none")
    assert facts.cut == run.backbone.cut
    assert facts.num_features == run.backbone.num_features == 16
    assert facts.endpoints["fc6"] == (32,)
    assert len(facts.endpoints["feature_map"]) == 3
    assert facts.checkpoint_step == restore(run) > 0
    assert facts.epochs_finished == 1
    assert facts.manifest == run.manifest
    assert facts.train_splits == ("train",)
    assert facts.verdict is None
    assert facts.flags["offset_gain"] == 10
    assert facts.environment["packages"]["keras"]
    assert "--seed=0" in facts.flags_text


def test_whether_anything_was_learned_is_seen_in_the_weights(run):
    assert facts_of(run).has_learned
    run.backbone.neck.set_weights(run.frozen_neck.get_weights())
    assert not facts_of(run).has_learned


@pytest.mark.parametrize(
    "decay, factor, wanted",
    [("zero", 1.0, 5e-4), ("zero", 4.0, 2e-3), ("start", 2000.0, 0.0)],
)
def test_the_decay_is_what_pulled_the_neck_to_zero(run, decay, factor, wanted):
    config = run.config
    training = dataclasses.replace(
        config.training,
        weight_decay=5e-4,
        neck_decay=decay,
        neck_decay_factor=factor,
    )
    run.config = dataclasses.replace(config, training=training)
    assert facts_of(run).weight_decay == pytest.approx(wanted)


def test_joined_features_are_twice_as_many(run):
    assert facts_of(run, ExportOptions("joined")).num_features == 32


def test_no_fact_names_a_folder_of_this_machine(run, tmp_path, short_run):
    told = str(dataclasses.asdict(facts_of(run)))
    for folder in (tmp_path, short_run, tmp_path.parent):
        assert str(folder) not in told
    assert "--run_dir=RUN_DIR" in told


def test_the_verdict_of_the_run_is_told(run):
    path = run.config.run_dir / "verdict.json"
    path.write_text(json.dumps({"checkpoint_step": 3}))
    assert facts_of(run).verdict == {"checkpoint_step": 3}


def test_what_is_gone_or_damaged_is_not_known(run):
    folder = run.config.run_dir
    for name in ("records", "flags.txt"):
        (folder / name).unlink()
    (folder / "environment.json").write_text("[1]")
    (folder / "verdict.json").write_bytes(b'{"images": \xff')
    (folder / "metrics.jsonl").write_text('{"event": "epoch"}\n{}\n')
    facts = facts_of(run)
    assert facts.flags_text is None
    assert facts.environment is None
    assert facts.verdict is None
    assert facts.manifest is None
    assert facts.train_splits == ()
    assert facts.epochs_finished is None


def test_flags_lose_folders_and_keep_the_names_of_files():
    text = """# of /home/me
--run_dir=runs/a
--data_dir=/home/me/photographs
--records_dir=
--weights=/home/me/weights/net.h5
--proposals_file=C:\\me\\boxes.csv
--yolo_weights=pascalvoc
--beam_options=--runner=FlinkRunner,--flink_master=me:8081
-cache_dir=/home/me/cache
--train_from=fc6
--nojit_compile
--profile=/home/me/x
stray /home/me
--data_dir /home/me
"""
    assert without_paths(text).splitlines() == [
        "--run_dir=RUN_DIR",
        "--data_dir=DATA_DIR",
        "--records_dir=",
        "--weights=net.h5",
        "--proposals_file=boxes.csv",
        "--yolo_weights=pascalvoc",
        "--beam_options=BEAM_OPTIONS",
        "--cache_dir=CACHE_DIR",
        "--train_from=fc6",
        "--nojit_compile",
        "--profile=x",
    ]
