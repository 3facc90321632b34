"""Section 4.3: do features gain? Tables 2 and 3, Figure 6, and any sweep.

In: outcomes of `measure_features`. Out: a row per variant with mAP on object
crops and whole images, mean and standard deviation over seeds, beside the
paper's numbers; the AP of every class as bars.
"""

import functools
from collections.abc import Mapping

from scn_tf.backbones import BACKBONES
from scn_tf.config import Config
from scn_tf.evaluation.bootstrap import difference_of_gains
from scn_tf.experiments.cells import GAIN_NOTE
from scn_tf.experiments.cells import gain_text
from scn_tf.experiments.cells import spread_text
from scn_tf.experiments.class_bars import draw_class_bars
from scn_tf.experiments.experiment import by_variant
from scn_tf.experiments.experiment import Experiment
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.experiment import Report
from scn_tf.experiments.experiment import Variant
from scn_tf.experiments.feature_quality import KINDS
from scn_tf.experiments.feature_quality import measure_features
from scn_tf.experiments.feature_quality import require_labels
from scn_tf.experiments.setting import setting_notes
from scn_tf.experiments.svm_notes import svm_notes
from scn_tf.experiments.table import Table
from scn_tf.judge_flags import JUDGES

ORIGINAL = Variant("original", trained=False)

_COLUMNS = (
    *("crops h1", "crops joined", "images h1", "images joined"),
    *("moved", "moved images", "loss / floor", "permuted"),
)
_NOTE = (
    "mAP in % on {judged_on}, linear SVM, mean ± standard deviation over "
    "seeds; joined: the original and the trained features side by side, each "
    "of unit length; in the row of the original network both are its own. "
    "moved: mean of |h1 - original| over that of |original|, on crops and on "
    "images. loss / floor: held-out loss of Eq. 2 over the best constant "
    "prediction (with --train_split=trainval these photographs were trained "
    "on); permuted: with permuted offsets. Losses of different pairs "
    "(--proposals, --whole_image, --max_pair_iou), of other --targets, and "
    "with --neck_blend, where the head is that of the whole way, are not to be "
    "compared with those of other rows. Object crops leave out those marked "
    "difficult."
)
_PAPER_NOTE = (
    "Columns marked 'paper' are the numbers of arXiv 1704.02998: VOC2012, its "
    "own networks."
)
# Table 2 of the paper: CNN-M crops, images, VGG19 crops, images.
_TABLE_2 = {
    "original": ("75.3", "68.5", "81.4", "78.1"),
    "SCN-BBox": ("78.7", "70.8", "82.6", "78.8"),
    "SCN-YOLO": ("79.2", "70.7", "83.0", "79.0"),
    "SCN-EdgeBox": ("79.9", "72.8", "83.6", "79.5"),
    "SCN-Random": ("78.8", "70.0", "83.2", "79.2"),
}
_TABLE_2_COLUMNS = (
    *("paper: CNN-M crops", "CNN-M images", "VGG19 crops", "VGG19 images"),
)
# Table 3 of the paper: VGG19 crops, by what is trained.
_TABLE_3 = {
    "original": ("81.4",),
    "fc6": ("83.6",),
    "block5_conv1": ("84.3",),
    "input": ("82.5",),
}
# What --train_from is swept over; of other networks their known stages.
_CUTS = {
    "vgg19": ("fc6", "block5_conv1", "input"),
    "cnn_m": ("fc6", "conv5", "input"),
    "mobilenet_v2": ("Conv_1", "block_16_expand", "block_14_expand", "input"),
}


def _no_variants(config: Config) -> tuple[Variant, ...]:
    """The original network and the one that the flags name."""
    return ORIGINAL, Variant("trained")


def _proposals(config: Config) -> tuple[Variant, ...]:
    return (
        ORIGINAL,
        Variant(
            "SCN-BBox", ("--proposals=ground_truth", "--boxes_per_image=0")
        ),
        Variant("SCN-YOLO", ("--proposals=yolo",)),
        Variant("SCN-EdgeBox", ("--proposals=edge_boxes",)),
        Variant("SCN-Random", ("--proposals=uniform",)),
    )


def _cuts(config: Config) -> tuple[Variant, ...]:
    network = BACKBONES[config.backbone]
    others = (*network.stages, "input")
    cuts = _CUTS.get(config.backbone, others)
    return ORIGINAL, *(Variant(cut, (f"--train_from={cut}",)) for cut in cuts)


def features_report(
    outcomes: list[Outcome],
    name: str = "features",
    title: str = "Features before and after",
    paper: Mapping[str, tuple[str, ...]] | None = None,
    paper_columns: tuple[str, ...] = (),
) -> Report:
    """Makes the table and the bars of the classes.

    Args:
        outcomes: of `measure_features`.
        name: of the files.
        title: above the table.
        paper: the paper's cells by row; these rows come first, in its
            order, and one that was not run is printed with them.
        paper_columns: names of these cells.
    """
    paper = paper or {}
    grouped = by_variant(outcomes)
    judged_on = outcomes[0].values["judged_on"]
    rows = []
    for row in [*paper, *(row for row in grouped if row not in paper)]:
        values = grouped.get(row)
        cells = _cells(values) if values else ("not run",) + ("",) * 7
        seeds = str(len(values)) if values else ""
        told = paper.get(row, ("",) * len(paper_columns))
        rows.append((row, seeds, *cells, *told))
    notes = [_NOTE.format(judged_on=judged_on)]
    notes += [_PAPER_NOTE] if paper else []
    table = Table(
        name,
        title,
        ("", "seeds", *_COLUMNS, *paper_columns),
        tuple(rows),
        (*notes, *setting_notes(outcomes), *svm_notes(outcomes)),
    )
    draw = {
        f"{name}_classes_{kind}": functools.partial(
            draw_class_bars, grouped, kind
        )
        for kind in KINDS
    }
    tables = (table, *_differences(grouped, name))
    return Report((*tables, *_over_controls(outcomes, name)), draw)


def _differences(
    grouped: Mapping[str, list[dict]], name: str
) -> tuple[Table, ...]:
    """Gains over the original network, with intervals, if any was trained."""
    rows = []
    for row, values in grouped.items():
        cells = [
            [value[kind][features]["over_original"] for value in values]
            for kind in KINDS
            for features in ("h1", "joined")
            if features in values[0][kind]
        ]
        if cells:
            rows.append((row, str(len(values)), *map(gain_text, cells)))
    if not rows:
        return ()
    note = f"Points of mAP over the original network, {GAIN_NOTE}"
    columns = ("", "seeds", *_COLUMNS[:4])
    title = "Gain over the original network"
    return (Table(f"{name}_gains", title, columns, tuple(rows), (note,)),)


def _over_controls(outcomes: list[Outcome], name: str) -> tuple[Table, ...]:
    """What the trained rows gain over each control, seed by seed."""
    controls = dict.fromkeys(o.variant for o in outcomes if o.is_control)
    tables = []
    for number, control in enumerate(controls, 1):
        of_control = {
            o.seed: o.values for o in outcomes if o.variant == control
        }
        rows = []
        for row in dict.fromkeys(o.variant for o in outcomes):
            pairs = [
                (o.values, of_control[o.seed])
                for o in outcomes
                if o.variant == row and o.seed in of_control
            ]
            if row != control and pairs and "h1" in pairs[0][0]["objects"]:
                rows.append((row, str(len(pairs)), *_pair_cells(pairs)))
        if rows:
            note = (
                f"Points of mAP over {control}, {GAIN_NOTE} Draws of both rows "
                "have the same photographs; a seed that one of them lacks is "
                "left out."
            )
            tables.append(
                Table(
                    f"{name}_over_control_{number}",
                    f"Gain over {control}",
                    ("", "seeds", *_COLUMNS[:4]),
                    tuple(rows),
                    (note,),
                )
            )
    return tuple(tables)


def _pair_cells(pairs: list[tuple[dict, dict]]) -> list[str]:
    cells = []
    for kind in KINDS:
        for features in ("h1", "joined"):
            gains = [
                [values[kind][features]["over_original"] for values in pair]
                for pair in pairs
            ]
            contrasts = [difference_of_gains(*pair) for pair in gains]
            cells.append(gain_text([c for c in contrasts if c is not None]))
    return cells


def _cells(values: list[dict]) -> tuple[str, ...]:
    def means(kind: str, features: str) -> list[float | None]:
        # A network as it came is its own h1.
        return [
            value[kind].get(features, value[kind]["original"])["mean"]
            for value in values
        ]

    def numbers(key: str, inner: str) -> list[float | None]:
        return [value.get(key, {}).get(inner) for value in values]

    return (
        *(
            spread_text(means(kind, features))
            for kind in KINDS
            for features in ("h1", "joined")
        ),
        spread_text(numbers("objects", "moved"), 3),
        spread_text(numbers("images", "moved"), 3),
        spread_text(numbers("losses", "over_floor"), 3),
        spread_text(numbers("losses", "permuted_over_floor"), 3),
    )


# They measure the same, so what one table measured another may print.
_of_features = functools.partial(
    Experiment,
    measure=measure_features,
    require=require_labels,
    judges=JUDGES,
    version=3,
)
FEATURES = _of_features(
    "Features of any variants, before and after (section 4.3)",
    _no_variants,
    report=features_report,
)
TABLE_2 = _of_features(
    "Table 2 and Figure 6: proposals (section 4.3)",
    _proposals,
    report=functools.partial(
        features_report,
        name="table2",
        title="Table 2: where the patches come from",
        paper=_TABLE_2,
        paper_columns=_TABLE_2_COLUMNS,
    ),
)
TABLE_3 = _of_features(
    "Table 3: which layers are trained (section 4.3)",
    _cuts,
    report=functools.partial(
        features_report,
        name="table3",
        title="Table 3: the first trained layer",
        paper=_TABLE_3,
        paper_columns=("paper: VGG19 crops",),
    ),
)
