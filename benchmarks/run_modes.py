"""Share of time that training waits for input, and its speed, in every mode.

The train stage itself runs, on records of some photographs: with the cache in
the device's memory, in the host's, on disk, without a cache, and with nothing
frozen; on one replica and on two (logical CPUs of this machine, so that two
share its cores: what they cost, not what they gain). Prints the last epoch's
numbers.

    python -m benchmarks.run_modes --data_dir=PHOTOGRAPHS --backbone=vgg19
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import contextlib
import dataclasses
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from unittest import mock

import tensorflow as tf
from absl import app
from absl import flags
from absl import logging
from absl.testing import flagsaver

from scn_tf import feed
from scn_tf import stages
from scn_tf.config import Config
from scn_tf.config import config_from_flags
from scn_tf.device_cache import DeviceCache
from scn_tf.flag_groups import define_flags

_GROUPS = define_flags()
_EPOCHS_MEASURED = flags.DEFINE_integer("measured_epochs", 3, "Epochs to run.")


@dataclasses.dataclass(frozen=True)
class Mode:
    """One way of feeding a training.

    Attributes:
        name: for the table.
        flags: of the run.
        on_device: whether the cache is held as an accelerator would hold it.
    """

    name: str
    flags: tuple[str, ...] = ()
    on_device: bool = False


_TWO = "--devices=CPU:0,CPU:1"
_MODES = (
    Mode("cache on the device", on_device=True),
    Mode("the same, images together", ("--batching=images",), on_device=True),
    Mode("the same, two replicas", (_TWO,), on_device=True),
    Mode("cache in the host's memory"),
    Mode("cache on disk", ("--cache_memory=0.000001",)),
    Mode("no cache", ("--nofeature_cache", "--batching=images")),
    # Four parts: the maps of 64 pairs' patches do not fit into 16 GiB.
    Mode(
        "nothing frozen",
        ("--train_from=input", "--batching=images", "--accumulate=4"),
    ),
)


def main(arguments: Sequence[str]) -> None:
    """Trains in every mode and prints the table."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    logging.set_verbosity(logging.WARNING)
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        processor, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    print(f"{'mode':<30}{'steps/s':>9}{'pairs/s':>10}{'waits':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for number, mode in enumerate(_MODES):
            line = _measure(mode, pathlib.Path(folder), f"run{number}")
            pairs = line["pairs_per_second"]
            print(
                f"{mode.name:<30}{pairs / flags.FLAGS.batch_pairs:>9.2f}"
                f"{pairs:>10.1f}{100 * line['input_wait']:>7.2f}%",
                flush=True,
            )


def _measure(mode: Mode, folder: pathlib.Path, name: str) -> dict:
    """The metrics of the last epoch."""
    with flagsaver.flagsaver(), _cache_held(mode.on_device):
        own = [f"--run_dir={folder / name}", "--picture_every=0"]
        own += [f"--records_dir={folder / 'records'}", "--save_every=60m"]
        own += [f"--epochs={_EPOCHS_MEASURED.value}", *mode.flags]
        flags.FLAGS([sys.argv[0], *sys.argv[1:], *own])
        run = stages.start(_config())
        stages.build_records(run)
        stages.train(run)
        return run.log.history("epoch")[-1]


def _config() -> Config:
    return config_from_flags(flags.FLAGS, _GROUPS)


def _cache_held(on_device: bool) -> contextlib.AbstractContextManager:
    held = DeviceCache if on_device else lambda *arguments: None
    return mock.patch.object(feed, "device_cache", held)


if __name__ == "__main__":
    app.run(main)
