"""The instructor's page: one static HTML file, its charts drawn as SVG, nothing fetched."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import mean, median

from rich.markup import escape
from rich.table import Table

from gencourse.course import Course
from gencourse.exercises.judge import NOT_ANSWERED
from gencourse.grading.grade import ClassResult
from gencourse.grading.grade_one import FLAGGED, GRADED, NOT_GRADABLE
from gencourse.grading.pages import histogram, points, templates
from gencourse.grading.pseudonyms import pseudonym, pseudonym_key
from gencourse.grading.standing import STATUSES, Mark, Standing, standings

MOST_COMMON = 15
COLOURS = {GRADED: "green", FLAGGED: "yellow", NOT_GRADABLE: "red"}


def report(course: Course, unit: str, *, anonymous: bool = False) -> Path:
    """Write `reports/UNIT/report.html` and return its path.

    Args:
        course: the course folder.
        unit: full name of the unit.
        anonymous: write `report_anonymous.html` instead. It has pseudonyms, the same for every
            unit of a term, and nothing that a student wrote or was told.

    Raises:
        CourseError: nothing has been graded.
    """
    rows = standings(course, unit)
    there = [row for row in rows if row.marks]
    marks = [row.score for row in there if row.score is not None]
    top = max(row.points for row in rows)
    page = (
        templates()
        .get_template("report.html")
        .render(
            unit=unit,
            rows=_anonymous(rows, pseudonym_key(course)) if anonymous else rows,
            anonymous=anonymous,
            handed_in=len(there),
            made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            top=top,
            counts=Counter(row.status for row in rows),
            statuses=STATUSES,
            average=mean(marks) if marks else None,
            middle=median(marks) if marks else None,
            bins=histogram(marks, top),
            provisional=sum(row.score is not None and row.waits > 0 for row in there),
            success=_success(there),
            mistakes=_mistakes(there, known_only=anonymous),
            unsafe=any(row.record["unsafe"] for row in there),
            development=any(row.record["seed"] != "secret" for row in there),
            waiting=sum(row.waits for row in there),
            late=sum(row.lateness.days > 0 for row in there),
            due=any(row.lateness.due for row in rows),
        )
    )
    path = course.reports / unit / ("report_anonymous.html" if anonymous else "report.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8", errors="replace")
    return path


def table_of(result: ClassResult) -> Table:
    """Return a table of a class for the terminal."""
    seed = "" if result.seed == "secret" else ", development seed"
    guard = ", WITHOUT A SANDBOX" if result.unsafe else ""
    table = Table(
        "student",
        "status",
        "score",
        "why",
        title=f"{result.unit}: {len(result.records)} submissions{seed}{guard}",
    )
    for record in result.records:
        possible = sum(p for cell, p in record["cells"].items() if cell.startswith("test-"))
        score = (
            "–" if record["score"] is None else f"{points(record['score'])} / {points(possible)}"
        )
        why = "; ".join(record["reasons"])
        status = f"[{COLOURS[record['status']]}]{record['status']}[/]"
        table.add_row(escape(record["student"]), status, score, escape(why))
    return table


def _anonymous(rows: list[Standing], key: bytes) -> list[Standing]:
    """Return the rows under pseudonyms, in their order, without anything in words."""
    hidden = []
    for row in rows:
        name = pseudonym(row.student, key)
        hidden.append(replace(row, student=name, origin=name, reasons=[], notes=[], person=None))
    return sorted(hidden, key=lambda row: row.student)


def _success(rows: list[Standing]) -> list[dict]:
    """Return, for each graded cell, how many have full marks and the mean of the marks.

    Of a written answer only the marks of people count, until there are no others to come: an
    answer that was left out has its 0 at once, and would stand for the whole class.
    """
    by_cell: dict[str, list[Mark]] = defaultdict(list)
    for row in rows:
        for mark in row.marks:
            by_cell[mark.cell].append(mark)
    found = []
    for marks in by_cell.values():
        waiting = sum(m.waits and m.score is None for m in marks)
        partly = waiting and not marks[0].is_test
        known = [m.score for m in marks if m.score is not None and (m.by_hand or not partly)]
        full = sum(score >= marks[0].points for score in known)
        share = sum(known) / (len(known) * marks[0].points) if known and marks[0].points else None
        found.append(
            {
                **{"mark": marks[0], "full": full, "known": len(known)},
                **{"share": share, "waiting": waiting},
            }
        )
    return found


def _mistakes(rows: list[Standing], *, known_only: bool) -> list[dict]:
    """Return the most common diagnoses, a known mistake by its words; each student once.

    A diagnosis can hold values and messages of the student's own; the words of a known mistake
    are the exercise's.
    """
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        wrong = [
            m
            for m in row.marks
            if m.is_test and not m.by_hand and m.score is not None and m.score < m.points
        ]
        if known_only:
            seen.update({(m.exercise, m.mistake) for m in wrong if m.mistake})
        else:
            seen.update(
                {(m.exercise, m.mistake or m.says) for m in wrong if m.says != NOT_ANSWERED}
            )
    common = sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:MOST_COMMON]
    return [{"title": title, "says": says, "count": n} for (title, says), n in common]
