"""The students of a course, from `roster.csv`, and whose submission a name in an LMS zip means.

Needed is a column `id`, the student's name in the gradebook; `name` (or `first name` and `last
name`), `email`, `canvas id`, `moodle id`, `login` and `section` are used where they are there.
The exports of Canvas and Moodle work as they are: their own headings are known too.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gencourse.course import Course, CourseError
from gencourse.grading.names import student_id

COLUMNS = {
    "id": ("id", "student id", "student", "id number", "sis user id", "username", "user id"),
    "name": ("name", "full name", "student name"),
    "first": ("first name", "given name", "firstname"),
    "last": ("last name", "surname", "family name", "lastname"),
    "email": ("email", "email address", "e-mail", "mail"),
    "canvas": ("canvas id",),
    "moodle": ("moodle id", "identifier", "participant"),
    "login": ("login", "sis login id", "login id"),
    "section": ("section", "group"),
}
CANVAS_EXPORT = ("student", "id", "sis user id")  # there `id` is Canvas' own number


@dataclass(frozen=True)
class Student:
    """One row of a roster; what it does not hold is empty."""

    id: str
    name: str = ""
    email: str = ""
    canvas: str = ""
    moodle: str = ""
    login: str = ""
    section: str = ""

    @property
    def turned(self) -> str:
        """The name as Canvas and many lists write it: last name first."""
        if "," in self.name or " " not in self.name:
            return self.name
        first, last = self.name.rsplit(" ", 1)
        return f"{last}, {first}"


@dataclass(frozen=True)
class Roster:
    """The students of a course, by id."""

    students: dict[str, Student] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.students)

    def find(self, names: tuple[str, ...], *, canvas: str = "", moodle: str = "") -> list[Student]:
        """Return the students that a submission's names can mean; only one is an answer.

        Args:
            names: what stands for the student where the submission lay.
            canvas: Canvas' number of the user.
            moodle: Moodle's number of the participant.
        """
        ids = {name.casefold() for name in names}
        if found := [s for s in self.students.values() if s.id.casefold() in ids]:
            return found
        for attribute, number in (("canvas", canvas), ("moodle", moodle)):
            found = [s for s in self.students.values() if getattr(s, attribute) == number]
            if number and found:
                return found
        for keys in (_exact, _parts):
            wanted = {key for name in names for key in keys(name) if key}
            found = [s for s in self.students.values() if wanted & set(_keys(s, keys))]
            if found:
                return found
        return []


def load_roster(course: Course, path: Path | None = None) -> Roster:
    """Return the roster of a course, empty when it has none.

    Args:
        course: the course folder, whose roster is `roster.csv`.
        path: another file, which becomes the course's roster when it has none.

    Raises:
        CourseError: the file cannot be read, or the course has another roster.
    """
    own = course.root / "roster.csv"
    if path is not None and Path(path).resolve() != own.resolve():
        read_roster(path)
        data = Path(path).read_bytes()
        if own.is_file() and own.read_bytes() != data:
            raise CourseError(f"{own} is another roster than {path}; replace it first")
        own.write_bytes(data)
    return read_roster(own) if own.is_file() else Roster()


def read_roster(path: Path) -> Roster:
    """Return the roster in a CSV file.

    Raises:
        CourseError: it cannot be read, has no column of ids, or names a student twice.
    """
    students: dict[str, Student] = {}
    for number, row in rows_of(path, _aliases):
        wanted = row.get("id", "")
        name = row.get("name") or f"{row.get('first', '')} {row.get('last', '')}".strip()
        if not (wanted or name) or name.strip().casefold() == "points possible":
            continue
        student = Student(
            student_id(wanted or row.get("login") or row.get("email") or name),
            name,
            row.get("email", ""),
            row.get("canvas", ""),
            re.sub(r"\D", "", row.get("moodle", "")),
            row.get("login", ""),
            row.get("section", ""),
        )
        if student.id.casefold() in (s.casefold() for s in students):
            raise CourseError(f"{path}, line {number}: {student.id} is there twice")
        students[student.id] = student
    return Roster(students)


def rows_of(
    path: Path, aliases: Callable[[Path, list[str]], list[str]] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file with their line numbers; headings in lower case.

    Commas, semicolons and tabs all separate, as spreadsheets write them.

    Raises:
        CourseError: it cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = Path(path).read_text(encoding="cp1252", errors="replace")
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
    first = text.split("\n", 1)[0]
    mark = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=mark)
    headings = [h.strip().casefold().replace("_", " ") for h in next(reader, [])]
    columns = aliases(path, headings) if aliases else headings
    for values in reader:
        row = {c: v.strip() for c, v in zip(columns, values, strict=False) if c and v.strip()}
        if row:
            yield reader.line_num, row


def _aliases(path: Path, headings: list[str]) -> list[str]:
    """Return what each column of a roster is, empty for one that is not used."""
    if tuple(headings[:3]) == CANVAS_EXPORT:
        known = {"student": "name", "id": "canvas", "sis user id": "id"}
    else:
        known = {}
    for name, others in COLUMNS.items():
        column = next((h for h in others if h in headings and h not in known), None)
        if column and name not in known.values():
            known[column] = name
    if not {"id", "login", "email"} & set(known.values()):
        raise CourseError(
            f"{path} has the columns {', '.join(headings) or 'none'}; expected a column id"
        )
    return [known.get(h, "") for h in headings]


def _keys(student: Student, keys: Callable[[str], Iterator[str]]) -> Iterator[str]:
    own = (student.id, student.name, student.login, student.email, student.turned)
    for name in own:
        if name:
            yield from keys(name)


def _exact(name: str) -> Iterator[str]:
    """Yield a name without case, marks and accents."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    yield re.sub(r"[\W_]", "", "".join(c for c in plain if not unicodedata.combining(c)))


def _parts(name: str) -> Iterator[str]:
    """Yield a name whose parts may stand in any order; an address by what is before the @."""
    words = sorted(w for part in re.split(r"[\W_]+", name.split("@")[0]) for w in _exact(part))
    yield " ".join(w for w in words if w)
