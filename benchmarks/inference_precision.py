"""What inference in bfloat16 costs: features and mAP of real photographs.

In: the folder of a trained run with labeled photographs. Exports it in every
inference precision, sends the patches of train and val through each module,
and judges them as the verdict does, with C = 1. Out: how far the features are
from those in float32, mAP, its difference with an interval by bootstrap, and
images per second.

    python -m benchmarks.inference_precision --run_dir=RUN \
      [--features=tuned|joined] [--kinds=images,objects]
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import argparse
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tqdm

from export.finished_run import open_run
from export.run_module import save_module
from scn_tf.evaluation.bootstrap import bootstrap_difference
from scn_tf.evaluation.labels import targets_of
from scn_tf.evaluation.linear_svm import svm_scores
from scn_tf.evaluation.svm_protocol import LinearSvmProtocol
from scn_tf.export_flags import EXPORT_FEATURES
from scn_tf.export_flags import ExportOptions
from scn_tf.export_flags import INFERENCE_PRECISIONS
from scn_tf.run import Run
from tfrecords.errors import InputError

_BATCH = 32


def main() -> int:
    """Measures both kinds of patches and prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inference_precision"
    )
    parser.add_argument("--run_dir", required=True)
    parser.add_argument("--features", default="tuned", choices=EXPORT_FEATURES)
    parser.add_argument("--kinds", default="images,objects")
    given = parser.parse_args()
    kinds = given.kinds.split(",")
    try:
        run = open_run(given.run_dir, "")
        measured = {
            precision: _vectors(
                run, kinds, ExportOptions(given.features, precision)
            )
            for precision in INFERENCE_PRECISIONS
        }
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    exact = measured["float32"]
    for kind in kinds:
        for precision, (vectors, speed) in measured.items():
            print(f"{kind}, {precision}: {speed[kind]:.1f} images/s, ", end="")
            print(_worth(run, kind, vectors, exact[0]), flush=True)
    return 0


def _vectors(
    run: Run, kinds: Sequence[str], options: ExportOptions
) -> tuple[dict, dict]:
    """Returns features by (kind, split), and images/s by kind."""
    vectors, speed = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        save_module(run, pathlib.Path(folder, "module"), options)
        module = tf.saved_model.load(str(pathlib.Path(folder, "module")))
        for kind in kinds:
            number, began = 0, time.perf_counter()
            for split in ("train", "val"):
                batches = run.patches((split,), kind).rebatch(_BATCH)
                title = f"{options.inference_precision}, {split} {kind}"
                rows = [
                    module(tf.cast(batch, tf.float32) / 255).numpy()
                    for batch in tqdm.tqdm(batches, title, mininterval=10)
                ]
                vectors[kind, split] = np.concatenate(rows)
                number += len(vectors[kind, split])
            speed[kind] = number / (time.perf_counter() - began)
    return vectors, speed


def _worth(run: Run, kind: str, vectors: dict, exact: dict) -> str:
    """Returns error, mAP and its difference as a line of text."""
    classes = run.manifest.classes
    graphs = {split: run.graph((split,)) for split in ("train", "val")}
    targets = {
        split: targets_of(graph, kind, len(classes))
        for split, graph in graphs.items()
    }
    images = graphs["val"].object_image
    if kind == "images":
        images = np.arange(len(graphs["val"].image_ids))
    scores, means = [], []
    for features in (exact, vectors):
        found, result = svm_scores(
            features[kind, "train"],
            targets["train"],
            features[kind, "val"],
            targets["val"],
            classes,
            LinearSvmProtocol(c_grid=(1.0,)),
        )
        scores.append(found)
        means.append(result["mean"])
    difference = bootstrap_difference(targets["val"], *scores, classes, images)
    low, high = difference["interval"]
    error = np.linalg.norm(vectors[kind, "val"] - exact[kind, "val"])
    error /= np.linalg.norm(exact[kind, "val"])
    return (
        f"features {error:.1e} from float32's, mAP {means[1]:.2f}, "
        f"{means[1] - means[0]:+.2f} ({low:+.2f} to {high:+.2f})"
    )


if __name__ == "__main__":
    sys.exit(main())
