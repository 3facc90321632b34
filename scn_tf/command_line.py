"""A small command: its flags, help, positional words and exit codes.

In: the words of a command line. Out: an exit code. The flags live in an
`absl.flags.FlagValues` of their own, so that several commands fit into one
process. `scn_tf.main` has flags of its own in groups and is no such command.
"""

import sys
from collections.abc import Callable
from collections.abc import Sequence

from absl import app
from absl import flags
from absl import logging

from tfrecords.console import print_any_text
from tfrecords.errors import InputError

_HELP = ("--help", "-help", "-h", "--helpfull", "--helpshort")
_WRONG_COMMAND_LINE = 2
INTERRUPTED = 130


def run_command(
    work: Callable[..., int],
    values: flags.FlagValues,
    introduction: str,
    arguments: Sequence[str],
    words: Sequence[str] = (),
) -> int:
    """Parses a command line and does its work; returns the exit code.

    Args:
        work: what to do with the parsed flags, and with the words without a
            flag where there are some; returns the exit code.
        values: the flags of the command, not parsed yet.
        introduction: what --help prints before the flags.
        arguments: the command line, with the program's name first.
        words: names of the words without a flag, all of them needed.
    """
    print_any_text()
    if any(argument in _HELP for argument in arguments):
        print(_help_text(values, introduction))
        return 0
    try:
        given = values(arguments)[1:]
        if len(given) != len(words):
            wanted = f"Wanted are {len(words)}: {', '.join(words)}. "
            raise flags.Error(
                f"Arguments without a flag: {' '.join(given) or 'none'}. "
                f"{wanted if words else ''}Flags are written --name=value."
            )
    except flags.Error as error:
        print(f"{error}\n--help lists all flags.", file=sys.stderr)
        return _WRONG_COMMAND_LINE
    try:
        return work(values, *given)
    except InputError as error:
        print(f"\nError: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return interrupted()


def interrupted() -> int:
    """Says what Ctrl-C has left; returns the exit code."""
    print(
        "\nInterrupted. What was finished is kept; the same command continues.",
        file=sys.stderr,
    )
    return INTERRUPTED


def start(main: Callable[[list[str]], int]) -> None:
    """Runs `main` as a program; it parses its command line by itself."""

    def parse_nothing(arguments: list[str]) -> list[str]:
        flags.FLAGS(arguments[:1])
        # What these commands have to say they print.
        logging.set_verbosity(logging.WARNING)
        return arguments

    app.run(main, flags_parser=parse_nothing)


def _help_text(values: flags.FlagValues, introduction: str) -> str:
    lines = [introduction.strip(), ""]
    for name in values:
        flag = values[name]
        default = (flag.default_as_str or "").strip("'")
        shown = f"={default}" if default else ""
        required = " (required)" if flag.default is None else ""
        lines.append(f"  --{name}{shown}{required}")
        lines.append(flags.text_wrap(flag.help, 78, indent="      "))
    return "\n".join(lines)
