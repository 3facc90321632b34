"""What features are worth to a linear SVM: original, trained, joined.

In: a trained run. Out: mAP on object crops and on whole images of the h1 of
the paper, of the network as it came, and of both side by side, each part of
unit length; the held-out loss with its controls; how far h1 has moved.
"""

import dataclasses

import numpy as np

from scn_tf.evaluation.features import feature_vectors
from scn_tf.evaluation.labels import targets_of
from scn_tf.evaluation.linear_svm import evaluate_linear_svm
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.run import Run
from scn_tf.run_folder import is_trained
from tfrecords.errors import InputError

KINDS = ("objects", "images")
_SPLITS = ("train", "val")


def measure_features(run: Run) -> dict:
    """Returns what the features of a run are worth.

    Args:
        run: trained, or as its network came: then the original features are
            measured, else h1 and both joined.

    Returns:
        By kind of patches and features what `evaluate_linear_svm` returns.
        Of a trained run also "moved" by kind, the mean of |h1 - original|
        over that of |original| on val, and "losses" as
        `ContextCheck.measure` returns them.

    Raises:
        InputError: if the photographs have no labels or no val split.
    """
    if not run.manifest.classes or not set(_SPLITS) <= set(run.manifest.splits):
        raise InputError(
            "This experiment needs labeled photographs with a train and a val "
            f"split; {run.config.records_dir} holds {len(run.manifest.classes)}"
            f" classes and the splits {sorted(run.manifest.splits)}."
        )
    trained = is_trained(run.config.run_dir)
    features = ("h1", "joined") if trained else ("original",)
    values = {}
    if trained:
        values["losses"] = run.context_check(0).measure()
    for kind in KINDS:
        vectors = {split: vectors_of(run, split, kind) for split in _SPLITS}
        values[kind] = {
            name: _worth(run, kind, name, vectors) for name in features
        }
        if not trained:
            continue
        original, h1 = (vectors["val"][name] for name in ("original", "h1"))
        lengths = np.linalg.norm(original, axis=1)
        distances = np.linalg.norm(h1 - original, axis=1)
        values[kind]["moved"] = float(distances.sum() / lengths.sum())
    return values


def vectors_of(run: Run, split: str, kind: str) -> dict[str, np.ndarray]:
    """The features of all patches of a kind.

    Returns:
        "original" and "h1" [N, D], "joined" [N, 2 D]: both, each row of unit
        length.
    """
    cache = run.cache((split,), kind)
    as_it_came = dataclasses.replace(run.backbone, neck=run.frozen_neck)
    original, h1 = (
        feature_vectors(network, cache, run.patches((split,), kind))
        for network in (as_it_came, run.backbone)
    )
    joined = np.concatenate([of_unit_length(original), of_unit_length(h1)], 1)
    return {"original": original, "h1": h1, "joined": joined}


def of_unit_length(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean lengths; zero rows stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def _worth(run: Run, kind: str, name: str, vectors: dict) -> dict:
    classes = run.manifest.classes
    targets = [
        targets_of(run.graph((split,)), kind, len(classes)) for split in _SPLITS
    ]
    train, val = (vectors[split][name] for split in _SPLITS)
    # The folds that choose C are the same for all seeds of the training, so
    # that features as they came have one value.
    protocol = LinearSvmProtocol(run.config.svm_c, seed=0)
    return evaluate_linear_svm(
        train,
        targets[0],
        val,
        targets[1],
        classes,
        protocol,
        progress=f"linear SVM, {kind}, {name}",
    )
