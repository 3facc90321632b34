"""Runs all variants of an experiment with all seeds, then makes its table.

In: the flags of the command. Out: a folder per variant and seed, each of
which is a run of its own with flags.txt and checkpoints; `result.json` in it
once it was measured; tables and pictures beside them. What is measured is
not measured again: the same command continues an experiment.
"""

import contextlib
import copy
import gc
import hashlib
import json
import time
from collections.abc import Callable

import keras
from absl import flags
from absl import logging

from scn_tf import stages
from scn_tf.backbones.weights import require_weights
from scn_tf.config import Config
from scn_tf.distribution import num_workers
from scn_tf.experiments import row_folder
from scn_tf.experiments.experiment import Experiment
from scn_tf.experiments.experiment import Outcome
from scn_tf.experiments.experiment import Report
from scn_tf.experiments.experiment import Variant
from scn_tf.host_memory import shortage_named
from scn_tf.run import Run
from scn_tf.run_folder import write_experiment
from scn_tf.run_records import make_records
from tfrecords.errors import InputError
from tfrecords.files import replacing
from tfrecords.options import BuildOptions


class Driver:
    """Takes an experiment from its flags to its report.

    Args:
        experiment: what is run.
        values: the parsed flags of the command.
        config_of: flags -> config.

    Attributes:
        failures: rows that could not be run, and why; known after `run`.
    """

    def __init__(
        self,
        experiment: Experiment,
        values: flags.FlagValues,
        config_of: Callable[[flags.FlagValues], Config],
    ) -> None:
        self._experiment = experiment
        self._values = values
        self._config_of = config_of
        self.failures = []
        self._config = config_of(values)
        self._folder = self._config.run_dir
        self._began = time.monotonic()
        self._measured = 0

    def run(self) -> str:
        """Runs what was not run yet and writes the report; returns its text.

        A variant whose training fails is named, left out of the table and
        tried again by the next call. With --dry_run nothing is run; the text
        says what would be.

        Raises:
            InputError: if the flags of a variant are wrong, or all failed.
        """
        if num_workers() > 1:
            raise InputError(
                "An experiment runs on one machine: start it without "
                "TF_CONFIG, or run its variants one by one."
            )
        plan = self._plan()
        if self._config.dry_run:
            return self._plan_text(plan)
        write_experiment(self._folder, self._config.values, self._config.plan)
        self._renew_records(plan)
        outcomes = []
        for place, (variant, seed) in enumerate(plan):
            self._announce(place, len(plan), variant, seed)
            try:
                values = self._outcome(variant, seed)
                outcomes.append(
                    Outcome(variant.name, seed, values, variant.is_control)
                )
            except InputError as error:
                self.failures.append(f"{variant.name}, seed {seed}: {error}")
                logging.error("Left out: %s", self.failures[-1])
        if not outcomes:
            raise InputError(
                "No variant of the experiment could be run. The first: "
                f"{self.failures[0]}"
            )
        return self._write(self._experiment.report(outcomes), outcomes)

    def _renew_records(self, plan: list[tuple[Variant, int]]) -> None:
        """Builds all records where any row is to be measured.

        So that rows which were measured on others are not put beside it.
        Records that cannot be built are told of when it is their turn.
        """
        rows = [self._read(*row) for row in plan]
        if all(values is not None for _, values in rows):
            return
        for config in {
            config.records_dir: config for config, _ in rows
        }.values():
            with contextlib.suppress(InputError):
                make_records(config)

    def _plan_text(self, plan: list[tuple[Variant, int]]) -> str:
        lines = [self._experiment.title]
        for variant, seed in plan:
            config, values = self._read(variant, seed)
            done = "to do" if values is None else "measured"
            own = " ".join(variant.flags) or "no flags of its own"
            lines.append(f"  {done:<9} {config.run_dir}: {own}")
        return "\n".join(lines)

    def _plan(self) -> list[tuple[Variant, int]]:
        named = tuple(map(Variant.parse, self._config.plan.variants))
        variants = named or self._experiment.variants(self._config)
        names = [variant.name for variant in variants]
        if len(set(names)) < len(names):
            raise InputError(f"Two variants have one name: {names}.")
        configs = [self._variant_config(variant, 0) for variant in variants]
        for config in configs:
            require_weights(config.weights)
        _require_one_judge(configs)
        _require_own_records(configs)
        variants = variants[: self._config.plan.max_variants or None]
        return [
            (variant, seed)
            for seed in self._config.plan.seeds
            for variant in variants
            if variant.trained or seed == self._config.plan.seeds[0]
        ]

    def _read(self, variant: Variant, seed: int) -> tuple[Config, dict | None]:
        """The config of one run, and what was measured of it so far."""
        config = self._variant_config(variant, seed)
        return config, row_folder.read_values(config, self._experiment, variant)

    def _variant_config(self, variant: Variant, seed: int) -> Config:
        """The config of one run: the command's, but for the variant's flags."""
        values = copy.deepcopy(self._values)
        # What stands in a flagfile of the variant gives way to these.
        own = [f"--run_dir={self._folder / variant.name / f'seed{seed}'}"]
        own += [f"--seed={seed}"]
        if not self._experiment.new_records_per_seed:
            own += [f"--records_seed={self._config.records.seed}"]
        if not values.cache_dir:
            values.cache_dir = str(self._folder / "cache")
        try:
            values(["experiment", *variant.flags, *own])
            config = self._config_of(values)
            if not values.records_dir:
                name = _records_name(config.records)
                values.records_dir = str(self._config.records_dir / name)
                config = self._config_of(values)
        except flags.Error as error:
            raise InputError(
                f"Variant {variant.name!r} ({' '.join(variant.flags)}): {error}"
            ) from error
        self._require_judge(variant, config)
        return config

    def _require_judge(self, variant: Variant, config: Config) -> None:
        judges = self._experiment.judges
        if config.judge_on not in judges:
            raise InputError(
                f"--judge_on={config.judge_on}: this experiment is judged by "
                f"{' or '.join(judges)} alone."
            )
        # What a network was trained on, even without labels, flatters it.
        seen = config.train_split != "train_part"
        if variant.trained and config.judge_on == "train_part" and seen:
            raise InputError(
                f"Variant {variant.name!r}: --judge_on=train_part judges by "
                f"photographs that --train_split={config.train_split} trains "
                "on. Add --train_split=train_part."
            )

    def _outcome(self, variant: Variant, seed: int) -> dict:
        """Trains and measures one run, or reads what an earlier call left."""
        config, finished = self._read(variant, seed)
        if finished is not None:
            return finished
        run = stages.start(config)
        try:
            with shortage_named():
                values = self._measure(run, variant)
        finally:
            # The next run makes its own networks.
            del run
            keras.backend.clear_session()
            gc.collect()
        row_folder.write_values(config, self._experiment, variant, values)
        self._measured += 1
        return values

    def _measure(self, run: Run, variant: Variant) -> dict:
        stages.build_records(run)
        if self._experiment.require:
            self._experiment.require(run)
        if variant.trained:
            splits = (run.config.train_split, run.config.judge_on)
            if splits == ("trainval", "val"):
                logging.warning(
                    "%s is trained, without labels, on the photographs of val "
                    "as well, which judge it.",
                    variant.name,
                )
            # What is watched while a network learns must be seen again.
            if not self._experiment.watch:
                row_folder.take_over(self._folder, run.config)
            with run.log.stage("train"):
                stages.train(run, self._experiment.watch)
            row_folder.require_epochs(run)
            stages.restore(run)
        with run.log.stage("measure"):
            return self._experiment.measure(run)

    def _announce(
        self, place: int, total: int, variant: Variant, seed: int
    ) -> None:
        minutes = (time.monotonic() - self._began) / 60
        left = "?"
        if self._measured:
            left = f"{minutes / self._measured * (total - place):.0f} min"
        logging.info(
            "Run %d of %d: %s, seed %d; %.0f min so far, about %s left.",
            place + 1,
            total,
            variant.name,
            seed,
            minutes,
            left,
        )

    def _write(self, report: Report, outcomes: list[Outcome]) -> str:
        failed = [f"Failed and left out: {each}" for each in self.failures]
        lines = [table.text() + "\n" for table in report.tables] + failed
        lines += [f"Tables and pictures: {self._folder}"]
        if failed:
            lines += ["The same command tries again what failed."]
        text = "\n".join(lines)
        with replacing(self._folder / "report.txt") as temporary:
            temporary.write_text(text + "\n")
        with replacing(self._folder / "outcomes.json") as temporary:
            everything = [vars(outcome) for outcome in outcomes]
            temporary.write_text(json.dumps(everything, indent=1))
        for table in report.tables:
            table.write_csv(self._folder / f"{table.name}.csv")
            table.write_picture(self._folder / f"{table.name}.png")
        for name, draw in report.draw.items():
            draw(self._folder / f"{name}.png")
        return text


def _require_one_judge(configs: list[Config]) -> None:
    judges = sorted({config.judge_on for config in configs})
    if len(judges) > 1:
        raise InputError(
            f"Rows judged on {' and on '.join(judges)} cannot stand in one "
            "table: give --judge_on once, for all."
        )


def _require_own_records(configs: list[Config]) -> None:
    """Refuses one folder of records for rows that want different ones."""
    wanted = {}
    for config in configs:
        name = _records_name(config.records)
        if wanted.setdefault(config.records_dir, name) != name:
            raise InputError(
                f"--records_dir={config.records_dir} is one folder, but the "
                "rows need different records. Leave it out and give "
                "--data_dir, and each gets its own."
            )


def _records_name(records: BuildOptions) -> str:
    """One folder per kind of records: variants share what they can."""
    content = json.dumps(records.content(records.source), sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return f"{records.proposals}-{digest[:8]}"
