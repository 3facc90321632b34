"""Numbers of several seeds as the cell of a table.

In: a value, or a difference with its interval, per seed. Out: text.
"""

import numpy as np

# What stands below a table of `gain_text`.
GAIN_NOTE = (
    "mean over seeds; in brackets 95 % of a paired bootstrap over the judged "
    "photographs (the smallest lower and the largest upper end of all seeds)."
)


def spread_text(values: list[float | None], digits: int = 2) -> str:
    """Mean and standard deviation of a number over seeds, as a cell."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = f"{np.mean(known):.{digits}f}"
    if len(known) == 1:
        return mean
    return f"{mean} ± {np.std(known, ddof=1):.{digits}f}"


def gain_text(differences: list[dict]) -> str:
    """Mean of the differences and the widest interval, as a cell.

    Args:
        differences: of each seed what `bootstrap_difference` returns.
    """
    known = [d for d in differences if d["difference"] is not None]
    if not known:
        return "-"
    mean = sum(d["difference"] for d in known) / len(known)
    low = min(d["interval"][0] for d in known)
    high = max(d["interval"][1] for d in known)
    return f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"
