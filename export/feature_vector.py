"""The command that exports a run as a TF-Hub image feature vector.

    python -m export.feature_vector --run_dir=RUN --output=DIR

In: the folder of a trained run. Out: the folder of a module, see
`feature_module`.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import time
from collections.abc import Sequence

from absl import flags

from export.comparison import size_ratio
from export.finished_run import open_run
from export.finished_run import run_flags
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
    default = ExportOptions()
    flags.DEFINE_enum(
        "features",
        default.export_features,
        EXPORT_FEATURES,
        "h1, or h1 beside the features of the network as it came.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "inference_precision",
        default.inference_precision,
        INFERENCE_PRECISIONS,
        "Of the activations; weights and features are float32.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "checkpoint",
        "",
        ["", "last", "best"],
        "Which one; empty: as the flags of the run say.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "neck_blend",
        None,
        "Share of what the network learned that it keeps, 0 to 1; default: as "
        "the flags of the run say.",
        lower_bound=0,
        upper_bound=1,
        flag_values=values,
    )
    return values


def _export(values: flags.FlagValues) -> int:
    options = ExportOptions(values.features, values.inference_precision)
    run = open_run(values.run_dir, values.checkpoint, values.neck_blend)
    began = time.perf_counter()
    save_module(run, values.output, options)
    print(
        f"{values.output}: {options.export_features} features of "
        f"{values.run_dir}, written in {time.perf_counter() - began:.1f} s, "
        f"{size_ratio(values.output):.4f} times its weights.\n"
        f"Try it: python -m export.check {values.output}"
    )
    return 0


if __name__ == "__main__":
    start(main)
