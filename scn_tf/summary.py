"""The last words of a run: verdict, consumers, and where things lie.

In: the run folder's verdict.json and metrics. Out: text for a terminal.
"""

import json
import os
import pathlib
from collections.abc import Sequence

from scn_tf import report
from scn_tf.run import Run


def summary_text(
    run_dir: pathlib.Path,
    verdict: dict | None,
    module: dict | None,
    notes: Sequence[str] = (),
) -> str:
    """What came out of a run so far.

    Args:
        run_dir: the run's folder, as the user would write it.
        verdict: contents of verdict.json, if there is one.
        module: the "module" event of metrics.jsonl, if there is one:
            `size_over_weights`, `consumers`, difference by name, and
            `rounding`, what half precision changes, if it is used.
        notes: what else is to be said, such as of files that are older.
    """
    blocks = []
    if verdict:
        blocks.append(report.verdict_table(verdict))
    if module:
        blocks.append(consumer_table(module))
    blocks += ["\n".join(notes)] if notes else []
    lines = [f"Run folder   {run_dir}"]
    for name, folder in (
        ("Pictures", "pictures"),
        ("TensorBoard", "tensorboard"),
        ("Module", "module"),
    ):
        if (run_dir / folder).exists():
            lines.append(f"{name:<13}{run_dir / folder}")
    blocks.append("\n".join(lines))
    if module:
        blocks.append(_snippet(run_dir / "module"))
    return "\n\n".join(blocks)


def consumer_table(module: dict) -> str:
    """How far each consumer of the module is from the network itself."""
    rows = {
        name: "not checked" if value is None else f"{value:.1e}"
        for name, value in module["consumers"].items()
    }
    rows["size over weights"] = f"{module['size_over_weights']:.3f}"
    if module.get("rounding"):
        rows["half precision, from float32"] = f"{module['rounding']:.1e}"
    width = max(map(len, rows))
    title = "Module loaded again: largest relative difference of the features"
    lines = [f"  {name:<{width}}  {text}" for name, text in rows.items()]
    return "\n".join([title, *lines])


def _snippet(module_dir: pathlib.Path) -> str:
    return (
        "Use it:\n"
        "    import tensorflow_hub as hub\n"
        f'    extractor = hub.KerasLayer("{module_dir}", trainable=False)\n'
        "    vectors = extractor(images)  "
        "# float32 RGB [0, 1] -> [batch, features]"
    )


def run_summary(run: Run) -> str:
    """What came out of the run, for the end of the command."""
    path = run.config.run_dir / "verdict.json"
    verdict = json.loads(path.read_text()) if path.is_file() else None
    module = (run.log.history("module") or [None])[-1]
    step = _step_of_now(run)
    old = []
    if verdict and not _is_of_now(run, step, verdict):
        old.append(
            f"The verdict is older, of step {verdict['checkpoint_step']} or "
            "other flags; --stages=evaluate judges anew."
        )
        verdict = None
    if module and not _is_of_now(run, step, module, "inference_precision"):
        old.append(
            f"The module is older, of step {module['checkpoint_step']} or "
            "other flags; --stages=export writes it anew."
        )
        module = None
    run_dir = pathlib.Path(os.path.relpath(run.config.run_dir))
    return summary_text(run_dir, verdict, module, old)


def _step_of_now(run: Run) -> int | None:
    """That of the checkpoint that counts; None where it is not known."""
    if run.restored_step:
        return run.restored_step
    if run.config.checkpoint != "last":
        return None
    trained = [line["step"] for line in run.log.history("epoch")]
    return max(trained, default=None)


def _is_of_now(run: Run, step: int | None, made: dict, *more: str) -> bool:
    """Whether a verdict or module is of this step and these flags.

    Args:
        run: as it is now.
        step: of the checkpoint that counts; None where it is not known.
        made: what verdict or module say of themselves.
        *more: names of export options that count, beside blend and features.
    """
    config = run.config
    now = {
        "neck_blend": config.neck_blend,
        "features": config.export.export_features,
        **{name: getattr(config.export, name) for name in more},
    }
    if step is not None:
        now["checkpoint_step"] = step
    # What an earlier version did not note is taken to be alike.
    return all(made.get(name, value) == value for name, value in now.items())
