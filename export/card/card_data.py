"""The part of a module's card on the photographs that it was trained on.

In: the manifest of the records, or None. Out: Markdown: counts, proposals,
and whether labels were used to find them.
"""

from collections.abc import Mapping

from export.card.markdown import bullets
from export.card.markdown import table
from tfrecords.manifest import Manifest

# Which numbers a proposal method reads, besides those that all read.
_PROPOSAL_NUMBERS = {
    "edge_boxes": (
        *("min_score", "max_aspect_ratio", "min_box_area", "edge_alpha"),
        *("edge_beta", "nms_iou", "edge_model"),
    ),
    "file": ("proposals_file",),
    "ground_truth": (),
    "uniform": ("uniform_crops", "uniform_side"),
    "yolo": ("min_score", "yolo_weights"),
}
_OF_ALL = ("boxes_per_image", "whole_image")


def data_text(
    manifest: Manifest | None,
    train_splits: tuple[str, ...],
    max_pair_iou: float | None = None,
    train_split: str | None = None,
) -> str:
    """Returns what is known of the data as Markdown, without a title.

    Args:
        manifest: of the records; None if they have none.
        train_splits: names of the splits that were trained on.
        max_pair_iou: pairs that overlap more were left out; None: not known.
        train_split: value of --train_split; None: not known.
    """
    if manifest is None:
        return "Not known: the records have no manifest."
    rows = [
        (
            name,
            f"{split.images:,}",
            f"{split.proposals:,}",
            f"{split.pairs:,}",
            "trained on" if name in train_splits else "not trained on",
        )
        for name, split in manifest.splits.items()
    ]
    lines = [
        f"Kind of source: `{manifest.source}`. Digest of the records: "
        f"`{manifest.digest}`.",
        "Images left out because they could not be used: "
        f"{len(manifest.skipped)}.",
        f"Proposals: {_proposals(manifest.options)}.",
    ]
    if max_pair_iou is not None and max_pair_iou < 1:
        lines.append(
            f"Of the pairs, those that overlap by more than {max_pair_iou} "
            "(IoU) were not used; the table counts them."
        )
    if train_split == "train_part":
        lines.append("Only a part of the train photographs was trained on.")
    if manifest.label_leak:
        lines.append(f"**Labels in the proposals:** {manifest.label_leak}.")
    else:
        lines.append("No labels were used to find the proposals.")
    columns = ("split", "images", "proposals", "pairs", "use")
    return f"{table(columns, rows)}\n\n{bullets(lines)}"


def _proposals(options: Mapping) -> str:
    method = options.get("proposals", "not known")
    # Of a method that is not known here: all that the manifest holds.
    names = _PROPOSAL_NUMBERS.get(method, tuple(options))
    numbers = [
        f"{name} {options[name]}"
        for name in (*_OF_ALL, *names)
        if options.get(name, "") != ""
    ]
    return f"`{method}` ({', '.join(numbers) or 'settings not known'})"
