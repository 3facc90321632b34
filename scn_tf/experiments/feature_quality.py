"""What features are worth to a linear SVM: original, trained, joined.

In: a trained run. Out: mAP on object crops and on whole images of the network
as it came, of the h1 of the paper, and of both side by side, each of unit
length, with bootstrap intervals of the differences; the held-out loss with
its controls; how far h1 has moved.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from scn_tf.evaluation.bootstrap import bootstrap_difference
from scn_tf.evaluation.labels import targets_of
from scn_tf.evaluation.linear_svm import svm_scores
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.experiments.setting import judging_splits
from scn_tf.experiments.setting import setting_of
from scn_tf.run import Run
from scn_tf.run_data import learning_part
from scn_tf.unit_length import side_by_side
from tfrecords.errors import InputError
from tfrecords.pair_graph import PairGraph

KINDS = ("objects", "images")


@dataclasses.dataclass(frozen=True)
class Part:
    """Rows of one kind of patches that a classifier is fitted on or judged by.

    Attributes:
        vectors: by name of the features [N, D].
        targets: [N, C] int8, see `scn_tf.evaluation.labels`.
        image: [N] int64, the photograph of each row.
    """

    vectors: dict[str, np.ndarray]
    targets: np.ndarray
    image: np.ndarray

    def rows(self, chosen: np.ndarray) -> "Part":
        """Some of the rows."""
        vectors = {name: rows[chosen] for name, rows in self.vectors.items()}
        return Part(vectors, self.targets[chosen], self.image[chosen])


def require_labels(run: Run) -> None:
    """Refuses photographs that nothing can be judged by.

    Args:
        run: whose records are built.

    Raises:
        InputError: if they have no labels or lack a split.
    """
    there = set(run.manifest.splits)
    wanted = {"train", "val", *{"test"} & {run.config.judge_on}}
    if not run.manifest.classes or not wanted <= there:
        raise InputError(
            "This experiment needs labeled photographs with the splits "
            f"{sorted(wanted)}; {run.config.records_dir} holds "
            f"{len(run.manifest.classes)} classes and the splits "
            f"{sorted(there)}."
        )


def require_unseen_val(run: Run) -> None:
    """Refuses a network that is to be trained on what judges it.

    Args:
        run: whose records are built, of an experiment that val alone judges.

    Raises:
        InputError: if val is trained on.
    """
    if "val" in run.train_splits:
        raise InputError(
            f"--train_split={run.config.train_split} trains on val, by which "
            "this experiment is judged. Give --train_split=train."
        )


def measure_features(run: Run) -> dict:
    """Returns what the features of a run are worth.

    Args:
        run: trained, or as its network came: then the original features are
            measured alone.

    Returns:
        By kind of patches and features what `svm_scores` tells, with
        "over_original", what `bootstrap_difference` returns. Of a trained run
        also "moved" by kind, the mean of |h1 - original| over that of
        |original| on the judged rows, and "losses" as `ContextCheck.measure`
        returns them; "judged_on", the value of --judge_on; "setting" as
        `setting_of` returns it.
    """
    return measure_parts(run, {kind: parts_of(run, kind) for kind in KINDS})


def measure_parts(run: Run, parts: dict[str, tuple[Part, Part]]) -> dict:
    """As `measure_features`, of rows that are there already.

    Args:
        run: where they are from.
        parts: by kind what `parts_of` returned.
    """
    values = {"judged_on": run.config.judge_on, "setting": setting_of(run)}
    if run.restored_step:
        values["losses"] = run.context_check(0).measure()
    for kind, (fitted, judged) in parts.items():
        values[kind] = _worth(run, kind, fitted, judged)
        if "h1" in judged.vectors:
            original, h1 = (judged.vectors[n] for n in ("original", "h1"))
            lengths = np.linalg.norm(original, axis=1)
            distances = np.linalg.norm(h1 - original, axis=1)
            total = max(lengths.sum(), 1e-12)
            values[kind]["moved"] = float(distances.sum() / total)
    return values


def parts_of(run: Run, kind: str) -> tuple[Part, Part]:
    """The rows that classifiers are fitted on, and those they are judged by.

    With --judge_on=val these are train and val, with trainval and test where
    there is a test split; with train_part they are two parts of train, by
    photograph, and val stays unseen.

    Args:
        run: as its networks are now.
        kind: "objects" or "images".
    """
    fitted, judged = judging_splits(run.config.judge_on)
    if fitted == judged:
        whole = _part(run, fitted, kind)
        number = len(run.graph(fitted).image_ids)
        is_fitted = learning_part(number)[whole.image]
        return whole.rows(is_fitted), whole.rows(~is_fitted)
    return _part(run, fitted, kind), _part(run, judged, kind)


def _part(run: Run, splits: tuple[str, ...], kind: str) -> Part:
    graph = run.graph(splits)
    targets = targets_of(graph, kind, len(run.manifest.classes))
    return Part(vectors_of(run, splits, kind), targets, _images(graph, kind))


def _images(graph: PairGraph, kind: str) -> np.ndarray:
    if kind == "objects":
        return graph.object_image
    return np.arange(len(graph.image_ids))


def vectors_of(
    run: Run, splits: tuple[str, ...], kind: str
) -> dict[str, np.ndarray]:
    """The features of all patches of a kind.

    Returns:
        "original" [N, D]; where a network was trained also "h1" [N, D] and
        "joined" [N, 2 D]: both, each row of unit length.
    """
    original = run.vectors(splits, kind, original=True)
    if not run.restored_step:
        return {"original": original}
    h1 = run.vectors(splits, kind)
    joined = side_by_side(original, h1)
    return {"original": original, "h1": h1, "joined": joined}


# Scores of original features: the same for all runs of an experiment.
_ORIGINALS = {}
_MOST_REMEMBERED = 8


def _remembered(fit: Callable, run: Run, kind: str) -> Callable:
    """Fits original features once per network, photographs and protocol."""
    config = run.config
    key = (
        run.network_digest,
        *(run.data_digest(run.graph((s,)), kind) for s in run.manifest.splits),
        *(kind, config.judge_on, config.svm_c, config.svm_normalize),
        *(config.cache_dtype, config.precision, run.backbone.cut),
        *(config.backbone, run.backbone.image_size),
    )

    def found(name: str) -> tuple[np.ndarray, dict]:
        if key not in _ORIGINALS:
            if len(_ORIGINALS) == _MOST_REMEMBERED:
                _ORIGINALS.pop(next(iter(_ORIGINALS)))
            _ORIGINALS[key] = fit(name)
        scores, result = _ORIGINALS[key]
        return scores, dict(result)

    return found


def _worth(run: Run, kind: str, fitted: Part, judged: Part) -> dict:
    classes = run.manifest.classes
    # The folds that choose C are the same for all seeds of the training, so
    # that features as they came have one value.
    config = run.config
    protocol = LinearSvmProtocol(
        config.svm_c, seed=0, normalize=config.svm_normalize
    )
    results, scores = {}, {}

    def fit(name: str) -> tuple[np.ndarray, dict]:
        return svm_scores(
            fitted.vectors[name],
            fitted.targets,
            judged.vectors[name],
            judged.targets,
            classes,
            protocol,
            progress=f"linear SVM, {kind}, {name}",
        )

    for name in judged.vectors:
        found = fit if name != "original" else _remembered(fit, run, kind)
        scores[name], results[name] = found(name)
    for name in [name for name in results if name != "original"]:
        results[name]["over_original"] = bootstrap_difference(
            judged.targets,
            scores["original"],
            scores[name],
            classes,
            groups=judged.image,
            keep_draws=True,
        )
    return results
