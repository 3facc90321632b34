"""The part of a module's card on how good its features are.

In: the contents of the run's verdict.json, or None. Out: Markdown: tables
before and after, with their protocol, or why there are none.
"""

from collections.abc import Mapping
from collections.abc import Sequence

from export.card.markdown import bullets
from export.card.markdown import table

_NOT_MEASURED = "-"
_COLUMNS = (
    *("mean average precision in %", "form"),
    *("before", "after", "difference"),
)
_PARTS = (("images", "whole images"), ("objects", "object crops"))
_FORMS = (
    ("scikit_learn", "no interpolation (scikit-learn)"),
    ("eleven_point", "11 points (VOC2007)"),
    ("area", "area (VOC2010)"),
)
_PROTOCOL = (
    ("classifier", "Classifier"),
    ("normalization", "Normalization of features"),
    ("metric", "Metric"),
    ("C", "C"),
    ("trained_on", "Network trained on"),
    ("evaluated_on", "Judged on"),
)


def verdict_text(
    verdict: Mapping | None,
    checkpoint_step: int,
    reservations: Sequence[str] = (),
) -> str:
    """Returns the verdict on a module as Markdown, without a title.

    Args:
        verdict: see `report.verdict_table`, and "checkpoint_step"; None if
            the run was not evaluated.
        checkpoint_step: of the module; 0 if it is not known.
        reservations: what else sets the module apart from what was judged.
    """
    if verdict is None:
        return "Not evaluated."
    judged = verdict.get("checkpoint_step")
    if judged is not None and checkpoint_step and judged != checkpoint_step:
        return (
            f"Not evaluated: the run's verdict is on step {judged} of its "
            f"training, this module is of step {checkpoint_step}."
        )
    try:
        return "\n\n".join(_blocks(verdict, judged, reservations))
    except (KeyError, TypeError, ValueError, AttributeError):
        # Of another version, or damaged: half a table would mislead.
        return "Not known: the run's verdict.json cannot be read."


def _blocks(
    verdict: Mapping, judged: int | None, reservations: Sequence[str]
) -> list[str]:
    rows, remarks = [], []
    for key, title in _PARTS:
        part = verdict.get(key) or {"not_run": "it is not in the verdict"}
        if "not_run" in part:
            remarks.append(f"Not run, {title}: {part['not_run']}.")
            continue
        rows += _rows(title, part)
        left_out = part["before"].get("left_out")
        if left_out:
            names = ", ".join(left_out)
            remarks.append(f"Left out of the mean, {title}: {names}.")
    protocol = verdict.get("protocol", {})
    lines = [
        f"{title}: {protocol[name]}."
        for name, title in _PROTOCOL
        if name in protocol
    ]
    if judged is None:
        remarks.append("Which checkpoint was judged is not known.")
    lines += [*protocol.get("notes", ()), *remarks, *reservations]
    lines += [_losses(verdict.get("losses") or {})]
    blocks = [bullets(lines)]
    if rows:
        before = (
            "Before: features of the network as it came. After: of the "
            "trained network, as the run measured them; not with this folder."
        )
        blocks = [before, table(_COLUMNS, rows), *blocks]
    return blocks


def _rows(title: str, part: Mapping) -> list[tuple[str, ...]]:
    results = [part[when] for when in ("before", "after", "difference")]
    # Verdicts of earlier versions have one form of AP alone.
    means = {"scikit_learn": [result["mean"] for result in results]}
    if all("by_form" in result for result in results):
        means = {
            form: [result["by_form"][form]["mean"] for result in results]
            for form, _ in _FORMS
        }
    return [
        (
            title,
            form_title,
            *map(_number, means[form][:2]),
            _signed(means[form][2]),
        )
        for form, form_title in _FORMS
        if form in means
    ]


def _number(value: float | None) -> str:
    return _NOT_MEASURED if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    if value is None:
        return _NOT_MEASURED
    # Rounded first: -0.001 is no loss at two decimals, so it has no minus.
    rounded = round(value, 2)
    return f"{rounded:+.2f}" if rounded else "0.00"


def _losses(losses: Mapping) -> str:
    if not losses or "not_run" in losses:
        why = losses.get("not_run", "it is not in the verdict")
        return f"Losses not run: {why}."
    return (
        f"Loss of predictions over {losses['pairs']:,} pairs, in parts of the "
        f"best constant prediction's: {losses['test_over_floor']:.3f}; with "
        f"the offsets permuted: {losses['permuted_over_floor']:.3f}."
    )
