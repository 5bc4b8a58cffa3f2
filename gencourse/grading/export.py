"""Marks as CSV."""

from __future__ import annotations

import csv
from pathlib import Path

from gencourse.course import Course
from gencourse.grading.standing import standings

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(course: Course, unit: str, path: Path | None = None) -> Path:
    """Write one row a student.

    The columns: id, status, score, points, waiting cells, each cell's score, reasons. A score
    that nobody has given is an empty field, never 0.

    Args:
        course: the course folder.
        unit: full name of the unit.
        path: the file, default `reports/UNIT/marks.csv`.

    Raises:
        CourseError: nothing has been graded.
    """
    rows = standings(course, unit)
    path = Path(path) if path else course.reports / unit / "marks.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = list(dict.fromkeys(m.cell for row in rows for m in row.marks))
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["student", "status", "score", "points", "waiting", *cells, "reasons"])
        for row in rows:
            scores = {m.cell: m.score for m in row.marks}
            line = [row.student, row.status, _number(row.score), _number(row.points), row.waits]
            line += [_number(scores.get(cell)) for cell in cells]
            out.writerow([*map(_safe, line), _safe("; ".join(row.reasons))])
    return path


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _safe(value: object) -> str:
    """Keep a spreadsheet from taking text for a formula."""
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
