"""Tables 2 and 3: rows of ours beside the paper's numbers."""

import pytest
from parsed_flags import parsed_config

from scn_tf.experiment_plan import EXPERIMENT_NAMES
from scn_tf.experiments import EXPERIMENTS
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.section_4_3 import features_report
from scn_tf.experiments.section_4_3 import TABLE_2
from scn_tf.experiments.section_4_3 import TABLE_3

JUDGED = {"judged_on": "train_part"}


def result(mean, over=None):
    values = {"mean": mean, "per_class": {"cat": mean}, "C": {"cat": 1.0}}
    if over is not None:
        interval = [over - 1, over + 1]
        values["over_original"] = {"difference": over, "interval": interval}
    return values


def trained(h1, joined, original=80.0):
    kind = {
        "original": result(original),
        "h1": result(h1, h1 - original),
        "joined": result(joined, joined - original),
        "moved": 0.1,
    }
    images = kind | {"moved": 0.2}
    losses = {"over_floor": 0.7, "permuted_over_floor": 0.9}
    return JUDGED | {"objects": kind, "images": images, "losses": losses}


def untrained(mean):
    kind = {"original": result(mean)}
    return JUDGED | {"objects": kind, "images": kind}


def rows_of(report):
    return {row[0]: row[1:] for row in report.tables[0].rows}


def test_rows_are_means_over_seeds_beside_the_paper():
    outcomes = [
        Outcome("original", 0, untrained(80.0)),
        Outcome("SCN-EdgeBox", 0, trained(81.0, 82.0)),
        Outcome("SCN-EdgeBox", 1, trained(83.0, 84.0)),
    ]
    rows = rows_of(TABLE_2.report(outcomes))
    assert rows["original"][:3] == ("1", "80.00", "80.00")
    assert rows["SCN-EdgeBox"][:3] == ("2", "82.00 ± 1.41", "83.00 ± 1.41")
    assert rows["SCN-EdgeBox"][5:9] == (
        "0.100 ± 0.000",
        "0.200 ± 0.000",
        "0.700 ± 0.000",
        "0.900 ± 0.000",
    )
    # Section 4.3 of the paper, Table 2.
    assert rows["SCN-EdgeBox"][9:] == ("79.9", "72.8", "83.6", "79.5")
    assert rows["SCN-YOLO"][:2] == ("", "not run")


def test_rows_stand_in_the_papers_order_then_ours():
    outcomes = [
        Outcome(name, 0, trained(81.0, 82.0))
        for name in ("SCN-Random", "mine", "SCN-BBox", "yours")
    ]
    rows = rows_of(TABLE_2.report(outcomes))
    assert list(rows) == [
        *("original", "SCN-BBox", "SCN-YOLO", "SCN-EdgeBox", "SCN-Random"),
        *("mine", "yours"),
    ]
    not_run = [name for name, cells in rows.items() if "not run" in cells]
    assert not_run == ["original", "SCN-YOLO", "SCN-EdgeBox"]


@pytest.mark.parametrize("table", [TABLE_2, TABLE_3])
def test_the_notes_say_what_is_left_out_and_not_to_be_compared(table):
    setting = {
        **{"backbone": "vgg19", "weights": "none", "source": "voc"},
        **{"judged_on": "val", "fitted": 10, "judged": 20},
    }
    outcome = Outcome("SCN", 0, trained(81.0, 82.0) | {"setting": setting})
    notes = " ".join(table.report([outcome]).tables[0].notes)
    assert "Object crops leave out those marked difficult." in notes
    assert "with --neck_blend, where the head is that of the whole way" in notes
    assert "vgg19, random weights" in notes
    # What earlier versions measured has no setting, and is printed.
    earlier = table.report([Outcome("SCN", 0, trained(81.0, 82.0))])
    assert "Network" not in " ".join(earlier.tables[0].notes)


def test_gains_stand_beside_their_intervals():
    outcomes = [
        Outcome("original", 0, untrained(80.0)),
        Outcome("SCN", 0, trained(81.0, 82.0)),
        Outcome("SCN", 1, trained(79.5, 82.0)),
    ]
    gains = features_report(outcomes).tables[1]
    (row,) = gains.rows
    assert row[:4] == (
        "SCN",
        "2",
        "+0.25 (-1.50 to +2.00)",
        "+2.00 (+1.00 to +3.00)",
    )
    # Nothing was trained: there is no gain to tell of.
    assert len(features_report(outcomes[:1]).tables) == 1


def with_draws(gain, draws):
    """A trained row whose draws are known."""
    values = trained(80.0 + gain, 80.0 + gain)
    for kind in ("objects", "images"):
        for name in ("h1", "joined"):
            over = values[kind][name]["over_original"]
            values[kind][name]["over_original"] = over | {
                "draw_differences": draws,
                "groups": 9,
            }
    return values


def test_rows_are_held_against_controls_draw_by_draw():
    outcomes = [
        Outcome("original", 0, untrained(80.0)),
        Outcome("SCN", 0, with_draws(2.0, [1.0, 5.0, None])),
        Outcome("SCN", 1, with_draws(3.0, [2.0, 6.0, 1.0])),
        Outcome("SCN", 2, with_draws(9.0, [9.0, 9.0, 9.0])),
        Outcome("blind", 0, with_draws(1.0, [0.0, 4.0, 3.0]), True),
        Outcome("blind", 1, with_draws(1.0, [0.0, 4.0, -1.0]), True),
    ]
    report = features_report(outcomes)
    (over,) = report.tables[2:]
    assert over.name == "features_over_control_1"
    assert over.title == "Gain over blind"
    # Seed 2 has no control; draws without an AP are out.
    cell = "+1.50 (+1.00 to +2.00)"
    assert over.rows == (("SCN", "2", *(cell,) * 4),)
    assert len(features_report(outcomes[:4]).tables) == 2


def test_gains_without_draws_cannot_be_held_against_each_other():
    outcomes = [
        Outcome("SCN", 0, trained(81.0, 82.0)),
        Outcome("blind", 0, trained(80.5, 80.0), True),
    ]
    (over,) = features_report(outcomes).tables[2:]
    assert over.rows == (("SCN", "1", *("-",) * 4),)


def test_a_sweep_needs_no_paper():
    report = features_report([Outcome("trained", 0, trained(1.0, 2.0))])
    assert rows_of(report)["trained"][1:3] == ("1.00", "2.00")
    assert "paper" not in report.tables[0].text()
    assert "mAP in % on train_part" in report.tables[0].text()


@pytest.mark.parametrize(
    "backbone, cuts",
    [
        ("vgg19", ["fc6", "block5_conv1", "input"]),
        ("cnn_m", ["fc6", "conv5", "input"]),
        (
            "mobilenet_v2",
            ["Conv_1", "block_16_expand", "block_14_expand", "input"],
        ),
        ("small_cnn", ["fc6", "input"]),
    ],
)
def test_table_3_sweeps_the_networks_own_cuts(backbone, cuts):
    variants = TABLE_3.variants(parsed_config(f"--backbone={backbone}"))
    assert [v.name for v in variants] == ["original", *cuts]
    assert not variants[0].trained
    assert variants[1].flags == (f"--train_from={cuts[0]}",)


def test_every_experiment_has_a_flag_value():
    assert set(EXPERIMENT_NAMES) == set(EXPERIMENTS)
