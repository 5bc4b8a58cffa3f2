"""Where each student stands: the record of a grading run, the marks of people, the due date.

The late penalty is worked out here, from the marks as they are now, and kept in the gradebook.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gencourse.course import Course, CourseError
from gencourse.grading.grade_one import FLAGGED, GRADED, NOT_GRADABLE
from gencourse.grading.late import Lateness, LatePolicy, load_policy
from gencourse.grading.records import load_records
from gencourse.grading.roster import Roster, Student, load_roster
from gencourse.grading.submissions import LATE_UNKNOWN, NOT_ON_ROSTER

NEEDS_A_PERSON, NOT_HANDED_IN = "needs a person", "not handed in"
STATUSES = (GRADED, NEEDS_A_PERSON, FLAGGED, NOT_GRADABLE, NOT_HANDED_IN)


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
    """One student in one unit.

    Args:
        student: the id.
        origin: what the submission was called where it came from.
        status: one of `STATUSES`.
        reasons: why a person should look.
        notes: what was mended.
        marks: the graded cells, none where nothing was handed in.
        lateness: when it was due and handed in.
        person: the student's row of the roster, if there is one.
        record: what the grading run kept, empty where nothing was handed in.
    """

    student: str
    origin: str
    status: str
    reasons: list[str]
    notes: list[str]
    marks: list[Mark]
    lateness: Lateness = field(default_factory=Lateness)
    person: Student | None = None
    record: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def earned(self) -> float | None:
        """All points so far, or None when it is not gradable and nobody has marked it."""
        by_hand = any(m.by_hand for m in self.marks)
        if not self.marks or (self.status == NOT_GRADABLE and not by_hand):
            return None
        return sum(m.score or 0.0 for m in self.marks)

    @property
    def penalty(self) -> float:
        """What is taken off for being late."""
        return self.lateness.penalty(self.earned)

    @property
    def score(self) -> float | None:
        """The points earned without the penalty."""
        return None if self.earned is None else self.earned - self.penalty

    @property
    def points(self) -> float:
        """The most that can be had."""
        return sum(m.points for m in self.marks)

    @property
    def waits(self) -> int:
        """How many cells wait for a person."""
        return sum(m.waits for m in self.marks)

    @property
    def final(self) -> bool:
        """Whether nothing of the score waits for a person."""
        return self.score is not None and not self.waits and LATE_UNKNOWN not in self.reasons


def standings(course: Course, unit: str) -> list[Standing]:
    """Return where each student stands, by id; who is on the roster is there in any case.

    Raises:
        CourseError: nothing has been graded, or the roster, `course.toml` or `extensions.csv`
            cannot be read.
    """
    from gencourse.grading.gradebook import Book

    found = load_records(course, unit)
    if not found:
        raise CourseError(
            f"nothing of {unit} has been graded here; run `gencourse grade {unit}` first"
        )
    policy, roster = load_policy(course, unit), load_roster(course)
    with Book(course, unit) as book:
        by_hand, times = book.given_by_hand(), book.handed_in()
        rows = [
            _standing(r, by_hand.get(r["student"], {}), times.get(r["student"]), policy, roster)
            for r in found
        ]
        late = {
            row.student: (row.lateness.due if row.lateness.extended else None, row.penalty)
            for row in rows
        }
        book.set_lateness(policy.due, late)
    there = {row.student for row in rows}
    for student, person in roster.students.items():
        if student not in there:
            lateness = policy.of(student, None)
            rows.append(
                Standing(student, "", NOT_HANDED_IN, [], [], [], lateness, person)
            )
    return sorted(rows, key=lambda row: row.student)


def _standing(
    record: dict[str, Any],
    cells: dict[str, dict[str, Any]],
    handed_in: datetime | None,
    policy: LatePolicy,
    roster: Roster,
) -> Standing:
    student = record["student"]
    marks = [_mark(record, cell, points, cells) for cell, points in record["cells"].items()]
    reasons = list(record["reasons"])
    if roster and student not in roster.students:
        named = (note for note in record["notes"] if note.startswith(NOT_ON_ROSTER))
        reasons.append(next(named, NOT_ON_ROSTER))
    if policy.due and not handed_in and LATE_UNKNOWN in record["notes"]:
        reasons.append(LATE_UNKNOWN)
    status = record["status"]
    if status == GRADED and (reasons or any(m.waits for m in marks)):
        status = NEEDS_A_PERSON
    return Standing(
        *(student, record["origin"], status, reasons),
        *([note for note in record["notes"] if note not in reasons], marks),
        lateness=policy.of(student, handed_in),
        person=roster.students.get(student),
        record=record,
    )


def _mark(
    record: dict[str, Any], cell: str, points: float, cells: dict[str, dict[str, Any]]
) -> Mark:
    blank = not record["written"].get(cell, {"answered": True})["answered"]
    test, kept = record["tests"].get(cell, {}), cells.get(cell, {})
    exercise_comment = cells.get(test.get("exercise"), {}).get("comment")
    return Mark(
        *(cell, record["titles"][cell], points, kept.get("score", test.get("score"))),
        by_hand=bool(kept.get("manual")),
        waits=bool(kept.get("needs_manual_grade")),
        says="no answer" if blank else test.get("says", ""),
        mistake=test.get("mistake"),
        comment=kept.get("comment") or exercise_comment,
    )
