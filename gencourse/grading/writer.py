"""The one writer: a result goes to the files, the gradebook and, last of all, the record."""

from __future__ import annotations

from typing import Any

from gencourse.course import Course
from gencourse.grading import records
from gencourse.grading.package import Package
from gencourse.grading.submissions import Submission


class Writer:
    """Writes results into a course folder; a context manager.

    A student's record is written when everything else of a result has been, so where the record
    and the gradebook agree with a result there is nothing to do, and otherwise all of it is
    written (again). What has changed is told from the record, not from files that a killed run
    may have replaced already.

    Args:
        course: the course folder.
        package: what submissions are graded against.

    Raises:
        CourseError: the instructor's notebook is not built.
    """

    def __init__(self, course: Course, package: Package) -> None:
        from gencourse.grading.gradebook import Book

        self._course, self._package = course, package
        self._book = Book(course, package.unit)

    def __enter__(self) -> Writer:
        unit = self._package.unit
        self._book.prepare(self._course.built(unit, "homework"))
        self._kept = {r["student"]: r for r in records.load_records(self._course, unit)}
        self._marks = self._book.automatic_marks()
        return self

    def __exit__(self, *exc: object) -> None:
        self._book.__exit__(*exc)

    def write(self, submission: Submission, result: dict[str, Any]) -> dict[str, Any]:
        """Write one result everywhere, unless it is there, and return its record."""
        course, unit, student = self._course, self._package.unit, submission.student
        before = self._kept.get(student, {})
        record = records.describe(self._package, submission, result)
        if record == before and self._marks.get(student) == marks(record):
            return record
        if submission.origin_folder != course.submitted.resolve():
            records.save_submitted(course, unit, submission)
        records.save_graded(course, unit, student, result["notebook"])
        changed = records.changed_cells(before, record, self._package)
        self._book.record(student, result, timestamp=submission.timestamp, changed=changed)
        records.save_record(course, unit, record)
        self._kept[student] = record
        return record

    def keys(self) -> set[str | None]:
        """Return the keys of the results that records stand for."""
        return {record.get("key") for record in self._kept.values()}


def marks(result: dict[str, Any]) -> dict[str, float]:
    """Return the automatic marks of a result; cells that wait for a person are left out."""
    found = {name: test["score"] for name, test in result["tests"].items()}
    found |= {name: 0.0 for name, entry in result["written"].items() if not entry["answered"]}
    return {name: score for name, score in found.items() if score is not None}
