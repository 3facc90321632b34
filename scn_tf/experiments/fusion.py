"""Crops joined with what their picture tells of them, as in Table 1.

In: a trained run. Out: mAP on object crops of the crop's own features alone
and beside four kinds of context: the mean of the features of the picture's
proposals, the whole picture's features, what the proposals predict for the
crop's place (h3, mean), and the same from permuted offsets; h1 beside the mean
and beside h3; and the whole picture with one more of them. Prediction must beat
the plain mean to count.

Of photographs that the network was trained on h3 is better than it is of
others, so a classifier fitted on them trusts it too much. The paper fits it so;
with --train_split=train_part it is fitted on photographs of train that were
left out of the training, where h3 is what it is on val.
"""

import dataclasses

import numpy as np

from scn_tf.config import Config
from scn_tf.evaluation.bootstrap import bootstrap_difference
from scn_tf.evaluation.labels import targets_of
from scn_tf.evaluation.linear_svm import svm_scores
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.experiments.cells import GAIN_NOTE
from scn_tf.experiments.cells import gain_text
from scn_tf.experiments.cells import spread_text
from scn_tf.experiments.experiment import by_variant
from scn_tf.experiments.experiment import Experiment
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.experiment import Report
from scn_tf.experiments.experiment import Variant
from scn_tf.experiments.feature_quality import require_labels
from scn_tf.experiments.feature_quality import require_unseen_val
from scn_tf.experiments.setting import setting_notes
from scn_tf.experiments.setting import setting_of
from scn_tf.experiments.svm_notes import svm_notes
from scn_tf.experiments.table import Table
from scn_tf.offsets import PairOffsets
from scn_tf.run import Run
from scn_tf.run_data import learning_part
from scn_tf.unit_length import side_by_side
from tfrecords.errors import InputError
from tfrecords.pair_graph import PairGraph

_CHUNK = 4096  # pairs at a time
_ROWS = {
    "own": "own features",
    "h1": "h1",
    "h1 + neighbors": "h1 + mean of the proposals' features",
    "h1 + h3": "h1 + what the proposals predict (h3)",
    "own + neighbors": "own + mean of the proposals' features",
    "own + image": "own + the whole picture's features",
    "own + h3": "own + what the proposals predict (h3)",
    "own + h3 permuted": "own + h3 with permuted offsets",
    "own + h3 + image": "own + h3 + the whole picture's features",
    "own + neighbors + image": "own + mean + the whole picture's features",
    "own + h3 permuted + image": "own + permuted h3 + the whole picture's",
    "h3": "h3 alone",
}


# What counts: the predicted context against the plain mean and against the
# same of other pairs' offsets, alone and beside the whole picture.
_COMPARED = (
    ("own + h3", "own + neighbors"),
    ("own + h3", "own + h3 permuted"),
    ("h1 + h3", "h1 + neighbors"),
    ("own + h3 + image", "own + neighbors + image"),
    ("own + h3 + image", "own + h3 permuted + image"),
)


def measure_fusion(run: Run) -> dict:
    """Returns mAP on the crops of val by features.

    Returns:
        By key of `_ROWS` what `svm_scores` tells; "differences": in the order
        of `_COMPARED` what `bootstrap_difference` returns; "setting" as
        `setting_of` returns it, but with "fitted" photographs as they are.
    """
    train, val = (context_features(run, split) for split in ("train", "val"))
    classes = run.manifest.classes
    targets = [
        targets_of(run.graph((split,)), "objects", len(classes))
        for split in ("train", "val")
    ]
    config = run.config
    chosen = fitted_photographs(run)
    rows = chosen[run.graph(("train",)).object_image]
    train = {name: vectors[rows] for name, vectors in train.items()}
    targets[0] = targets[0][rows]
    protocol = LinearSvmProtocol(
        config.svm_c, seed=0, normalize=config.svm_normalize
    )
    setting = setting_of(run) | {"fitted": int(chosen.sum())}
    scores, values = {}, {"setting": setting}
    for name in _ROWS:
        scores[name], values[name] = svm_scores(
            _joined(train, name),
            targets[0],
            _joined(val, name),
            targets[1],
            classes,
            protocol,
            progress=f"linear SVM, {name}",
        )
    image = run.graph(("val",)).object_image
    values["differences"] = [
        bootstrap_difference(
            targets[1], scores[other], scores[one], classes, groups=image
        )
        for one, other in _COMPARED
    ]
    return values


def fitted_photographs(run: Run) -> np.ndarray:
    """[I] bool: photographs of train that the classifiers are fitted on.

    All; with --train_split=train_part those that nothing was trained on.

    Args:
        run: whose records are built.
    """
    number = len(run.graph(("train",)).image_ids)
    if run.config.train_split == "train_part":
        return ~learning_part(number)
    return np.ones(number, bool)


def _joined(features: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Parts of unit length, side by side."""
    return side_by_side(*(features[part] for part in name.split(" + ")))


def context_features(run: Run, split: str) -> dict[str, np.ndarray]:
    """Returns what is known of every object of a split.

    Args:
        run: trained.
        split: such as "val".

    Returns:
        By name [objects, D] float32: "own" and "h1" of the crop; "image" of
        its photograph and "neighbors", the mean of the photograph's
        proposals, by the original network; "h3", the mean of what all of
        these proposals predict for the object's place, and "h3 permuted",
        the same with offsets of other pairs. An object whose photograph has
        no proposal gets zeros.
    """
    splits = (split,)
    graph = run.graph(splits)
    images = run.vectors(splits, "images", original=True)
    own = np.asarray(run.proposal_features(splits), np.float32)
    pairs = pairs_to_objects(graph)
    extended = with_objects(graph, pairs)
    config = run.config
    # A network that was trained on permuted offsets never saw others.
    always = config.offset_control == "permuted"
    h1 = run.source_vectors(graph, splits, np.arange(len(graph.boxes)))
    rows = pairs[:, 1] - len(graph.boxes)
    number = len(graph.object_boxes)

    def predicted(permuted: bool) -> np.ndarray:
        offsets = PairOffsets(
            extended, config.offset_unit, permuted or always, config.seed
        )
        total = np.zeros((number, run.head.num_targets), np.float32)
        for start in range(0, len(pairs), _CHUNK):
            part = slice(start, start + _CHUNK)
            h3 = run.head(h1[pairs[part, 0]], offsets(pairs[part]))
            np.add.at(total, rows[part], np.asarray(h3))
        return total / counts

    counts = np.maximum(np.bincount(rows, minlength=number), 1)[:, None]
    neighbors = np.zeros((number, own.shape[1]), np.float32)
    np.add.at(neighbors, rows, own[pairs[:, 0]])
    return {
        "own": run.vectors(splits, "objects", original=True),
        "h1": run.vectors(splits, "objects"),
        "image": images[graph.object_image],
        "neighbors": neighbors / counts,
        "h3": predicted(False),
        "h3 permuted": predicted(True),
    }


def pairs_to_objects(graph: PairGraph) -> np.ndarray:
    """[P, 2]: every proposal with every object of its photograph.

    Objects are numbered after the proposals.
    """
    images = np.arange(len(graph.image_ids))
    first = np.searchsorted(graph.patch_image, images)
    count = np.searchsorted(graph.patch_image, images, "right") - first
    each = count[graph.object_image]  # pairs of each object
    targets = np.repeat(np.arange(len(graph.object_boxes)), each)
    turn = np.arange(len(targets)) - np.repeat(np.cumsum(each) - each, each)
    sources = first[graph.object_image[targets]] + turn
    return np.stack([sources, targets + len(graph.boxes)], axis=1)


def with_objects(graph: PairGraph, pairs: np.ndarray) -> PairGraph:
    """The graph with its objects as nodes after the proposals, and `pairs`."""
    return dataclasses.replace(
        graph,
        boxes=np.concatenate([graph.boxes, graph.object_boxes]),
        patch_image=np.concatenate([graph.patch_image, graph.object_image]),
        pairs=pairs,
    )


def fusion_report(outcomes: list[Outcome]) -> Report:
    """Makes the table of what context adds to crops."""
    grouped = by_variant(outcomes)
    rows = []
    for name, text in _ROWS.items():
        cells = []
        for values in grouped.values():
            gains = [
                value[name]["mean"] - value["own"]["mean"]
                for value in values
                if value[name]["mean"] is not None
            ]
            cells.append(spread_text([value[name]["mean"] for value in values]))
            cells.append(f"{np.mean(gains):+.2f}" if gains else "-")
        rows.append((text, *cells))
    names = [name for variant in grouped for name in (variant, "gain")]
    table = Table(
        "fusion",
        "Object crops beside what their picture tells of them",
        ("", *names),
        tuple(rows),
        (
            "mAP in %, linear SVM on val, mean ± standard deviation over "
            "seeds; all parts of unit length, side by side. own: the original "
            "network's features of the crop. The proposals are all of the "
            "picture, those that overlap the crop as well.",
            *setting_notes(outcomes),
            *svm_notes(outcomes),
        ),
    )
    return Report((table, _differences(grouped)))


def _differences(grouped: dict[str, list[dict]]) -> Table:
    rows = []
    for place, (one, other) in enumerate(_COMPARED):
        cells = [
            gain_text([value["differences"][place] for value in values])
            for values in grouped.values()
        ]
        rows.append((f"{one}, over {other}", *cells))
    return Table(
        "fusion_differences",
        "Does prediction count?",
        ("", *grouped),
        tuple(rows),
        (
            f"Points of mAP, {GAIN_NOTE} neighbors: the mean of the proposals' "
            "features; image: the whole picture's.",
        ),
    )


def _require_context(run: Run) -> None:
    require_labels(run)
    require_unseen_val(run)
    if run.manifest.options["proposals"] == "ground_truth":
        raise InputError(
            "--proposals=ground_truth takes the crops themselves as "
            "proposals, so a crop would be told from itself. Give "
            "--proposals=edge_boxes, or others that know no labeled boxes."
        )


def _trained(config: Config) -> tuple[Variant, ...]:
    return (
        Variant("SCN"),
        # Wrong offsets are new to a head that was trained on right ones;
        # this one never had any.
        Variant("no offset", ("--offset_gain=0",)),
    )


FUSION = Experiment(
    "Fusion of crops with predicted context (section 4.2)",
    _trained,
    measure_fusion,
    fusion_report,
    _require_context,
    version=4,
)
