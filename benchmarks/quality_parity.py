"""Whether what makes training fast costs quality: same pairs, same verdict.

Trains as the flagfile says on the same number of pairs in four ways: pairs
shuffled over the whole set or kept together by image, a feature cache of
float16 or float32, and steps in float32 or bfloat16. For each of some seeds
the whole program runs; prints test loss and both mAPs, their means and
standard deviations.

    python -m benchmarks.quality_parity --records_dir=RECORDS \
      --weights=mobilenet_v2_imagenet.weights.h5 --run_dir=RUNS
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import json
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Sequence

from absl import app
from absl import flags

_RECORDS_DIR = flags.DEFINE_string(
    "records_dir", None, "Folder of the records.", required=True
)
_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "Folder of all runs.", required=True
)
_WEIGHTS = flags.DEFINE_string("weights", None, "Weights.", required=True)
_FLAGFILE = flags.DEFINE_string(
    "flags_of_run", "scn_tf/flagfiles/voc07_mobilenet_v2.flags", "Recipe."
)
_EPOCHS = flags.DEFINE_integer("epochs", 6, "Epochs of each run.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds.")
_SVM_C = flags.DEFINE_string("svm_c", "1", "Cost of the classifiers.")
_WAYS = {
    "images, float16": ("images", "float16", "float32"),
    "pairs, float16": ("pairs", "float16", "float32"),
    "images, float32": ("images", "float32", "float32"),
    "steps in bfloat16": ("images", "float16", "bfloat16"),
}
_COLUMNS = ("test loss / floor", "images mAP", "crops mAP")


def main(arguments: Sequence[str]) -> None:
    """Runs everything that is not there yet and prints the table."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unknown arguments: {arguments[1:]}.")
    results = {way: [] for way in _WAYS}
    before = None
    for seed in _SEEDS.value:
        for way in _WAYS:
            verdict = _verdict(way, seed)
            kinds = (verdict["images"], verdict["objects"])
            before = [kind["before"]["mean"] for kind in kinds]
            after = [kind["after"]["mean"] for kind in kinds]
            loss = verdict["losses"]["test_over_floor"]
            results[way].append((loss, *after))
            print(f"  {way}, seed {seed}: {results[way][-1]}", flush=True)
    print(f"{'way':<18}" + "".join(f"{name:>22}" for name in _COLUMNS))
    print(
        f"{'before':<18}{'':>22}" + "".join(f"{mean:>22.2f}" for mean in before)
    )
    for way, rows in results.items():
        print(f"{way:<18}" + "".join(_cell(c) for c in zip(*rows)))  # noqa: B905


def _cell(values: Sequence[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    digits = 4 if max(values) < 10 else 2
    return f"{statistics.mean(values):>13.{digits}f} ± {spread:.{digits}f}"


def _verdict(way: str, seed: str) -> dict:
    """Runs the program, or takes what an earlier call has left."""
    batching, dtype, precision = _WAYS[way]
    folder = pathlib.Path(_RUN_DIR.value).absolute()
    run_dir = folder / f"{batching}_{dtype}_{precision}_{seed}"
    path = run_dir / "verdict.json"
    if not path.is_file():
        run_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "scn_tf.main"]
        command += [f"--flagfile={_FLAGFILE.value}", f"--run_dir={run_dir}"]
        command += [f"--records_dir={_RECORDS_DIR.value}", f"--seed={seed}"]
        command += [f"--weights={_WEIGHTS.value}", f"--batching={batching}"]
        # What is cached does not depend on the seed.
        command += [f"--cache_dir={folder / 'cache'}"]
        command += [f"--training_precision={precision}"]
        command += [f"--cache_dtype={dtype}", f"--epochs={_EPOCHS.value}"]
        command += [f"--svm_c={_SVM_C.value}", "--picture_every=0"]
        command += ["--stages=records,train,evaluate"]
        with open(run_dir / "log.txt", "w") as log:
            done = subprocess.run(command, stdout=log, stderr=log)
        if done.returncode:
            raise app.UsageError(f"A run failed, see {run_dir}/log.txt.")
    return json.loads(path.read_text())


if __name__ == "__main__":
    app.run(main)
