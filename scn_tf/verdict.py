"""The verdict on a trained network: its features before and after.

In: a `Run` whose network is trained. Out: the contents of verdict.json:
linear classifiers on whole images and on object crops, by the features that
the module is to give, and the held-out loss against its controls.
"""

from scn_tf.evaluation.labels import targets_of
from scn_tf.evaluation.linear_svm import compare
from scn_tf.evaluation.linear_svm import evaluate_linear_svm
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.run import Run
from scn_tf.run_data import learning_part
from scn_tf.unit_length import side_by_side

_TRAIN, _VAL = ("train",), ("val",)


def make_verdict(run: Run) -> dict:
    """Measures features; nothing is left out because it looks bad.

    Returns:
        `protocol`, `images` and `objects`, ready for JSON. A part that cannot
        be measured is `{"not_run": reason}`.
    """
    verdict = {"protocol": _protocol(run)}
    for kind in ("images", "objects"):
        reason = _why_not(run)
        verdict[kind] = {"not_run": reason} if reason else _part(run, kind)
    return verdict


def measure_losses(run: Run) -> dict:
    """Measures the held-out loss and its controls, ready for JSON.

    The neck must be the one that the head was trained for, not blended.
    """
    losses = run.context_check(0).measure()
    return {
        "test": losses["loss"],
        "floor": losses["floor"],
        "permuted": losses["permuted"],
        "test_over_floor": losses["over_floor"],
        "permuted_over_floor": losses["permuted_over_floor"],
        "pairs": losses["pairs"],
    }


def _why_not(run: Run) -> str:
    if not run.manifest.classes:
        return "the photographs have no labels"
    if not all(split in run.manifest.splits for split in ("train", "val")):
        return "the photographs have no train and val split"
    return ""


def _protocol(run: Run) -> dict:
    config = run.config
    protocol = _svm_protocol(run)
    splits = run.manifest.splits
    trained = " and ".join(run.train_splits)
    num_trained = _count(splits, run.train_splits)
    if config.train_split == "train_part":
        num_trained = int(learning_part(num_trained).sum())
    classifier = {
        "classifier": "linear SVM (scikit-learn LinearSVC), one-vs-rest",
        "normalization": "L2" if protocol.normalize else "none",
        "C": protocol.describe_c(),
        "metric": "mean average precision (scikit-learn, no interpolation)",
        "evaluated_on": "classifier trained on train "
        f"({_count(splits, _TRAIN)} photographs), scored on val "
        f"({_count(splits, _VAL)})",
    }
    return {
        # Of a classifier that never was, nobody should read.
        **({} if _why_not(run) else classifier),
        "trained_on": f"{num_trained} photographs of {trained}",
        "notes": _notes(run),
    }


def _notes(run: Run) -> list[str]:
    """What a reader of the numbers has to know."""
    config = run.config
    notes = []
    if run.train_splits != _TRAIN:
        notes.append(
            "The network was trained on the val photographs too, without "
            "their labels."
        )
    if not run.holds_pairs_out:
        notes.append(
            "No pairs were held out: the losses are of training pairs."
        )
    if config.checkpoint == "best":
        notes.append(
            "The checkpoint is the one of the lowest loss on held-out pairs, "
            "which the losses are of as well (--checkpoint=best)."
        )
    if config.neck_blend < 1:
        notes.append(
            f"Judged is a network {config.neck_blend:g} of the way from where "
            "it began to what was trained (--neck_blend); the losses are of "
            "all of the way, as the head was trained."
        )
    if _is_joined(run):
        notes.append(
            "After: features of the trained network beside those of the "
            "network as it came, each of unit length "
            "(--export_features=joined)."
        )
    if config.training.neck_is_held:
        notes.append(
            "The neck was held in all epochs (--head_epochs): before and "
            "after are the same network."
        )
    if config.judge_on != "val":
        notes.append(
            f"--judge_on={config.judge_on} is of experiments; judged was on "
            "val."
        )
    if config.weights == "none":
        notes.append("The network started from random weights.")
    if run.manifest.label_leak:
        notes.append(
            "Labels were used to find the proposals: "
            f"{run.manifest.label_leak}."
        )
    num_bad = sum(
        len(run.graph((split,)).bad_records)
        for split in {*run.train_splits, *run.held_out_splits}
    )
    if num_bad:
        notes.append(f"{num_bad} damaged records were left out.")
    return notes


def _is_joined(run: Run) -> bool:
    """Judged is what the export stage gives."""
    return run.config.export.export_features == "joined"


def _svm_protocol(run: Run) -> LinearSvmProtocol:
    config = run.config
    return LinearSvmProtocol(
        config.svm_c, seed=config.seed, normalize=config.svm_normalize
    )


def _count(splits: dict, names: tuple[str, ...]) -> int:
    return sum(splits[name].images for name in names if name in splits)


def _part(run: Run, kind: str) -> dict:
    """Before and after on one kind of patches."""
    classes = run.manifest.classes
    protocol = _svm_protocol(run)
    targets, before, after = {}, {}, {}
    for splits in (_TRAIN, _VAL):
        targets[splits] = targets_of(run.graph(splits), kind, len(classes))
        before[splits] = run.vectors(splits, kind, original=True)
        after[splits] = run.vectors(splits, kind)
        if _is_joined(run):
            after[splits] = side_by_side(before[splits], after[splits])
    results = [
        evaluate_linear_svm(
            features[_TRAIN],
            targets[_TRAIN],
            features[_VAL],
            targets[_VAL],
            classes,
            protocol,
            progress=f"linear SVM, {kind}, {name}",
        )
        for name, features in (("before", before), ("after", after))
    ]
    return {"classes": list(classes), **compare(*results)}
