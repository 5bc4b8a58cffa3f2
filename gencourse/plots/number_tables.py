"""Measured numbers in rows and columns, written the same way everywhere."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NumberTable:
    """Measured numbers in rows and columns, with a caption; shown as HTML or plain text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str

    def __repr__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.caption, *text] if self.caption else text)

    def _repr_html_(self) -> str:
        def line(cells: Sequence[str], tag: str) -> str:
            scope = ' scope="col"' if tag == "th" else ""
            return "".join(f"<{tag}{scope}>{html.escape(c)}</{tag}>" for c in cells)

        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in self.rows)
        head = f"<thead><tr>{line(self.header, 'th')}</tr></thead>"
        return f"<table>{caption}{head}<tbody>{body}</tbody></table>"


def number_table(
    header: Sequence[str], rows: Iterable[Sequence[Any]], *, caption: str = "", digits: int = 4
) -> NumberTable:
    """Return a table to show; real numbers are written with `digits` places after the point.

    Raises:
        ValueError: a row has not as many cells as `header`.
    """
    written = tuple(tuple(_written(cell, digits) for cell in row) for row in rows)
    for row in written:
        if len(row) != len(header):
            raise ValueError(f"row {row} has {len(row)} cells, expected {len(header)}")
    return NumberTable(tuple(header), written, caption)


def _written(cell: Any, digits: int) -> str:
    if hasattr(cell, "item"):
        cell = cell.item()
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return str(cell)
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:z.{digits}f}"  # z: no "-0.00"
