"""What is inside of a folder of records: sizes, offsets, overlaps.

In: finished records. Out: numbers per split, as text and as a picture. The
paper states that 92.6 % of its pairs (labeled boxes of VOC2012) overlap by
less than 0.2 (section 4.2); here stands the share of the pairs at hand.
"""

import os
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from tfrecords.boxes import area
from tfrecords.boxes import paired_iou
from tfrecords.files import replacing
from tfrecords.manifest import read_manifest
from tfrecords.pair_graph import PairGraph
from tfrecords.pair_graph import read_pair_graph

_FAR_IOU = 0.2  # section 4.2's control: pairs that overlap less
_DPI = 110
_BINS = 40


def measure(records_dir: str | os.PathLike) -> dict[str, dict]:
    """Returns what is inside, by split; damaged records are left out.

    Returns:
        Split -> dict of `images`, `proposals`, `pairs` (counts),
        `boxes_per_image` [I], `box_share` [N] (root of the box's area over
        the picture's), `aspect` [N] (width over height), `offset` [P, 2]
        (from center to center, x and y, over the picture's longest side),
        `iou` [P], `same_class` [P'] (bool, of pairs of known classes),
        `objects` (labeled boxes), `label_leak` (text).
    """
    manifest = read_manifest(records_dir)
    return {
        split: {
            **_of_graph(read_pair_graph(records_dir, [split], "skip")),
            "label_leak": manifest.label_leak,
        }
        for split in manifest.splits
    }


def _of_graph(graph: PairGraph) -> dict:
    boxes, sizes = graph.boxes, graph.sizes[graph.patch_image]
    height, width = (boxes[:, 2:] - boxes[:, :2]).T
    source, target = graph.pairs.T
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    longest = sizes[source].max(axis=1, initial=1)
    known = np.minimum(graph.labels[source], graph.labels[target]) >= 0
    return {
        "images": len(graph.image_ids),
        "proposals": len(boxes),
        "pairs": len(graph.pairs),
        "objects": len(graph.object_boxes),
        "boxes_per_image": np.bincount(
            graph.patch_image, minlength=len(graph.image_ids)
        ),
        "box_share": np.sqrt(area(boxes) / sizes.prod(axis=1)),
        "aspect": width / height,
        "offset": (centers[target] - centers[source])[:, ::-1]
        / longest[:, np.newaxis],
        "iou": paired_iou(boxes[source], boxes[target]),
        "same_class": (graph.labels[source] == graph.labels[target])[known],
    }


def statistics_text(statistics: Mapping[str, Mapping]) -> str:
    """Returns a table with a column per split.

    Args:
        statistics: as `measure` returns it.
    """
    rows = [("", *statistics)]
    for title, cell in _ROWS.items():
        rows.append((title, *(cell(part) for part in statistics.values())))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    ]
    leaks = {part["label_leak"] for part in statistics.values()} - {""}
    lines += [f"Labels were used to find proposals: {leak}." for leak in leaks]
    return "\n".join(lines)


def _mean(name: str):
    def cell(part: Mapping) -> str:
        values = part[name]
        return f"{np.mean(values):.2f}" if len(values) else "-"

    return cell


def _quartiles(name: str):
    def cell(part: Mapping) -> str:
        if not len(part[name]):
            return "-"
        low, middle, high = np.percentile(part[name], [25, 50, 75])
        return f"{low:.2f} / {middle:.2f} / {high:.2f}"

    return cell


def _share(name: str, holds=lambda values: values):
    def cell(part: Mapping) -> str:
        values = holds(part[name])
        return f"{100 * np.mean(values):.1f} %" if len(values) else "-"

    return cell


_ROWS = {
    "images": lambda part: f"{part['images']:,}",
    "proposals": lambda part: f"{part['proposals']:,}",
    "pairs": lambda part: f"{part['pairs']:,}",
    "labeled objects": lambda part: f"{part['objects']:,}",
    "proposals per image, mean": _mean("boxes_per_image"),
    "images with fewer than two": _share(
        "boxes_per_image", lambda counts: counts < 2
    ),
    "side of box / side of picture, quartiles": _quartiles("box_share"),
    "width / height of box, quartiles": _quartiles("aspect"),
    "distance of centers / longest side, mean": lambda part: (
        f"{np.linalg.norm(part['offset'], axis=1).mean():.2f}"
        if part["pairs"]
        else "-"
    ),
    "IoU of a pair, quartiles": _quartiles("iou"),
    f"pairs under {_FAR_IOU} IoU (paper, VOC2012 boxes: 92.6 %)": _share(
        "iou", lambda values: values < _FAR_IOU
    ),
    "pairs of one class (paper: 45 % train, 42 % val)": _share("same_class"),
}


def draw_statistics(
    statistics: Mapping[str, Mapping], path: str | os.PathLike
) -> None:
    """Draws the distributions of all splits.

    Args:
        statistics: as `measure` returns it.
        path: PNG file to write.
    """
    figure = Figure(figsize=(11, 6.4), dpi=_DPI, layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    _histogram(axes[0], statistics, "boxes_per_image", "proposals per image")
    _histogram(
        axes[1], statistics, "box_share", "side of box / side of picture"
    )
    _histogram(axes[2], statistics, "aspect", "width / height of box")
    _histogram(axes[3], statistics, "iou", "IoU of a pair")
    axes[3].axvline(_FAR_IOU, color="black", linewidth=0.8, linestyle=":")
    axes[3].set_yscale("log")
    for axis, (name, part) in zip(
        axes[4:], list(statistics.items())[:2], strict=False
    ):
        x, y = part["offset"].T
        edges = np.linspace(-1, 1, 2 * _BINS + 1)
        axis.hist2d(x, y, bins=[edges, edges], cmap="viridis")
        axis.invert_yaxis()
        axis.set_aspect("equal")
        axis.set_xlabel("x, right")
        axis.set_ylabel("y, down")
        axis.set_title(f"offset of target from source, {name}")
    for axis in axes[4 + len(statistics) :]:
        axis.set_axis_off()
    axes[0].legend(frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="white")


def _histogram(axis, statistics: Mapping, name: str, label: str) -> None:
    values = [part[name] for part in statistics.values()]
    together = np.concatenate([*values, [0]])
    high = np.percentile(together, 99.5)
    if name == "boxes_per_image":
        edges = np.arange(max(high, 1) + 2) - 0.5
    else:
        edges = np.linspace(0, max(high, 1e-6), _BINS + 1)
    for split, of_split in zip(statistics, values, strict=True):
        axis.hist(
            np.minimum(of_split, edges[-1]),
            bins=edges,
            label=split,
            histtype="step",
            density=len(of_split) > 0,
        )
    axis.set_xlabel(label)
    axis.set_yticks([])
    axis.spines[["top", "right", "left"]].set_visible(False)
