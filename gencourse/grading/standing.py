"""Where each student stands: the record of a grading run joined with the marks of people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gencourse.course import Course, CourseError
from gencourse.grading.grade_one import NOT_GRADABLE
from gencourse.grading.records import load_records


@dataclass(frozen=True)
class Mark:
    """One graded cell of one student.

    Args:
        cell: id of the cell.
        title: what it is called for a reader.
        points: the most that it gives.
        score: what it gives, with extra credit; None when nobody has marked it.
        by_hand: a person has set the score.
        waits: it waits for a person.
        says: the diagnosis of a test.
        mistake: the known mistake, if it is one.
        comment: what the instructor wrote.
    """

    cell: str
    title: str
    points: float
    score: float | None
    by_hand: bool = False
    waits: bool = False
    says: str = ""
    mistake: str | None = None
    comment: str | None = None

    @property
    def exercise(self) -> str:
        """The title without the test's name."""
        return self.title.rsplit(": ", 1)[0] if self.is_test else self.title

    @property
    def is_test(self) -> bool:
        """Whether it was judged without a person."""
        return self.cell.startswith("test-")


@dataclass(frozen=True)
class Standing:
    """One student in one unit."""

    student: str
    origin: str
    status: str
    reasons: list[str]
    notes: list[str]
    marks: list[Mark]
    record: dict[str, Any] = field(repr=False)

    @property
    def score(self) -> float | None:
        """All points so far, or None when it is not gradable and nobody has marked it."""
        if self.status == NOT_GRADABLE and not any(m.by_hand for m in self.marks):
            return None
        return sum(m.score or 0.0 for m in self.marks)

    @property
    def points(self) -> float:
        """The most that can be had."""
        return sum(m.points for m in self.marks)

    @property
    def waits(self) -> int:
        """How many cells wait for a person."""
        return sum(m.waits for m in self.marks)


def standings(course: Course, unit: str) -> list[Standing]:
    """Return where each student stands, by id.

    Raises:
        CourseError: nothing has been graded.
    """
    from gencourse.grading.gradebook import Book

    found = load_records(course, unit)
    if not found:
        raise CourseError(
            f"nothing of {unit} has been graded here; run `gencourse grade {unit}` first"
        )
    with Book(course, unit) as book:
        by_hand = book.given_by_hand()
    return [_standing(r, by_hand.get(r["student"], {})) for r in found]


def _standing(record: dict[str, Any], cells: dict[str, dict[str, Any]]) -> Standing:
    marks = []
    for cell, points in record["cells"].items():
        blank = not record["written"].get(cell, {"answered": True})["answered"]
        test, kept = record["tests"].get(cell, {}), cells.get(cell, {})
        exercise_comment = cells.get(test.get("exercise"), {}).get("comment")
        marks.append(
            Mark(
                cell,
                record["titles"][cell],
                points,
                kept.get("score", test.get("score")),
                by_hand=bool(kept.get("manual")),
                waits=bool(kept.get("needs_manual_grade")),
                says="no answer" if blank else test.get("says", ""),
                mistake=test.get("mistake"),
                comment=kept.get("comment") or exercise_comment,
            )
        )
    about = (
        record["student"],
        record["origin"],
        record["status"],
        record["reasons"],
        record["notes"],
    )
    return Standing(*about, marks, record)
