"""Which experiment is run, with which seeds and variants: flags and plan.

In: absl flags. Out: `Plan`. The experiments themselves are in
`scn_tf.experiments`; their names stand here, for flags come first.
"""

import dataclasses

from absl import flags

from tfrecords.errors import InputError
from tfrecords.options import LARGEST_SEED

EXPERIMENT_NAMES = (
    *("features", "fig3", "fig4", "fusion", "losses"),
    *("table1", "table2", "table3", "table4"),
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which experiment is run, if any; each is a flag.

    Attributes:
        experiment: its name; "" runs one network.
        seeds: of the trainings.
        variants: as the flag gives them; none takes the experiment's own.
        max_variants: how many are run, in their order; 0 runs all.
    """

    experiment: str = ""
    seeds: tuple[int, ...] = (0,)
    variants: tuple[str, ...] = ()
    max_variants: int = 0


def define_flags() -> None:
    """Defines the flags of an experiment; call once per process."""
    flags.DEFINE_enum(
        "experiment",
        "",
        ["", *EXPERIMENT_NAMES],
        "What to run instead of one network; see docs/experiments.md.",
    )
    flags.DEFINE_list("seeds", ["0"], "Seeds of an experiment's trainings.")
    flags.DEFINE_multi_string(
        "variant",
        None,
        "A row of an experiment's table in place of its own rows: a name, a "
        "colon and flags. 'untrained' before them takes the network as it "
        "came, 'control' a row that others are held against. May be given "
        "several times.",
    )
    flags.DEFINE_integer(
        "max_variants",
        0,
        "Rows that are run, the first so many; 0: all. The flags of all are "
        "looked at.",
        lower_bound=0,
    )


def plan_from_flags(values: flags.FlagValues) -> Plan:
    """Returns the plan that the parsed flags ask for.

    Raises:
        InputError: if a seed is no number that can be one or given twice, or
            there is none.
    """
    try:
        seeds = tuple(map(int, values.seeds))
    except ValueError:
        seeds = ()
    known = all(0 <= seed <= LARGEST_SEED for seed in seeds)
    if not seeds or not known or len(set(seeds)) < len(seeds):
        raise InputError(
            f"--seeds={','.join(values.seeds)} must be whole numbers from 0 "
            f"to {LARGEST_SEED:,} with commas between, each once."
        )
    return Plan(
        values.experiment,
        seeds,
        tuple(values.variant or ()),
        values.max_variants,
    )
