"""Whether what was wanted of an experiment is reached, seed by seed.

In: outcomes, and what is wanted of their variants. Out: sentences that stand
below a table.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence

from scn_tf.experiments.experiment import Outcome


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a variant is to come to, with every seed.

    Attributes:
        variant: its name.
        text: what is wanted, such as "at most 0.15 at epoch 25".
        epochs: that it takes; after fewer nothing is judged.
        is_reached: what was measured with one seed -> whether that is so.
    """

    variant: str
    text: str
    epochs: int
    is_reached: Callable[[dict], bool]


def wanted_notes(
    wanted: Sequence[Wanted], outcomes: Sequence[Outcome]
) -> tuple[str, ...]:
    """Returns a sentence for each that is wanted of a variant that was run.

    Args:
        wanted: what is judged.
        outcomes: of all variants; their values hold a loss for every epoch
            as "over_floor".
    """
    notes = []
    for one in wanted:
        own = [o for o in outcomes if o.variant == one.variant]
        if own:
            said = _judged(one, own)
            notes.append(f"Wanted {one.variant}: {one.text}: {said}.")
    return tuple(notes)


def _judged(wanted: Wanted, outcomes: Sequence[Outcome]) -> str:
    epochs = min(len(o.values["over_floor"]) for o in outcomes)
    if epochs < wanted.epochs:
        were = "epoch was" if epochs == 1 else "epochs were"
        return f"not judged: {epochs} {were} run"
    missed = [o.seed for o in outcomes if not wanted.is_reached(o.values)]
    seeds = "seed" if len(outcomes) == 1 else "seeds"
    said = (
        f"reached on {len(outcomes) - len(missed)} of {len(outcomes)} {seeds}"
    )
    return f"{said}, not on {', '.join(map(str, missed))}" if missed else said
