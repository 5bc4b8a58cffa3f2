"""One page a student: points and diagnosis of every test, no hidden case."""

from __future__ import annotations

import json
from pathlib import Path

from gencourse.course import Course
from gencourse.grading.pages import templates
from gencourse.grading.rebuild import grade_id, is_answer, source
from gencourse.grading.records import graded_notebook
from gencourse.grading.standing import Standing, standings


def feedback(course: Course, unit: str) -> list[Path]:
    """Write the page of everyone who was graded and return the paths.

    They are `feedback/STUDENT/UNIT/UNIT_homework.html`.

    Raises:
        CourseError: nothing has been graded.
    """
    template = templates().get_template("feedback.html")
    written = []
    for standing in standings(course, unit):
        if not standing.marks:
            continue
        path = course.feedback / standing.student / unit / f"{unit}_homework.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        page = template.render(
            s=standing,
            unit=unit,
            groups=_groups(standing, _answers(course, unit, standing.student)),
        )
        path.write_text(page, encoding="utf-8", errors="replace")
        written.append(path)
    return written


def _groups(standing: Standing, answers: dict[str, str]) -> list[dict]:
    """Return the marks by exercise, each with the student's own answer."""
    groups: dict[str, dict] = {}
    for mark in standing.marks:
        exercise = standing.record["tests"].get(mark.cell, {}).get("exercise", mark.cell)
        group = groups.setdefault(
            exercise, {"title": mark.exercise, "marks": [], "answer": answers.get(exercise, "")}
        )
        group["marks"].append(mark)
        group["comment"] = mark.comment
    return list(groups.values())


def _answers(course: Course, unit: str, student: str) -> dict[str, str]:
    try:
        notebook = json.loads(graded_notebook(course, unit, student).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {grade_id(c): source(c) for c in notebook["cells"] if grade_id(c) and is_answer(c)}
