"""The command line: photographs in, a better feature module out.

    python -m scn_tf.main --flagfile=scn_tf/flagfiles/demo.flags

Runs the stages records, train, evaluate and export on one run folder; the
same command continues where the folder stands.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import functools
import logging as stdlib_logging
import pathlib
import sys

from absl import app
from absl import flags
from absl import logging

from scn_tf import config
from scn_tf import flag_groups
from scn_tf import stages
from scn_tf.command_line import interrupted
from scn_tf.distribution import agree
from scn_tf.distribution import is_chief
from scn_tf.distribution import workers_watched
from scn_tf.dry_run import dry_run_text
from scn_tf.experiments import EXPERIMENTS
from scn_tf.experiments.driver import Driver
from scn_tf.host_memory import shortage_named
from scn_tf.interrupt import EXIT_CODE
from scn_tf.interrupt import TrainingStopped
from scn_tf.summary import run_summary
from tfrecords.errors import InputError

_ROOT = pathlib.Path(__file__).parents[1]
_ROOMS = tuple(_ROOT / name for name in ("scn_tf", "tfrecords", "export"))
_GROUPS = flag_groups.define_flags()
_config_of = functools.partial(config.config_from_flags, groups=_GROUPS)
_STAGES = {
    "records": stages.build_records,
    "train": stages.train,
    "evaluate": stages.evaluate,
    "export": stages.export_module,
}


def main(arguments: list[str]) -> int:
    """Runs the stages; returns the exit code."""
    if len(arguments) > 1:
        print(
            f"Arguments without a flag: {arguments[1:]}. Flags are written "
            "--name=value; --help lists them.",
            file=sys.stderr,
        )
        return 2
    _quiet_libraries()
    try:
        if flags.FLAGS.experiment:
            experiment = EXPERIMENTS[flags.FLAGS.experiment]
            driver = Driver(experiment, flags.FLAGS, _config_of)
            print(driver.run())
            return 1 if driver.failures else 0
        run = stages.start(_config_of(flags.FLAGS))
        with workers_watched(), shortage_named():
            if run.config.dry_run:
                stages.build_records(run)
                agree(run.strategy, 0.0)
                print(dry_run_text(run))
                return 0
            for stage in run.config.stages:
                with run.log.stage(stage):
                    _STAGES[stage](run)
                # The others wait for the chief, who may work alone.
                agree(run.strategy, 0.0)
        if is_chief():
            print(run_summary(run))
    except InputError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except TrainingStopped as stopped:
        print(f"\n{stopped}", file=sys.stderr)
        return EXIT_CODE
    except KeyboardInterrupt:
        return interrupted()
    return 0


def _quiet_libraries() -> None:
    """Lets our own progress through, and only warnings of the libraries."""
    logging.set_verbosity(logging.INFO)
    handler = logging.get_absl_handler()
    handler.setFormatter(None)
    handler.addFilter(
        lambda record: (
            record.levelno > stdlib_logging.INFO
            or any(
                pathlib.Path(record.pathname).is_relative_to(room)
                for room in _ROOMS
            )
        )
    )
    stdlib_logging.getLogger("tensorflow").setLevel(stdlib_logging.ERROR)


def parse_flags(arguments: list[str]) -> list[str]:
    """Parses the command line; prints help or a clear error and exits."""
    if any(argument in ("--help", "-help", "-h") for argument in arguments):
        print(flag_groups.help_text(__doc__.strip(), _GROUPS))
        sys.exit(0)
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        print(f"{error}\n--help lists all flags.", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
