"""The command that exports a run as a TF-Hub image feature vector.

    python -m export.feature_vector --run_dir=RUN --output=DIR

In: the folder of a trained run. Out: the folder of a module, see
`feature_module`.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import argparse
import sys
import time
from collections.abc import Sequence

from export.comparison import size_ratio
from export.finished_run import open_run
from export.run_module import save_module
from scn_tf.export_flags import EXPORT_FEATURES
from scn_tf.export_flags import ExportOptions
from scn_tf.export_flags import INFERENCE_PRECISIONS
from tfrecords.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the module; returns 1 with a line of text where it cannot."""
    default = ExportOptions()
    parser = argparse.ArgumentParser(
        prog="python -m export.feature_vector",
        description="Exports a trained run as a TF-Hub image feature vector.",
    )
    parser.add_argument("--run_dir", required=True, help="folder of the run")
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument(
        "--features",
        default=default.export_features,
        choices=EXPORT_FEATURES,
        help="h1, or h1 beside the features of the network as it came",
    )
    parser.add_argument(
        "--inference_precision",
        default=default.inference_precision,
        choices=INFERENCE_PRECISIONS,
        help="of the activations; weights and features are float32",
    )
    parser.add_argument(
        "--checkpoint",
        default="",
        choices=("", "last", "best"),
        help="empty: as the flags of the run say",
    )
    given = parser.parse_args(arguments)
    options = ExportOptions(given.features, given.inference_precision)
    try:
        run = open_run(given.run_dir, given.checkpoint)
        began = time.perf_counter()
        save_module(run, given.output, options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{given.output}: {options.export_features} features of "
        f"{given.run_dir}, written in {time.perf_counter() - began:.1f} s, "
        f"{size_ratio(given.output):.4f} times its weights.\n"
        f"Try it: python -m export.check {given.output}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
