"""Lists and tables in Markdown.

In: plain values. Out: text without a final line break.
"""

from collections.abc import Sequence


def bullets(lines: Sequence[str]) -> str:
    """Returns a list.

    Args:
        lines: one for each of its points.
    """
    return "\n".join(f"- {line}" for line in lines)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns a table; a bar within a cell does not divide it.

    Args:
        columns: their titles.
        rows: of as many cells as there are columns.
    """
    lines = [columns, ["---"] * len(columns), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
