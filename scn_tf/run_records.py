"""The records of a run: built, or found where they are said to be.

In: a `Config`. Out: a folder of records, and a link to it in the run's folder.
"""

import functools
import re

from absl import logging

from scn_tf.config import Config
from tfrecords.build import build
from tfrecords.errors import InputError
from tfrecords.manifest import read_manifest

# These make other records, but not of another kind: one folder may serve
# trainings of many seeds.
_UNHEEDED = ("seed", "records_shards")
_DIGEST = re.compile("[0-9a-f]{64}")


def make_records(config: Config) -> None:
    """Photographs -> records; what is up to date is not built again.

    Given records without photographs (--records_dir, no --data_dir) are
    taken as they are, with a warning if the flags ask for others.

    Raises:
        InputError: if there are neither, or they cannot be built.
    """
    if config.records.data_dir or config.records.source == "synthetic":
        build(config.records, config.records_dir, config.records_runner)
    elif (config.records_dir / "manifest.json").is_file():
        take_records(config)
    else:
        raise InputError(
            "No photographs were named. Give --data_dir=FOLDER, or run the "
            "built-in scenes: --flagfile=scn_tf/flagfiles/demo.flags."
        )


def take_records(config: Config) -> None:
    """Takes records as they are, with a warning if the flags ask for others.

    Photographs that are named beside records of another place are not looked
    at, and that is said, too.

    Args:
        config: of a run whose records are built.
    """
    logging.info("Using the records in %s.", config.records_dir)
    own = config.run_dir / "records"
    if config.records.data_dir and config.records_dir != own:
        _warn_once(
            f"--data_dir={config.records.data_dir} is not looked at: --stages "
            f"leaves out records, so those in {config.records_dir} are taken "
            "as they are."
        )
    if differences := _differences(config):
        _warn_once(
            f"The records in {config.records_dir} are not what the flags "
            f"ask for, and are used as they are: {' '.join(differences)}"
        )


def _differences(config: Config) -> list[str]:
    """What given records have and the flags do not, each as a sentence."""
    manifest = read_manifest(config.records_dir)
    options = config.records
    source = manifest.source if options.source == "auto" else options.source
    try:
        content = options.content(source)
    except InputError as error:
        # A file that built records can do without.
        return [str(error)]
    # Left out of a manifest where it is not asked for.
    there = {"whole_image": False, **manifest.options}
    wanted = {"whole_image": False, **content}
    return [
        f"--{name}: they have {_short(there[name])}, the flags say "
        f"{_short(value)}."
        for name, value in wanted.items()
        if name in there and name not in _UNHEEDED and there[name] != value
    ]


def _short(value: object) -> str:
    """What a value of an option looks like in a sentence."""
    text = str(value)
    if _DIGEST.fullmatch(text):
        return f"a file of digest {text[:12]}"
    return text or "none"


@functools.cache
def _warn_once(text: str) -> None:
    """Warns; of what every row of an experiment repeats only once."""
    logging.warning("%s", text)


def link_records(config: Config) -> None:
    """Links records that lie elsewhere as `records` of the run's folder."""
    link, folder = config.run_dir / "records", config.records_dir
    if folder.absolute() == link.absolute():
        return
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        link.symlink_to(folder.resolve())
