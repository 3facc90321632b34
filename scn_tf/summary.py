"""The last words of a run: verdict, consumers, and where things lie.

In: the run folder's verdict.json and metrics. Out: text for a terminal.
"""

import pathlib

from scn_tf import report


def summary_text(
    run_dir: pathlib.Path, verdict: dict | None, module: dict | None
) -> str:
    """What came out of a run so far.

    Args:
        run_dir: the run's folder, as the user would write it.
        verdict: contents of verdict.json, if there is one.
        module: the "module" event of metrics.jsonl, if there is one:
            `size_over_weights`, `consumers`, difference by name, and
            `rounding`, what half precision changes, if it is used.
    """
    blocks = []
    if verdict:
        blocks.append(report.verdict_table(verdict))
    if module:
        blocks.append(consumer_table(module))
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
    rows = [
        "Module loaded again: largest relative difference of the features",
        *(
            f"  {name:<30}"
            + ("not checked" if value is None else f"{value:.1e}")
            for name, value in module["consumers"].items()
        ),
        f"  size over weights             {module['size_over_weights']:.3f}",
    ]
    if module.get("rounding"):
        rows.append(f"  half precision, from float32  {module['rounding']:.1e}")
    return "\n".join(rows)


def _snippet(module_dir: pathlib.Path) -> str:
    return (
        "Use it:\n"
        "    import tensorflow_hub as hub\n"
        f'    extractor = hub.KerasLayer("{module_dir}", trainable=False)\n'
        "    vectors = extractor(images)  "
        "# float32 RGB [0, 1] -> [batch, features]"
    )
