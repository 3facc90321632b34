"""What the SVMs behind a table's mAP could not do, in sentences.

In: outcomes whose values hold results of `scn_tf.evaluation.linear_svm`, at
any depth. Out: the sentences below the table; none where all went well.
"""

from collections.abc import Iterator
from collections.abc import Mapping

from scn_tf.experiments.experiment import Outcome

_KINDS = {"objects": "object crops", "images": "whole images"}


def svm_notes(outcomes: list[Outcome]) -> tuple[str, ...]:
    """Names classes without an AP or a choice of C, and fits that failed.

    Args:
        outcomes: of a table.
    """
    left_out, fixed_c, failed = {}, {}, {}
    for outcome in outcomes:
        for kind, name, result in _results(outcome.values):
            where = _KINDS.get(kind, kind) or "all rows"
            left_out.setdefault(where, {}).update(
                dict.fromkeys(result["left_out"])
            )
            fixed_c.setdefault(where, {}).update(
                dict.fromkeys(result["fixed_c"])
            )
            if result["not_converged"]:
                row = f"{outcome.variant}, seed {outcome.seed}"
                failed.setdefault(row, []).append(
                    f"{result['not_converged']} ({where}, {name})"
                )
    notes = [
        *_named("Left out of the mean, for want of examples", left_out),
        *_named("Too few examples to choose C", fixed_c),
    ]
    if failed:
        rows = "; ".join(f"{row}: {', '.join(f)}" for row, f in failed.items())
        notes.append(f"Fits that ran out of iterations: {rows}.")
    return tuple(notes)


def _named(title: str, classes: Mapping[str, Mapping]) -> list[str]:
    parts = [
        f"{w}: {', '.join(names)}" for w, names in classes.items() if names
    ]
    return [f"{title}: {'; '.join(parts)}."] if parts else []


def _results(
    values: Mapping, kind: str = "", name: str = ""
) -> Iterator[tuple[str, str, Mapping]]:
    """Yields kind of patches, name of the features, and the SVMs' result."""
    if "not_converged" in values:
        yield kind, name, values
        return
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner = key if key in _KINDS else kind
            yield from _results(value, inner, key)
