"""Flags that name files and folders.

In: what a command line or a flagfile says. Out: the path, with `~` as the home
folder: a shell does not see to that behind the `=` of a flag.
"""

import os

from absl import flags

# A flag belongs to the module that asks for it here; --help lists it there.
flags.disclaim_key_flags()


def define_path(
    name: str,
    default: str | None,
    text: str,
    flag_values: flags.FlagValues = flags.FLAGS,
    required: bool = False,
) -> None:
    """Defines a flag for a path; words without `~` stay as they are.

    Args:
        name: of the flag.
        default: its value where it is not given.
        text: what --help says of it.
        flag_values: the flags that it joins.
        required: whether it must be given.
    """
    flags.DEFINE(
        _PathParser(),
        name,
        default,
        text,
        flag_values=flag_values,
        serializer=flags.ArgumentSerializer(),
        required=required,
    )


class _PathParser(flags.ArgumentParser):
    def parse(self, argument: str) -> str:
        return os.path.expanduser(super().parse(argument))
