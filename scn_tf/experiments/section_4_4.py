"""Section 4.4: VOC2007 classification (Table 4), in three forms of AP.

In: runs on VOC2007. Out: whole images ranked by a linear SVM, in the devkit's
11-point form, as area under the curve and as scikit-learn computes it; how
good features are when labels are few. Detection is not part of it.
"""

import functools

from scn_tf.config import Config
from scn_tf.evaluation.low_shot import low_shot_curves
from scn_tf.evaluation.low_shot import NUM_EXAMPLES
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.experiments.cells import spread_text
from scn_tf.experiments.experiment import by_variant
from scn_tf.experiments.experiment import Experiment
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.experiment import Report
from scn_tf.experiments.experiment import Variant
from scn_tf.experiments.feature_quality import KINDS
from scn_tf.experiments.feature_quality import measure_parts
from scn_tf.experiments.feature_quality import parts_of
from scn_tf.experiments.feature_quality import require_labels
from scn_tf.experiments.section_4_3 import features_report
from scn_tf.experiments.section_4_3 import ORIGINAL
from scn_tf.experiments.setting import setting_notes
from scn_tf.experiments.table import Table
from scn_tf.judge_flags import JUDGES
from scn_tf.run import Run
from scn_tf.visualize_low_shot import draw_low_shot

_FORMS = ("eleven_point", "area", "scikit_learn")
_LOW_SHOT_C = 1.0  # from a single positive it cannot be chosen
# Table 4 of the paper, classification on VOC2007 test.
_PAPER = {
    "Gaussian (Krahenbuhl et al.)": "53.3",
    "Wang and Gupta": "58.4",
    "Doersch et al.": "55.3",
    "Pathak et al.": "56.5",
    "Zhang et al.": "65.6",
    "ImageNet (Krizhevsky et al.)": "78.2",
    "ImageNet, the authors' run": "76.9",
    "Doersch et al. from ImageNet": "65.4",
    "SCN-EdgeBox from ImageNet, CNN-M": "79.0",
}


def _variants(config: Config) -> tuple[Variant, ...]:
    return ORIGINAL, Variant("SCN-EdgeBox", ("--proposals=edge_boxes",))


def measure_voc2007(run: Run) -> dict:
    """Returns what `measure_features` does, and "low_shot" on whole images.

    "network" is the digest of the network's weights as it came.
    """
    parts = {kind: parts_of(run, kind) for kind in KINDS}
    values = measure_parts(run, parts)
    fitted, judged = parts["images"]
    trained = "h1" in judged.vectors
    names = ("h1", "joined") if trained else ("original",)
    values["low_shot"] = low_shot_curves(
        {name: (fitted.vectors[name], judged.vectors[name]) for name in names},
        fitted.targets,
        judged.targets,
        run.manifest.classes,
        LinearSvmProtocol((_LOW_SHOT_C,), normalize=run.config.svm_normalize),
        progress="low-shot SVMs",
    )
    values["network"] = run.network_digest
    return values


def voc2007_report(outcomes: list[Outcome]) -> Report:
    """Makes Table 4's classification column, and the low-shot curves."""
    grouped = by_variant(outcomes)
    features = features_report(outcomes, "table4_features")
    judged_on = outcomes[0].values["judged_on"]
    rows = []
    for variant, values in grouped.items():
        for name in ("original", "h1", "joined"):
            known = [value["images"].get(name) for value in values]
            if None in known or (name == "original" and variant != "original"):
                continue
            cells = [
                spread_text([result["by_form"][f]["mean"] for result in known])
                for f in _FORMS
            ]
            label = variant if name == "original" else f"{variant}: {name}"
            rows.append((label, *cells, ""))
    rows += [(row, "", "", "", told) for row, told in _PAPER.items()]
    table = Table(
        "table4",
        "Table 4: classification of VOC2007 photographs, mAP in %",
        ("", "11 points", "area", "scikit-learn", "paper, test"),
        tuple(rows),
        (
            f"Ours: linear SVM on features of whole images, judged on "
            f"{judged_on}; objects marked difficult are left out as in the "
            "devkit. The paper's numbers are of VOC2007 test, of networks that "
            "were fine-tuned there, and so are not to be compared digit by "
            "digit. Its detection column was not run.",
            *setting_notes(outcomes),
        ),
    )
    curves = _merged_curves(grouped)
    draw = {
        **features.draw,
        "low_shot": functools.partial(
            draw_low_shot, curves, "Whole images, few labels"
        ),
    }
    few = (_low_shot_table(curves), *_low_shot_gains(grouped))
    return Report((table, *few, *features.tables), draw)


def _merged_curves(grouped: dict[str, list[dict]]) -> dict:
    """The curves of the first seed of every variant, as one result."""
    merged = None
    for variant, values in grouped.items():
        result = values[0]["low_shot"]
        named = {
            variant if name == "original" else f"{variant}: {name}": curve
            for name, curve in result["curves"].items()
        }
        merged = merged or {**result, "curves": {}}
        merged["curves"].update(named)
    return merged


def _low_shot_table(curves: dict) -> Table:
    return Table(
        "low_shot",
        "Few labels: mAP on whole images by examples per class",
        ("", *map(str, NUM_EXAMPLES)),
        tuple(
            (
                name,
                *(
                    "-" if mean is None else f"{mean:.1f} ± {std:.1f}"
                    for mean, std in zip(
                        curve["mean"], curve["std"], strict=True
                    )
                ),
            )
            for name, curve in curves["curves"].items()
        ),
        (
            "Mean and deviation of 5 draws, the same for all rows; first seed "
            f"of the training; C = {curves['C']:g}; draws as in Goyal et al. "
            "2019 (arXiv 1905.01235), but nested.",
            *_fewer_text(curves),
        ),
    )


def _fewer_text(curves: dict) -> tuple[str, ...]:
    """The classes that have fewer rows than the largest number asks for."""
    fewer = [
        f"{number} {name} {kind}"
        for kind in ("positives", "negatives")
        for name, number in curves[f"fewer_{kind}"].items()
    ]
    if not fewer:
        return ()
    most = max(NUM_EXAMPLES)
    return (
        f"For want of more, {most} examples per class (and of negatives as "
        "many for every other class) are no more than all there are: "
        f"{', '.join(fewer)}.",
    )


def _low_shot_gains(grouped: dict[str, list[dict]]) -> tuple[Table, ...]:
    """Gains on the same draws: their spread is not that of the draws.

    Empty where the original network or a trained one was not measured.
    """
    before = grouped.get("original", [{}])[0]
    if "original" not in before.get("low_shot", {}).get("curves", ()):
        return ()
    draws = before["low_shot"]["curves"]["original"]["draws"]
    # Random weights differ from seed to seed, and so do the original features.
    same = {
        variant: [v for v in values if v["network"] == before["network"]]
        for variant, values in grouped.items()
    }
    rows = [
        (f"{variant}: {name}", *_gains(draws, values, name))
        for variant, values in same.items()
        if values
        for name in values[0]["low_shot"]["curves"]
        if name != "original"
    ]
    if not rows:
        return ()
    note = (
        "mAP over the original network's on the same draw; mean ± standard "
        "deviation over draws and seeds of the training."
    )
    columns = ("", *map(str, NUM_EXAMPLES))
    title = "Few labels: gain over the original network"
    return (Table("low_shot_gains", title, columns, tuple(rows), (note,)),)


def _gains(
    before: list[list[float | None]], values: list[dict], name: str
) -> list[str]:
    """A cell for each number of examples."""
    cells = []
    for place, starts in enumerate(before):
        ends = [v["low_shot"]["curves"][name]["draws"][place] for v in values]
        differences = [
            end - start
            for draws in ends
            for start, end in zip(starts, draws, strict=True)
            if None not in (start, end)
        ]
        cells.append(spread_text(differences))
    return cells


TABLE_4 = Experiment(
    "Table 4: VOC2007 classification (section 4.4), and few labels",
    _variants,
    measure_voc2007,
    voc2007_report,
    require=require_labels,
    judges=JUDGES,
    version=3,
)
