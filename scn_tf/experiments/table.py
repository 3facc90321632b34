"""A finished table, as text, as csv and as a picture.

In: a title, names of columns and rows of cells. Out: aligned text for a
terminal, and files.
"""

import csv
import dataclasses
import pathlib
import textwrap

from scn_tf.visualize_results import new_figure
from scn_tf.visualize_results import save_png
from tfrecords.files import replacing

_WIDTH = 100
_ROW_INCHES = 0.32
_NOTE_INCHES = 0.15
_CHARACTER_INCHES = 0.085


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of cells under names.

    Attributes:
        name: of its files, such as "table2".
        title: one line above it.
        columns: names; the first is of the rows' names.
        rows: cells, all as many as there are columns.
        notes: sentences below it.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """The table in aligned columns, without a final line break."""
        widths = [
            max(map(len, column))
            for column in zip(self.columns, *self.rows, strict=True)
        ]

        def line(cells: tuple[str, ...]) -> str:
            first = cells[0].ljust(widths[0])
            rest = [
                cell.rjust(width)
                for cell, width in zip(cells[1:], widths[1:], strict=True)
            ]
            return "  ".join([first, *rest]).rstrip()

        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        lines = [self.title, rule, line(self.columns), rule]
        lines += [line(row) for row in self.rows]
        lines += [rule]
        for note in self.notes:
            lines += textwrap.wrap(note, _WIDTH)
        return "\n".join(lines)

    def write_csv(self, path: pathlib.Path) -> None:
        """Writes names and cells as csv."""
        with (
            replacing(path) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([self.columns, *self.rows])

    def write_picture(self, path: pathlib.Path) -> None:
        """Draws the table as a PNG file."""
        widths = [
            max(map(len, column)) + 2
            for column in zip(self.columns, *self.rows, strict=True)
        ]
        notes = [
            line for note in self.notes for line in textwrap.wrap(note, _WIDTH)
        ]
        width = max(sum(widths), len(self.title)) * _CHARACTER_INCHES + 0.4
        table_height = (len(self.rows) + 1) * _ROW_INCHES
        below = len(notes) * _NOTE_INCHES + 0.2
        height = _ROW_INCHES + table_height + below
        figure = new_figure(width, height, layout=None)
        axes = figure.add_axes((0.01, 0, 0.98, 1 - _ROW_INCHES / height))
        axes.axis("off")
        axes.set_title(self.title, fontsize=10, loc="left")
        share = table_height / (table_height + below)
        drawn = axes.table(
            cellText=[list(row) for row in self.rows],
            colLabels=list(self.columns),
            colWidths=[part / sum(widths) for part in widths],
            bbox=(0, 1 - share, 1, share),
        )
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(9)
        for (row, column), cell in drawn.get_celld().items():
            cell.set_linewidth(0.3)
            if column == 0:
                cell.set_text_props(ha="left")
            if row == 0:
                cell.set_text_props(weight="bold")
        text = "\n".join(notes)
        axes.text(0, 0.98 - share, text, fontsize=7, va="top")
        save_png(figure, path)
