"""Section 4.2: does the network model context? Table 1 and its controls.

In: runs on labeled boxes as proposals. Out: how often the class of a patch is
told from what its partner predicts of it (h3), from its own features, and
from both; over all pairs, those of two classes and those of one.
"""

import numpy as np

from scn_tf import pictures
from scn_tf.config import Config
from scn_tf.evaluation.linear_classes import predict_classes
from scn_tf.experiments.cells import spread_text
from scn_tf.experiments.context_sheet import draw_context
from scn_tf.experiments.experiment import by_variant
from scn_tf.experiments.experiment import Experiment
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.experiment import picture_copied
from scn_tf.experiments.experiment import Report
from scn_tf.experiments.experiment import Variant
from scn_tf.experiments.feature_quality import require_labels
from scn_tf.experiments.feature_quality import require_unseen_val
from scn_tf.experiments.setting import setting_notes
from scn_tf.experiments.setting import setting_of
from scn_tf.experiments.table import Table
from scn_tf.run import Run
from scn_tf.unit_length import side_by_side
from tfrecords.boxes import paired_iou
from tfrecords.errors import InputError
from tfrecords.pair_graph import PairGraph

_FEATURES = ("h3", "own", "both", "partner", "mean")
_NAMES = {
    "h3": "predicted by the partner (h3)",
    "own": "the patch's own features",
    "both": "own and h3 side by side",
    "partner": "the partner's features, h1",
    "mean": "mean feature (most frequent class)",
}
# Table 1 and section 4.2 of the paper: VGG19, VOC2012 train -> val.
_PAPER = {
    "h3": ("56.3", "52.8", "63.2"),
    "own": ("78.3", "", ""),
    "both": ("79.5", "", ""),
}


def _controls(config: Config) -> tuple[Variant, ...]:
    return (
        Variant("SCN"),
        Variant("no offset", ("--offset_gain=0",)),
        Variant("permuted offset", ("--offset_control=permuted",)),
    )


def measure_context(run: Run) -> dict:
    """Returns accuracies over the held-out pairs, and what the pairs are.

    Returns:
        By name of the features "all", "different" and "same" (class), in
        percent, "C", and "not_converged", SVMs that ran out of iterations;
        "splits": "pairs", "under_0.2_iou" and "one_class" of train and val;
        "losses" as `ContextCheck.measure` returns them; "pictures": by name
        without ending, the files drawn; "setting" as `setting_of` returns it.
    """
    train, test = (_Pairs(run, split) for split in ("train", "val"))
    said = {name: _said(run, train, test, name) for name in _FEATURES}
    # Absolute: the table may be printed again from another working directory.
    folder = run.config.run_dir.resolve() / "pictures"
    folder.mkdir(exist_ok=True)
    files = {
        "fig5": folder / "context.png",
        "fig5_nearest": folder / "predictions.png",
    }
    true, told = test.labels[:, 1], said["h3"][0]
    graph = run.graph(("val",))
    draw_context(run, graph, test.pairs, true, told, files["fig5"])
    pictures.draw_predictions(run, files["fig5_nearest"])
    return {
        **{name: _accuracy(test, *said[name]) for name in _FEATURES},
        "splits": {"train": train.facts(), "val": test.facts()},
        "losses": run.context_check(0).measure(),
        "pictures": {name: str(path) for name, path in files.items()},
        "setting": setting_of(run),
    }


def _require_labeled_pairs(run: Run) -> None:
    require_labels(run)
    require_unseen_val(run)
    if not run.config.svm_normalize:
        raise InputError(
            "--nosvm_normalize: Table 1 compares rows of unit length alone. "
            "Leave it out."
        )
    for split in ("train", "val"):
        if not len(_labeled_pairs(run.graph((split,)))):
            raise InputError(
                f"No pair of {split} has labeled patches. Table 1 needs "
                "labeled boxes as proposals: --proposals=ground_truth "
                "--boxes_per_image=0."
            )


def _labeled_pairs(graph: PairGraph) -> np.ndarray:
    """[P, 2] pairs of which both patches have a class."""
    return graph.pairs[(graph.labels[graph.pairs] >= 0).all(axis=1)]


class _Pairs:
    """The pairs of a split with known labels, and their features."""

    def __init__(self, run: Run, split: str) -> None:
        graph = run.graph((split,))
        self.pairs = _labeled_pairs(graph)
        self.labels = graph.labels[self.pairs]  # [P, 2] source, target
        self.image = graph.patch_image[self.pairs[:, 0]]
        self._boxes = graph.boxes[self.pairs]
        splits = (split,)
        partner = run.source_vectors(graph, splits, self.pairs[:, 0])
        features = run.proposal_features(splits)
        own = np.asarray(features[self.pairs[:, 1]], np.float32)
        h3 = run.predictions(partner, run.offsets(splits)(self.pairs))
        self.features = {
            "h3": h3,
            "own": own,
            "partner": partner,
            "both": side_by_side(own, h3),
        }

    def facts(self) -> dict:
        """Number of pairs, share under 0.2 IoU, share of one class."""
        overlap = paired_iou(self._boxes[:, 0], self._boxes[:, 1])
        same = self.labels[:, 0] == self.labels[:, 1]
        return {
            "pairs": len(self.pairs),
            "under_0.2_iou": 100 * float((overlap < 0.2).mean()),
            "one_class": 100 * float(same.mean()),
        }


def _said(
    run: Run, train: _Pairs, test: _Pairs, name: str
) -> tuple[np.ndarray, float, int]:
    """The class [P] int64 told of every target, C, SVMs without an end."""
    if name == "mean":
        # A constant tells a classifier nothing but how often a class occurs.
        frequent = np.bincount(train.labels[:, 1]).argmax()
        return np.full(len(test.pairs), frequent), 0, 0
    return predict_classes(
        train.features[name],
        train.labels[:, 1],
        test.features[name],
        run.config.svm_c,
        train.image,
    )


def _accuracy(test: _Pairs, said: np.ndarray, c: float, failures: int) -> dict:
    right = said == test.labels[:, 1]
    same = test.labels[:, 0] == test.labels[:, 1]

    def share(chosen: np.ndarray) -> float | None:
        return 100 * float(right[chosen].mean()) if chosen.any() else None

    return {
        "all": share(np.ones(len(right), bool)),
        "different": share(~same),
        "same": share(same),
        "C": c,
        "not_converged": failures,
    }


def context_report(outcomes: list[Outcome]) -> Report:
    """Makes Table 1 and the table of what the pairs are."""
    grouped = by_variant(outcomes)
    rows, untrained = [], {}
    for variant, values in grouped.items():
        for name in _FEATURES:
            cells = [
                spread_text([value[name][part] for value in values], 1)
                for part in ("all", "different", "same")
            ]
            # Of features that nothing was trained for one row is enough.
            if name in ("own", "mean") and cells == untrained.get(name):
                continue
            untrained.setdefault(name, cells)
            told = (
                _PAPER.get(name, ("",) * 3) if variant == "SCN" else ("",) * 3
            )
            rows.append((f"{variant}: {_NAMES[name]}", *cells, *told))
    table = Table(
        "table1",
        "Table 1: the class of a patch, told from its partner",
        (
            *("accuracy in %", "all pairs", "two classes", "one class"),
            *("paper: all", "two classes", "one class"),
        ),
        tuple(rows),
        (
            "Linear SVM on rows of unit length, mean ± standard deviation over "
            "seeds; trained on the pairs of train, judged on those of val, "
            "with objects marked difficult as well. "
            f"{_chosen_c(outcomes)} Columns marked 'paper': arXiv 1704.02998, "
            "VGG19 on VOC2012.",
            *setting_notes(outcomes),
            *_unfinished(outcomes),
        ),
    )
    facts = next(iter(grouped.values()))[0]["splits"]
    draw = {}
    for name, path in outcomes[0].values["pictures"].items():
        draw |= picture_copied(name, path)
    return Report((table, _pairs_table(facts)), draw)


def _pairs_table(facts: dict[str, dict]) -> Table:
    """What the pairs of each split are, beside the paper's."""
    return Table(
        "table1_pairs",
        "The pairs",
        ("", "pairs", "under 0.2 IoU", "of one class"),
        (
            *(
                (
                    split,
                    f"{told['pairs']:,}",
                    f"{told['under_0.2_iou']:.1f} %",
                    f"{told['one_class']:.1f} %",
                )
                for split, told in facts.items()
            ),
            ("paper, train", "34,378", "", "45 %"),
            ("paper, val", "34,722", "", "42 %"),
            # Told once, of no split.
            ("paper, of patches", "", "92.6 %", ""),
        ),
    )


def _unfinished(outcomes: list[Outcome]) -> tuple[str, ...]:
    """What is to be said of SVMs that ran out of iterations, if any did."""
    failed = {}
    for outcome in outcomes:
        for name in _FEATURES:
            # Results of earlier versions did not count them.
            number = outcome.values[name].get("not_converged", 0)
            failed[name] = failed.get(name, 0) + number
    told = [f"{number} ({name})" for name, number in failed.items() if number]
    if not told:
        return ()
    return (f"SVMs that ran out of iterations: {', '.join(told)}.",)


def _chosen_c(outcomes: list[Outcome]) -> str:
    """The values of C over all rows and seeds, as a sentence."""
    chosen = {
        name: " or ".join(
            f"{c:g}" for c in sorted({o.values[name]["C"] for o in outcomes})
        )
        for name in _FEATURES
        if name != "mean"
    }
    if len(set(chosen.values())) == 1:
        return f"C = {chosen['own']}."
    each = ", ".join(f"{c} ({name})" for name, c in chosen.items())
    return f"C = {each}."


TABLE_1 = Experiment(
    "Table 1 and Figure 5: context in real images (section 4.2)",
    _controls,
    measure_context,
    context_report,
    _require_labeled_pairs,
    version=2,
)
