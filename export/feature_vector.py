"""The command that exports a run as a TF-Hub image feature vector.

    python -m export.feature_vector --run_dir=RUN --output=DIR

In: the folder of a trained run. Out: the folder of a module, see
`feature_module`. What is not said is taken as the flags of the run say.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import time
from collections.abc import Sequence

from absl import flags

from export.comparison import size_ratio
from export.finished_run import open_named_run
from export.finished_run import run_flags
from export.finished_run import taken_text
from export.run_module import save_module
from scn_tf.command_line import run_command
from scn_tf.command_line import start
from scn_tf.export_flags import EXPORT_FEATURES
from scn_tf.export_flags import ExportOptions
from scn_tf.export_flags import INFERENCE_PRECISIONS


def main(arguments: Sequence[str]) -> int:
    """Writes the module; returns the exit code."""
    return run_command(_export, _flags(), __doc__, arguments)


def _flags() -> flags.FlagValues:
    values = run_flags()
    flags.DEFINE_enum(
        "features",
        "",
        ["", *EXPORT_FEATURES],
        "h1, or h1 beside the features of the network as it came; empty: "
        "--export_features as the flags of the run say.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "inference_precision",
        "",
        ["", *INFERENCE_PRECISIONS],
        "Of the activations; weights and features are float32; empty: as the "
        "flags of the run say.",
        flag_values=values,
    )
    return values


def _export(values: flags.FlagValues) -> int:
    run = open_named_run(values)
    said = run.config.export
    options = ExportOptions(
        values.features or said.export_features,
        values.inference_precision or said.inference_precision,
    )
    began = time.perf_counter()
    save_module(run, values.output, options)
    print(
        f"{values.output}: {options.export_features} features of "
        f"{values.run_dir}, computed in {options.inference_precision}; "
        f"{taken_text(run)}.\n"
        f"Written in {time.perf_counter() - began:.1f} s, "
        f"{size_ratio(values.output):.4f} times its weights.\n"
        f"Try it: python -m export.check {values.output}"
    )
    return 0


if __name__ == "__main__":
    start(main)
