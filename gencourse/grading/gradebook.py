"""Writes results into nbgrader's gradebook and reads back what people have added there.

Automatic marks are replaced on a re-grading. Marks, comments and extra credit that a person has
given stay; such a cell is marked for another look only when its answer has changed.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.utils import compute_checksum, is_grade, is_locked, is_solution
from sqlalchemy.exc import SAWarning
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from gencourse.course import Course, CourseError


class Book:
    """The gradebook of a course, opened for one unit; a context manager.

    Args:
        course: the course folder.
        unit: name of the unit, which is nbgrader's assignment.
    """

    def __init__(self, course: Course, unit: str) -> None:
        self.unit = unit
        self.notebook = f"{unit}_homework"
        settings = _settings(course)
        bin_folder = str(Path(sys.executable).parent)
        if bin_folder not in os.environ.get("PATH", "").split(
            os.pathsep
        ):  # nbgrader starts alembic from PATH
            os.environ["PATH"] = os.pathsep.join([bin_folder, os.environ.get("PATH", "")])
        self._book = Gradebook(
            f"sqlite:///{course.gradebook}?timeout=60",
            settings.CourseDirectory.get("course_id", "gencourse"),
        )

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *exc: object) -> None:
        self._book.close()

    def prepare(self, source: Path) -> None:
        """Make or update the assignment from the instructor's notebook.

        `nbgrader generate_assignment` would make the same rows.

        Raises:
            CourseError: the notebook cannot be read.
        """
        try:
            cells = nbformat.read(source, as_version=4).cells
        except (OSError, ValueError) as error:
            raise CourseError(
                f"{source} cannot be read ({error}); build the unit with `gencourse build`"
            ) from None
        where = (self.notebook, self.unit)
        self._book.update_or_create_assignment(self.unit, course_id=self._book.course_id)
        self._book.update_or_create_notebook(*where)
        for cell in cells:
            if not (is_grade(cell) or is_solution(cell) or is_locked(cell)):
                continue
            name = cell.metadata.nbgrader.grade_id
            if is_grade(cell):
                points = float(cell.metadata.nbgrader.points)
                self._book.update_or_create_grade_cell(
                    name, *where, max_score=points, cell_type=cell.cell_type
                )
            if is_solution(cell):
                self._book.update_or_create_solution_cell(name, *where)
            about = {"cell_type": cell.cell_type, "locked": is_locked(cell), "source": cell.source}
            self._book.update_or_create_source_cell(
                name, *where, checksum=compute_checksum(cell), **about
            )

    def record(
        self, student: str, result: dict[str, Any], *, timestamp: str | None, changed: set[str]
    ) -> None:
        """Write one result.

        Args:
            student: id of the student.
            result: what `grade_one` returned.
            timestamp: when it was handed in, as nbgrader writes it.
            changed: ids of the cells whose answer is not the one graded before.
        """
        self._book.update_or_create_student(student)
        with (
            warnings.catch_warnings()
        ):  # nbgrader's own use of SQLAlchemy, three warnings a submission
            warnings.simplefilter("ignore", SAWarning)
            submission = self._book.update_or_create_submission(
                self.unit, student, timestamp=timestamp
            )
        notebook = next(n for n in submission.notebooks if n.name == self.notebook)
        self._complete(notebook)
        marks = {name: test["score"] for name, test in result["tests"].items()}
        for name, written in result["written"].items():
            marks[name] = None if written["answered"] else 0.0
        for grade in notebook.grades:
            grade.auto_score = marks.get(grade.name)
            if grade.manual_score is None:
                grade.needs_manual_grade = grade.auto_score is None
            elif grade.name in changed:
                grade.needs_manual_grade = True
        for comment in notebook.comments:
            blank = (
                comment.name in result["written"]
                and not result["written"][comment.name]["answered"]
            )
            comment.auto_comment = "No response." if blank else None
        self._book.db.commit()

    def automatic_marks(self) -> dict[str, dict[str, float]]:
        """Return the automatic score of each cell that has one, by student."""
        query = (
            self._book.db.query(SubmittedAssignment.student_id, BaseCell.name, Grade.auto_score)
            .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
            .join(BaseCell, BaseCell.id == Grade.cell_id)
            .filter(Assignment.name == self.unit)
        )
        found: dict[str, dict[str, float]] = {}
        for student, cell, score in query:
            marks = found.setdefault(student, {})
            if score is not None:
                marks[cell] = score
        return found

    def given_by_hand(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return by student and cell: `score`, `manual`, `needs_manual_grade`, `comment`."""
        try:
            submissions = self._book.assignment_submissions(self.unit)
        except MissingEntry:
            return {}
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for submission in submissions:
            cells = found.setdefault(submission.student_id, {})
            for notebook in submission.notebooks:
                for grade in notebook.grades:
                    known = grade.auto_score is not None or grade.manual_score is not None
                    cells[grade.name] = {
                        "score": grade.score if known else None,
                        "manual": grade.manual_score is not None or bool(grade.extra_credit),
                        "needs_manual_grade": grade.needs_manual_grade,
                        "comment": None,
                    }
                for comment in notebook.comments:
                    if comment.manual_comment:
                        cells.setdefault(comment.name, {})["comment"] = comment.manual_comment
        return found

    def handed_in(self) -> dict[str, datetime]:
        """Return when each student handed in, where that is known."""
        query = (
            self._book.db.query(SubmittedAssignment.student_id, SubmittedAssignment.timestamp)
            .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            .filter(Assignment.name == self.unit)
        )
        return {student: when.replace(tzinfo=UTC) for student, when in query if when}

    def set_lateness(
        self, due: datetime | None, late: Mapping[str, tuple[datetime | None, float]]
    ) -> None:
        """Keep the due date and, by student, an extended due date and the points taken off.

        nbgrader's own commands see them, so that formgrader and its export agree with ours.
        """
        try:
            assignment = self._book.find_assignment(self.unit)
        except MissingEntry:
            return
        assignment.duedate = due and due.astimezone(UTC).replace(tzinfo=None)
        for submission in assignment.submissions:
            until, penalty = late.get(submission.student_id, (None, 0.0))
            submission.extension = until - due if until and due else None
            for notebook in submission.notebooks:
                notebook.late_submission_penalty = penalty
        self._book.db.commit()

    def _complete(self, notebook: Any) -> None:
        """Give a submission rows for cells that the assignment has gained since."""
        graded = {g.cell_id for g in notebook.grades}
        for cell in notebook.notebook.grade_cells:
            if cell.id not in graded:
                Grade(cell_id=cell.id, notebook=notebook)
        commented = {c.cell_id for c in notebook.comments}
        for cell in notebook.notebook.solution_cells:
            if cell.id not in commented:
                Comment(cell_id=cell.id, notebook=notebook)
        self._book.db.commit()


def _settings(course: Course) -> Config:
    """Return what the course's `nbgrader_config.py` sets."""
    path = course.root / "nbgrader_config.py"
    if not path.is_file():
        return Config()
    return PyFileConfigLoader(path.name, path=str(course.root)).load_config()
