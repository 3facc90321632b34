"""The verdict as a person reads it in a terminal.

In: the dict that stands in `verdict.json`. Out: text of aligned columns. A
loss carries its minus as plainly as a gain its plus, a part that was not
run says why, and every table names its protocol.
"""

import textwrap
from collections.abc import Mapping
from collections.abc import Sequence

_COLUMNS = ("class", "before", "after", "difference")
_NOT_MEASURED = "-"
_PARTS = (("images", "Whole photographs"), ("objects", "Object crops"))
# Means of AP besides the one that the metric names.
_FORMS = (
    ("eleven_point", "11 points, VOC2007"),
    ("area", "area, VOC2010"),
)
_PROTOCOL = (
    ("classifier", "classifier"),
    ("features", "normalization"),
    ("metric", "metric"),
    ("C", "C"),
    ("trained on", "trained_on"),
    ("evaluated on", "evaluated_on"),
)
_WIDTH = 78


def verdict_table(verdict: Mapping) -> str:
    """Returns the whole verdict as text, without a final line break.

    Args:
        verdict: "protocol" with "classifier", "normalization", "C",
            "metric", "trained_on", "evaluated_on", "notes"; "images" and
            "objects", each as `linear_svm.compare` returns it or
            {"not_run": reason}; "losses" with "test", "floor", "permuted",
            "test_over_floor", "permuted_over_floor", "pairs" or
            {"not_run": reason}. A part that is absent says so.
    """
    protocol = verdict.get("protocol", {})
    blocks = [_protocol_block(protocol)] if protocol else []
    for key, title in _PARTS:
        blocks.append(_part_block(title, verdict.get(key, {}), protocol))
    blocks.append(_losses_block(verdict.get("losses", {})))
    return "\n\n".join(blocks)


def _protocol_block(protocol: Mapping) -> str:
    lines = ["Protocol"]
    for title, key in _PROTOCOL:
        if key in protocol:
            lines += _wrapped(f"  {title:<14}", str(protocol[key]))
    for note in protocol.get("notes", ()):
        lines += _wrapped(f"  {'note':<14}", note)
    return "\n".join(lines)


def _part_block(title: str, part: Mapping, protocol: Mapping) -> str:
    reason = _not_run(part)
    if reason:
        return "\n".join(_wrapped(f"{title}: not run: ", reason))
    before, after = part["before"], part["after"]
    difference = part["difference"]
    classes = part.get("classes", list(before["per_class"]))
    rows = [
        _row(
            name,
            before["per_class"].get(name),
            after["per_class"].get(name),
            difference["per_class"].get(name),
        )
        for name in classes
    ]
    means = _means(before, after, difference)
    table = _aligned([_COLUMNS, *rows, *means])
    metric = protocol.get("metric", "average precision in %")
    lines = _wrapped(f"{title}: ", metric) + table[: -len(means)]
    lines += ["-" * len(table[0]), *table[-len(means) :]]
    for when, result in (("before", before), ("after", after)):
        lines += _remarks(when, result)
    return "\n".join(lines)


def _means(
    before: Mapping, after: Mapping, difference: Mapping
) -> list[tuple[str, str, str, str]]:
    parts = (before, after, difference)
    rows = [_row("mean", *(part["mean"] for part in parts))]
    # Verdicts of earlier versions have one form of AP alone.
    if all("by_form" in part for part in parts):
        rows += [
            _row(title, *(part["by_form"][form]["mean"] for part in parts))
            for form, title in _FORMS
        ]
    return rows


def _remarks(when: str, result: Mapping) -> list[str]:
    lines = []
    if result.get("left_out"):
        names = ", ".join(result["left_out"])
        lines += _wrapped(f"{when}, left out of the mean: ", names)
    if result.get("fixed_c"):
        names = ", ".join(result["fixed_c"])
        lines += _wrapped(f"{when}, too few positives to choose C: ", names)
    if result.get("not_converged"):
        lines.append(f"{when}: {result['not_converged']} fits did not converge")
    return lines


def _losses_block(losses: Mapping) -> str:
    reason = _not_run(losses)
    if reason:
        return "\n".join(_wrapped("Losses: not run: ", reason))
    rows = [
        ("", "loss", "over floor"),
        (
            "held-out loss",
            _four_digits(losses["test"]),
            f"{losses['test_over_floor']:.3f}",
        ),
        (
            "with offsets permuted",
            _four_digits(losses["permuted"]),
            f"{losses['permuted_over_floor']:.3f}",
        ),
        ("floor (best constant)", _four_digits(losses["floor"]), "1.000"),
    ]
    title = f"Losses per pair, over {losses['pairs']:,} pairs"
    return "\n".join([title, *_aligned(rows), *_losses_in_words(losses)])


def _losses_in_words(losses: Mapping) -> list[str]:
    # The key is of before there was a split of that name.
    held_out, permuted = losses["test"], losses["permuted"]
    floor = "below" if held_out < losses["floor"] else "NOT below"
    used = "below" if held_out < permuted else "NOT below"
    return _wrapped(
        "",
        f"The held-out loss is {floor} the floor (the best that one constant "
        f"prediction can reach) and {used} the loss with the offsets "
        "permuted between the pairs.",
    )


def _row(
    name: str,
    before: float | None,
    after: float | None,
    difference: float | None,
) -> tuple[str, str, str, str]:
    return (
        name,
        _NOT_MEASURED if before is None else f"{before:.2f}",
        _NOT_MEASURED if after is None else f"{after:.2f}",
        _NOT_MEASURED if difference is None else _signed(difference),
    )


def _signed(difference: float) -> str:
    # Rounded first: -0.001 is no loss at two decimals, so it has no minus.
    rounded = round(difference, 2)
    return f"{rounded:+.2f}" if rounded else "0.00"


def _four_digits(loss: float) -> str:
    return f"{loss:,.0f}" if loss >= 1000 else f"{loss:#.4g}"


def _not_run(part: Mapping) -> str:
    if not part:
        return "it is not in the verdict."
    return part.get("not_run", "")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        head + text,
        _WIDTH,
        subsequent_indent=" " * min(len(head), 16),
        break_long_words=False,
        break_on_hyphens=False,
    )
