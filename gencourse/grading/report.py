"""The instructor's page: one static HTML file, its charts drawn as SVG, nothing fetched."""

from __future__ import annotations

from collections import Counter, defaultdict
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
from gencourse.grading.standing import Mark, Standing, standings

MOST_COMMON = 15
COLOURS = {GRADED: "green", FLAGGED: "yellow", NOT_GRADABLE: "red"}


def report(course: Course, unit: str) -> Path:
    """Write `reports/UNIT/report.html` and return its path.

    Raises:
        CourseError: nothing has been graded.
    """
    rows = standings(course, unit)
    marks = [row.score for row in rows if row.score is not None]
    top = max(row.points for row in rows)
    page = (
        templates()
        .get_template("report.html")
        .render(
            unit=unit,
            rows=rows,
            made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            top=top,
            counts=Counter(row.status for row in rows),
            average=mean(marks) if marks else None,
            middle=median(marks) if marks else None,
            bins=histogram(marks, top),
            success=_success(rows),
            mistakes=_mistakes(rows),
            unsafe=any(row.record["unsafe"] for row in rows),
            development=any(row.record["seed"] != "secret" for row in rows),
            waiting=sum(row.waits for row in rows),
        )
    )
    path = course.reports / unit / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
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


def _success(rows: list[Standing]) -> list[dict]:
    """Return, for each graded cell, how many have full marks and the mean of the marks."""
    by_cell: dict[str, list[Mark]] = defaultdict(list)
    for row in rows:
        for mark in row.marks:
            by_cell[mark.cell].append(mark)
    found = []
    for marks in by_cell.values():
        known = [m.score for m in marks if m.score is not None]
        full = sum(score >= marks[0].points for score in known)
        share = sum(known) / (len(known) * marks[0].points) if known and marks[0].points else None
        found.append({"mark": marks[0], "full": full, "known": len(known), "share": share})
    return found


def _mistakes(rows: list[Standing]) -> list[dict]:
    """Return the most common diagnoses, a known mistake by its words; each student once."""
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        wrong = [
            m
            for m in row.marks
            if m.is_test and not m.by_hand and m.score is not None and m.score < m.points
        ]
        seen.update({(m.exercise, m.mistake or m.says) for m in wrong if m.says != NOT_ANSWERED})
    common = sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:MOST_COMMON]
    return [{"title": title, "says": says, "count": n} for (title, says), n in common]
