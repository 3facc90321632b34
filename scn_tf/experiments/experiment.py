"""What an experiment is: variants of one run, a measurement, a table.

In: nothing. Out: the classes that every experiment is made of. A new one is
a file beside this one and a line in EXPERIMENTS.
"""

import dataclasses
import pathlib
import shlex
import shutil
from collections.abc import Callable

from absl import logging

from scn_tf.config import Config
from scn_tf.experiments.table import Table
from scn_tf.run import Run
from tfrecords.errors import InputError
from tfrecords.files import replacing

# Flags of the whole experiment, or set for every row by its driver.
_OF_ALL = {
    *("run_dir", "seed", "seeds", "records_seed", "stages", "dry_run"),
    *("experiment", "variant", "max_variants"),
}


@dataclasses.dataclass(frozen=True)
class Variant:
    """One row of a table: flags that differ from those of the command.

    Attributes:
        name: the row's name, and its folder's.
        flags: such as "--proposals=uniform".
        trained: whether a network is trained; else it is measured as it came,
            once, for there is nothing to draw from a seed.
        is_control: whether the others are to be held against it.
    """

    name: str
    flags: tuple[str, ...] = ()
    trained: bool = True
    is_control: bool = False

    @classmethod
    def parse(cls, text: str) -> "Variant":
        """Reads "NAME: --flag=value --flag=value", a value of --variant.

        "NAME: untrained --flag=value" is a variant that is not trained,
        "NAME: control --flag=value" one that the others are held against.

        Raises:
            InputError: if there is no name, or what follows are no flags, or
                flags that are not a row's to choose.
        """
        name, colon, rest = text.partition(":")
        name, words = name.strip(), shlex.split(rest)
        kind = words[0] if words[:1] in (["untrained"], ["control"]) else ""
        words = words[1:] if kind else words
        is_folder = name not in ("", ".", "..") and not set(name) & set("/\\\0")
        if not (colon and is_folder and all(w[:2] == "--" for w in words)):
            raise InputError(
                f"--variant={text!r}: wanted a name, a colon and flags, such "
                "as 'deep: --train_from=block_14_expand', or 'NAME: "
                "untrained' or 'NAME: control --flag=value'. The name may hold "
                "no slash."
            )
        refused = {word[2:].partition("=")[0] for word in words} & _OF_ALL
        if refused:
            raise InputError(
                f"--variant={text!r}: {', '.join(sorted(refused))} cannot "
                "differ between rows. Seeds are given by --seeds."
            )
        return cls(name, tuple(words), kind != "untrained", kind == "control")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was measured of one variant with one seed.

    Attributes:
        variant: its name.
        seed: of the training.
        values: what the experiment's `measure` returned.
        is_control: whether the others are to be held against it.
    """

    variant: str
    seed: int
    values: dict
    is_control: bool = False


@dataclasses.dataclass(frozen=True)
class Report:
    """What an experiment came to.

    Attributes:
        tables: printed, and written as csv and as pictures.
        draw: more pictures, by file name without ending.
    """

    tables: tuple[Table, ...]
    draw: dict[str, Callable[[pathlib.Path], None]] = dataclasses.field(
        default_factory=dict
    )


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        title: what it shows, with the paper's section.
        variants: the config of the command -> variants, unless --variant
            names others.
        measure: a run whose network is trained -> numbers, ready for JSON.
        require: a run whose records are built -> InputError if they lack
            what `measure` needs; asked before anything is trained.
        report: outcomes of all variants and seeds -> tables and pictures.
        watch: called with the run and the epochs it has had, at the start
            and after every epoch.
        new_records_per_seed: whether the data are drawn anew for each seed.
        judges: the values of --judge_on that `measure` can follow.
        version: of what `measure` returns. Raise it with every change, so
            that what an earlier version measured is measured again.
    """

    title: str
    variants: Callable[[Config], tuple[Variant, ...]]
    measure: Callable[[Run], dict]
    report: Callable[[list[Outcome]], Report]
    require: Callable[[Run], None] | None = None
    watch: Callable[[Run, int], None] | None = None
    new_records_per_seed: bool = False
    judges: tuple[str, ...] = ("val",)
    version: int = 1


def picture_copied(
    name: str, source: str
) -> dict[str, Callable[[pathlib.Path], None]]:
    """A run's picture as one of the report's; none where it is gone.

    Args:
        name: of the copy, without ending.
        source: PNG file in the run's folder, an absolute path.
    """
    if not pathlib.Path(source).is_file():
        logging.warning("%s is gone: %s.png is not renewed.", source, name)
        return {}

    def copy(path: pathlib.Path) -> None:
        with replacing(path) as temporary:
            shutil.copyfile(source, temporary)

    return {name: copy}


def by_variant(outcomes: list[Outcome]) -> dict[str, list[dict]]:
    """Values of all seeds by variant, in the order of their first outcome."""
    grouped = {}
    for outcome in outcomes:
        grouped.setdefault(outcome.variant, []).append(outcome.values)
    return grouped
