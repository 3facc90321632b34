"""What the numbers of a table are of: network, weights, photographs.

In: a run, when it is measured. Out: a dict that is kept with what was
measured, and of these the sentences below the table.
"""

import pathlib

from scn_tf.experiments.experiment import Outcome
from scn_tf.run import Run
from scn_tf.run_data import learning_part


def setting_of(run: Run) -> dict:
    """Returns what a run is measured on, ready for JSON.

    Returns:
        "backbone"; "weights": the file's name, "imagenet" or "none";
        "source" of the photographs; "judged_on", the value of --judge_on;
        "fitted" and "judged": photographs that classifiers are fitted on and
        judged by.
    """
    config = run.config
    fitted, judged = _photographs(run)
    return {
        "backbone": config.backbone,
        "weights": pathlib.Path(config.weights).name,
        "source": run.manifest.source,
        "judged_on": config.judge_on,
        "fitted": fitted,
        "judged": judged,
    }


def judging_splits(judge_on: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The splits that classifiers are fitted on, and those that judge them.

    Args:
        judge_on: the value of --judge_on. Of train_part both are train, which
            is then parted by `learning_part`.
    """
    if judge_on == "train_part":
        return ("train",), ("train",)
    fitted = ("train", "val") if judge_on == "test" else ("train",)
    return fitted, (judge_on,)


def setting_notes(outcomes: list[Outcome]) -> tuple[str, ...]:
    """The sentences below a table: one, or one for each kind of rows.

    Empty where nothing was noted, as in results of earlier versions.

    Args:
        outcomes: with what `setting_of` returned as "setting".
    """
    rows = {}
    for outcome in outcomes:
        text = _text(outcome.values.get("setting"))
        rows.setdefault(text, {})[outcome.variant] = None
    if len(rows) == 1:
        return tuple(text for text in rows if text)
    return tuple(
        f"{', '.join(names)}: {text or 'not noted.'}"
        for text, names in rows.items()
    )


def _photographs(run: Run) -> tuple[int, int]:
    fitted, judged = judging_splits(run.config.judge_on)
    number = len(run.graph(fitted).image_ids)
    if fitted == judged:
        learned = int(learning_part(number).sum())
        return learned, number - learned
    return number, len(run.graph(judged).image_ids)


def _text(setting: dict | None) -> str:
    if not setting:
        return ""
    weights = setting["weights"]
    named = {"none": "random weights", "imagenet": "Keras's ImageNet weights"}
    return (
        f"Network: {setting['backbone']}, {named.get(weights, weights)}. "
        f"Photographs: source {setting['source']}; classifiers are fitted on "
        f"{setting['fitted']:,} and judged by {setting['judged']:,} of "
        f"{setting['judged_on']}."
    )
