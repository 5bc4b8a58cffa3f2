"""Marks as CSV: for a spreadsheet, for Canvas' gradebook, for Moodle's grading worksheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from gencourse.course import Course
from gencourse.grading.late import setting
from gencourse.grading.names import student_id
from gencourse.grading.standing import Standing, standings

STYLES = ("plain", "canvas", "moodle")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(
    course: Course, unit: str, path: Path | None = None, *, style: str = "plain"
) -> Path:
    """Write one row a student.

    `plain` has every cell's score, and for each student what waits, how late it was and why a
    person should look. `canvas` and `moodle` are what these import; there a mark of which a part
    still waits for a person is an empty field, which leaves the LMS as it is. A score that nobody
    has given is empty everywhere, never 0.

    Args:
        course: the course folder.
        unit: full name of the unit.
        path: the file, default `reports/UNIT/marks.csv` or `marks_STYLE.csv`.
        style: `plain`, `canvas` or `moodle`.

    Raises:
        ValueError: there is no such style.
        CourseError: nothing has been graded.
    """
    if style not in STYLES:
        raise ValueError(f"style is {style!r}, expected one of {', '.join(STYLES)}")
    rows = standings(course, unit)
    if style == "canvas":
        lines = _canvas(rows, setting(course, unit, "canvas_assignment") or unit)
    else:
        lines = _moodle(rows) if style == "moodle" else _plain(rows)
    name = "marks.csv" if style == "plain" else f"marks_{style}.csv"
    path = Path(path) if path else course.reports / unit / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="replace", newline="") as stream:
        csv.writer(stream).writerows([_cell(value) for value in line] for line in lines)
    return path


def _plain(rows: list[Standing]) -> Iterable[list]:
    cells = list(dict.fromkeys(m.cell for row in rows for m in row.marks))
    about = ["student", "status", "score", "points", "waiting", "days late", "late penalty"]
    yield [*about, *cells, "reasons"]
    for row in rows:
        scores = {m.cell: m.score for m in row.marks}
        facts = [row.score, row.points, row.waits, row.lateness.days, row.penalty]
        facts = facts if row.marks else [None] * len(facts)
        marks = [scores.get(cell) for cell in cells]
        yield [row.student, row.status, *facts, *marks, "; ".join(row.reasons)]


def _canvas(rows: list[Standing], column: str) -> Iterable[list]:
    """Yield what Canvas' gradebook imports: its own five columns, and one assignment."""
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", column]
    yield ["Points Possible", "", "", "", "", _top(rows)]
    for row in rows:
        who = row.person
        about = [row.origin, _lms_number(row), "", "", ""]
        if who:
            about = [who.turned or who.id, who.canvas, who.id, who.login, who.section]
        yield [*about, row.score if row.final else None]


def _moodle(rows: list[Standing]) -> Iterable[list]:
    """Yield an assignment's grading worksheet; the gradebook's CSV import reads it too."""
    yield [
        *("Identifier", "Full name", "ID number", "Email address", "Grade", "Maximum Grade"),
        *("Last modified (grade)", "Feedback comments"),
    ]
    for row in rows:
        number = (row.person and row.person.moodle) or _lms_number(row)
        identifier = f"Participant {number}" if number else ""
        who = [row.origin, row.student, ""]
        if row.person:
            who = [row.person.name, row.person.id, row.person.email]
        score = row.score if row.final else None
        yield [identifier, *who, score, _top(rows), "", _comment(row) if row.final else ""]


def _top(rows: list[Standing]) -> float:
    return max(row.points for row in rows)


def _lms_number(row: Standing) -> str:
    """Return the number that an LMS put behind the name of a submission."""
    match = re.fullmatch(rf"{re.escape(student_id(row.origin))}-(\d+)", row.student)
    return match[1] if match else ""


def _comment(row: Standing) -> str:
    words = f"{row.earned:g} of {row.points:g} points"
    if row.penalty:
        days = "1 day" if row.lateness.days == 1 else f"{row.lateness.days} days"
        words += f", {row.penalty:g} taken off for {days} late"
    return words


def _cell(value: object) -> str:
    """Return a field; a spreadsheet must not take text for a formula."""
    if isinstance(value, int | float):
        return f"{value:g}"
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
