"""The records of a run: built, or found where they are said to be.

In: a `Config`. Out: a folder of records, and a link to it in the run's folder.
"""

from absl import logging

from scn_tf.config import Config
from tfrecords.build import build
from tfrecords.errors import InputError


def make_records(config: Config) -> None:
    """Photographs -> records; what is up to date is not built again.

    Given records without photographs (--records_dir, no --data_dir) are
    taken as they are.

    Raises:
        InputError: if there are neither, or they cannot be built.
    """
    given = (config.records_dir / "manifest.json").is_file()
    if config.records.data_dir or config.records.source == "synthetic":
        build(config.records, config.records_dir, config.records_runner)
    elif given:
        logging.info("Using the records in %s.", config.records_dir)
    else:
        raise InputError(
            "No photographs were named. Give --data_dir=FOLDER, or run the "
            "built-in scenes: --flagfile=scn_tf/flagfiles/demo.flags."
        )


def link_records(config: Config) -> None:
    """Links records that lie elsewhere as `records` of the run's folder."""
    link, folder = config.run_dir / "records", config.records_dir
    if folder.absolute() == link.absolute():
        return
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        link.symlink_to(folder.resolve())
