"""How good are features when labels are few? mAP over examples per class.

In: one or several sets of features of the same rows, targets from `labels`.
Out: for each number of examples the mAP of several draws, as a dict that can
stand in a JSON file; `visualize_low_shot` draws it.

The protocol is that of low-shot VOC07 classification in Goyal et al. 2019
(arXiv 1905.01235; its public code's create_voc_low_shot_samples.py): a class
is given n positives and (C - 1) n negatives, both drawn from all rows that
are labeled so, for each class on its own; every other row is left out of its
training; a linear SVM per class; mAP on all test rows; five draws. So the
negatives of a class are not the positives of the others, but there are as
many of them.

Different here: draws are nested (n examples are the first n of one
permutation, so a curve is not shaken by a new draw at each n), and a class
with fewer rows than are asked for takes all it has and is named. C is given:
from a single positive it cannot be chosen.
"""

import dataclasses
import sys
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import tqdm

from scn_tf.evaluation.average_precision import FORMS
from scn_tf.evaluation.linear_svm import prepared
from scn_tf.evaluation.linear_svm import svm_scores
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol

NUM_EXAMPLES = (1, 2, 4, 8, 16, 32, 64, 96)  # of Goyal et al. 2019
NUM_DRAWS = 5


def low_shot_curves(
    features: Mapping[str, tuple[np.ndarray, np.ndarray]],
    train_targets: np.ndarray,
    test_targets: np.ndarray,
    classes: Sequence[str],
    protocol: LinearSvmProtocol,
    *,
    num_examples: Sequence[int] = NUM_EXAMPLES,
    num_draws: int = NUM_DRAWS,
    form: str = "scikit_learn",
    progress: str = "",
) -> dict:
    """Returns mAP by number of examples, for all features on the same draws.

    Args:
        features: by name the features of the training part [N, D] and of
            the test part [M, D]; D may differ between names.
        train_targets: [N, C] 1 for yes, 0 for no, -1 for left out.
        test_targets: [M, C], as `train_targets`.
        classes: C names.
        protocol: with a single value of C; its seed makes the draws.
        num_examples: positives per class.
        num_draws: independent draws of each number.
        form: of AP, one of `average_precision.FORMS`.
        progress: title of the progress bar on stderr; no bar if empty.

    Returns:
        "num_examples"; "curves": by name "mean" and "std" (of one draw, from
        squares over draws - 1) for each number of examples and "draws", for
        each number the mAPs in percent, None where no class was measured;
        "fewer_positives" and "fewer_negatives": by class how many it has,
        where the largest number asks for more; "C"; "form".

    Raises:
        InputError: if a feature is not finite.
        ValueError: if shapes do not fit, or there are several values of C.
    """
    _check(protocol, form)
    drawn = _drawn(train_targets, protocol, num_examples, num_draws)
    as_they_are = dataclasses.replace(protocol, normalize=False)
    curves = {}
    with _progress_bar(progress, len(features) * len(drawn)) as bar:
        for name, (train, test) in features.items():
            train = prepared(f"{name}, train", train, protocol.normalize)
            test = prepared(f"{name}, test", test, protocol.normalize)
            means = {}
            for key, targets in drawn.items():
                _, result = svm_scores(
                    train, targets, test, test_targets, classes, as_they_are
                )
                means[key] = result["by_form"][form]["mean"]
                bar.update()
            curves[name] = _curve(means, num_examples, num_draws)
    return {
        "num_examples": list(num_examples),
        "curves": curves,
        **_fewer(train_targets, classes, max(num_examples)),
        "C": protocol.c_grid[0],
        "form": form,
    }


def low_shot_targets(
    targets: np.ndarray, num_examples: int, seed: Sequence[int]
) -> np.ndarray:
    """Returns targets of which only a few rows per class are left.

    Args:
        targets: [N, C] 1 for yes, 0 for no, -1 for left out.
        num_examples: n, positives per class.
        seed: of the permutations; the same for every n nests the draws.

    Returns:
        [N, C] int8: n ones and (C - 1) n zeros per class, or all that it
        has; -1 elsewhere.
    """
    few = np.full(targets.shape, -1, np.int8)
    for column in range(targets.shape[1]):
        rng = np.random.default_rng([*seed, column])
        for value, number in _wanted(targets.shape[1], num_examples).items():
            rows = np.flatnonzero(targets[:, column] == value)
            few[rng.permutation(rows)[:number], column] = value
    return few


def _check(protocol: LinearSvmProtocol, form: str) -> None:
    if protocol.chooses:
        raise ValueError(
            "Few examples need a C that is given: one value in `c_grid`. "
            f"Received: c_grid={protocol.c_grid}."
        )
    if form not in FORMS:
        raise ValueError(
            f"Unknown form of AP {form!r}. Known forms: {', '.join(FORMS)}."
        )


def _drawn(
    targets: np.ndarray,
    protocol: LinearSvmProtocol,
    num_examples: Sequence[int],
    num_draws: int,
) -> dict[tuple[int, int], np.ndarray]:
    """Targets by number of examples and draw."""
    return {
        (n, draw): low_shot_targets(targets, n, (protocol.seed, draw))
        for n in num_examples
        for draw in range(num_draws)
    }


def _wanted(num_classes: int, num_examples: int) -> dict[int, int]:
    """Rows per class by target; a class alone has as many negatives."""
    return {1: num_examples, 0: max(num_classes - 1, 1) * num_examples}


def _fewer(
    targets: np.ndarray, classes: Sequence[str], num_examples: int
) -> dict[str, dict[str, int]]:
    wanted = _wanted(len(classes), num_examples)
    result = {}
    for key, value in (("fewer_positives", 1), ("fewer_negatives", 0)):
        present = (targets == value).sum(axis=0).tolist()
        result[key] = {
            name: number
            for name, number in zip(classes, present, strict=True)
            if number < wanted[value]
        }
    return result


def _curve(
    means: Mapping[tuple[int, int], float | None],
    num_examples: Sequence[int],
    num_draws: int,
) -> dict[str, list]:
    curve = {"mean": [], "std": [], "draws": []}
    for n in num_examples:
        draws = [means[n, draw] for draw in range(num_draws)]
        mean = std = None
        if None not in draws:
            mean = float(np.mean(draws))
            std = float(np.std(draws, ddof=1)) if num_draws > 1 else 0.0
        for key, value in (("mean", mean), ("std", std), ("draws", draws)):
            curve[key].append(value)
    return curve


def _progress_bar(title: str, total: int) -> tqdm.tqdm:
    return tqdm.tqdm(
        total=total,
        desc=title,
        unit="draw",
        file=sys.stderr,
        mininterval=0.1 if sys.stderr.isatty() else 10.0,
        disable=not title,
    )
