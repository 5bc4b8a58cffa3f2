"""What grading leaves on disk beside the gradebook: records, and notebooks for formgrader.

A record holds what a gradebook has no place for: status, reasons, diagnoses. Only the one writer
of a grading run writes here.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from gencourse.course import Course
from gencourse.grading.submissions import Submission


def save_record(course: Course, unit: str, record: dict[str, Any]) -> None:
    """Write a student's record, replacing an earlier one in one step."""
    _write(
        _folder(course, unit) / f"{record['student']}.json",
        json.dumps(record, ensure_ascii=False, indent=1),
    )


def load_records(course: Course, unit: str) -> list[dict[str, Any]]:
    """Return the records of a unit, by student."""
    paths = sorted(_folder(course, unit).glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def save_submitted(course: Course, unit: str, submission: Submission) -> None:
    """Put a submission that came from elsewhere where nbgrader's own commands look for it."""
    folder = course.submitted / submission.student / unit
    if submission.notebook is None:
        return
    _write(folder / f"{unit}_homework.ipynb", submission.notebook)
    if submission.timestamp:
        _write(folder / "timestamp.txt", submission.timestamp)


def graded_notebook(course: Course, unit: str, student: str) -> Path:
    """Return where the graded copy of a student's notebook is."""
    return course.autograded / student / unit / f"{unit}_homework.ipynb"


def save_graded(course: Course, unit: str, student: str, notebook: str | None) -> None:
    """Write the graded copy of a notebook, or remove an old one when there is none."""
    path = graded_notebook(course, unit, student)
    if notebook is None:
        shutil.rmtree(path.parent, ignore_errors=True)
    else:
        _write(path, notebook)


def _folder(course: Course, unit: str) -> Path:
    return course.reports / unit / "records"


def _write(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    os.replace(temporary, path)
