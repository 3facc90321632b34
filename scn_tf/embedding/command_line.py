"""What the commands on features share: flags, help, last words.

In: the words of a command line. Out: an exit code. The flags live in an
`absl.flags.FlagValues` of their own, so that several commands fit into one
process.
"""

import pathlib
import sys
from collections.abc import Callable

from absl import app
from absl import flags

from scn_tf.embedding.embedder import PICTURES_PER_PART
from tfrecords.console import print_any_text
from tfrecords.errors import InputError

_HELP = ("--help", "-help", "-h", "--helpfull", "--helpshort")
INTERRUPTED = 130


def common_flags() -> flags.FlagValues:
    """Returns new flags: module, pictures, batches."""
    values = flags.FlagValues()
    for name, text in {
        "module": "Folder of an exported feature vector: module/ of a run, or "
        "a TF-Hub image feature vector (TF2 SavedModel).",
        "images": "Folder of pictures, at any depth, or folder of records, "
        "whose whole photographs of all splits are taken.",
    }.items():
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)
    flags.DEFINE_integer(
        "image_size",
        0,
        "Height and width to which pictures are resized, in pixels; 0: the "
        "module's own as its graph states it, or 224 where it states none.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "batch_size",
        32,
        "Pictures per call of the module.",
        lower_bound=1,
        upper_bound=PICTURES_PER_PART,
        flag_values=values,
    )
    flags.DEFINE_enum(
        "on_bad_image",
        "skip",
        ["skip", "stop"],
        "What to do about a picture that cannot be read: leave it out, name "
        "it and count it, or stop.",
        flag_values=values,
    )
    return values


def run_command(
    work: Callable[[flags.FlagValues], int],
    values: flags.FlagValues,
    introduction: str,
    arguments: list[str],
) -> int:
    """Parses a command line and does its work; returns the exit code.

    Args:
        work: what to do with the parsed flags; returns the exit code.
        values: the flags of the command, not parsed yet.
        introduction: what --help prints before the flags.
        arguments: the command line, with the program's name first.
    """
    print_any_text()
    if any(argument in _HELP for argument in arguments):
        print(_help_text(values, introduction))
        return 0
    try:
        unknown = values(arguments)[1:]
        if unknown:
            raise flags.Error(
                f"Arguments without a flag: {unknown}. Flags are written "
                "--name=value."
            )
    except flags.Error as error:
        print(f"{error}\n--help lists all flags.", file=sys.stderr)
        return 2
    try:
        return work(values)
    except InputError as error:
        print(f"\nError: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nInterrupted. What was finished is kept; the same command "
            "continues.",
            file=sys.stderr,
        )
        return INTERRUPTED


def check_not_among(images: str, flag: str, path: str) -> None:
    """Refuses to write a picture where pictures are read.

    The next time it would be one of them, and all would be computed anew.

    Args:
        images: the folder of pictures.
        flag: name of the flag that says where to write.
        path: where.

    Raises:
        InputError: if `path` lies in `images`.
    """
    folder = pathlib.Path(images).resolve()
    if pathlib.Path(path).resolve().is_relative_to(folder):
        raise InputError(
            f"--{flag}={path} lies in --images={images}, so what is drawn "
            f"would be one of the pictures the next time. Name a --{flag} "
            "elsewhere."
        )


def start(main: Callable[[list[str]], int]) -> None:
    """Runs `main` as a program; it parses its command line by itself."""

    def parse_nothing(arguments: list[str]) -> list[str]:
        flags.FLAGS(arguments[:1])
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
