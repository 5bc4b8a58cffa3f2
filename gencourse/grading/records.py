"""What grading leaves on disk beside the gradebook: records, and notebooks for formgrader.

A record holds what a gradebook has no place for: status, reasons, diagnoses. Only the one writer
of a grading run writes here, and a student's record last of all: it says that the marks in the
gradebook and the files are those of its result.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gencourse.course import Course
from gencourse.grading.grade_one import GRADED
from gencourse.grading.package import Package
from gencourse.grading.rebuild import grade_id, is_answer
from gencourse.grading.submissions import Submission


def describe(
    package: Package, submission: Submission, result: dict[str, Any]
) -> dict[str, Any]:
    """Return the record of a submission with a result; equal ones need not be written again."""
    release = package.release(result["stamp"])
    record = {k: v for k, v in result.items() if k != "notebook"}
    record |= {
        "student": submission.student,
        "origin": submission.origin.encode("utf-8", "replace").decode(),
        "unit": package.unit,
        "cells": release.points(),
        "titles": release.titles(),
        "notes": submission.notes + result["notes"],
        "answers": _answers(result["notebook"]),
        "handed_in": _digest(_facts(submission)),
        "score": None,
    }
    if result["status"] == GRADED or result["tests"]:
        record["score"] = sum(t["score"] or 0.0 for t in result["tests"].values())
    return json.loads(json.dumps(record))


def changed_cells(before: dict[str, Any], after: dict[str, Any], package: Package) -> set[str]:
    """Return the answers that differ between two records, and the tests of those answers."""
    old, new = before.get("answers", {}), after["answers"]
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    tests = package.release(after["stamp"]).tests()
    return changed | {test for test, (exercise, _) in tests.items() if exercise in changed}


def save_record(course: Course, unit: str, record: dict[str, Any]) -> None:
    """Write a student's record, replacing an earlier one in one step."""
    path = _folder(course, unit) / f"{record['student']}.json"
    replace_file(path, json.dumps(record, ensure_ascii=False, indent=1))


def load_records(course: Course, unit: str) -> list[dict[str, Any]]:
    """Return the records of a unit, by student."""
    paths = sorted(_folder(course, unit).glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def save_submitted(course: Course, unit: str, submission: Submission) -> None:
    """Put a submission that came from elsewhere where nbgrader's own commands look for it."""
    folder = course.submitted / submission.student / unit
    if submission.notebook is None:
        return
    replace_file(folder / f"{unit}_homework.ipynb", submission.notebook)
    if submission.timestamp:
        replace_file(folder / "timestamp.txt", submission.timestamp)


def graded_notebook(course: Course, unit: str, student: str) -> Path:
    """Return where the graded copy of a student's notebook is."""
    return course.autograded / student / unit / f"{unit}_homework.ipynb"


def save_graded(course: Course, unit: str, student: str, notebook: str | None) -> None:
    """Write the graded copy of a notebook, or remove an old one when there is none."""
    path = graded_notebook(course, unit, student)
    if notebook is None:
        shutil.rmtree(path.parent, ignore_errors=True)
    else:
        replace_file(path, notebook)


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, and the next start, sees all of the old or of the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def _folder(course: Course, unit: str) -> Path:
    return course.reports / unit / "records"


def _facts(submission: Submission) -> dict[str, Any]:
    """Return what is known of a submission besides its notebook and where it lay."""
    facts = asdict(submission)
    del facts["notebook"], facts["origin_folder"]
    return facts


def _answers(notebook: str | None) -> dict[str, str]:
    """Return a digest of each answer in a graded notebook."""
    cells = json.loads(notebook)["cells"] if notebook else []
    return {grade_id(c): _digest(c["source"]) for c in cells if grade_id(c) and is_answer(c)}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
