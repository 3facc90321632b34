"""What stands below a table: the network, its weights, the photographs."""

import dataclasses

import pytest

from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.setting import judging_splits
from scn_tf.experiments.setting import setting_notes
from scn_tf.experiments.setting import setting_of

SETTING = {
    "backbone": "mobilenet_v2",
    "weights": "mobilenet_v2_imagenet.weights.h5",
    "source": "voc",
    "judged_on": "val",
    "fitted": 2501,
    "judged": 2510,
}


def notes(**settings):
    return setting_notes(
        [
            Outcome(name, seed, {"setting": setting} if setting else {})
            for name, setting in settings.items()
            for seed in (0, 1)
        ]
    )


def test_one_sentence_is_enough_where_all_rows_are_alike():
    assert notes(original=SETTING, SCN=dict(SETTING)) == (
        "Network: mobilenet_v2, mobilenet_v2_imagenet.weights.h5. "
        "Photographs: source voc; classifiers are fitted on 2,501 and judged "
        "by 2,510 of val.",
    )


def test_a_random_network_is_called_so():
    (note,) = notes(SCN=SETTING | {"weights": "none"})
    assert "Network: mobilenet_v2, random weights." in note
    (note,) = notes(SCN=SETTING | {"weights": "imagenet"})
    assert "Keras's ImageNet weights." in note


def test_rows_that_differ_are_told_apart():
    random = SETTING | {"weights": "none"}
    told = notes(original=SETTING, SCN=SETTING, random=random, old=None)
    assert [note.partition(":")[0] for note in told] == [
        *("original, SCN", "random", "old")
    ]
    assert told[-1] == "old: not noted."


def test_results_of_earlier_versions_have_no_note():
    assert notes(original=None, SCN=None) == ()


@pytest.mark.parametrize(
    ("judge_on", "fitted", "judged"),
    [("val", 600, 200), ("train_part", 420, 180)],
)
def test_photographs_are_counted(restored_run, judge_on, fitted, judged):
    run = restored_run
    config = run.config
    run.config = dataclasses.replace(
        config, judge_on=judge_on, weights="a/b.h5"
    )
    try:
        assert setting_of(run) == {
            "backbone": "small_cnn",
            "weights": "b.h5",
            "source": "synthetic",
            "judged_on": judge_on,
            "fitted": fitted,
            "judged": judged,
        }
    finally:
        run.config = config


def test_test_photographs_judge_what_is_fitted_on_all_others():
    assert judging_splits("test") == (("train", "val"), ("test",))
