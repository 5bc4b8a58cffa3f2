"""What a unit teaches and how long it takes: `docs/syllabus.toml`, and what its notebooks say."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

from gencourse.course import UNITS, Course, CourseError


@dataclass(frozen=True)
class Unit:
    """A unit as the site shows it.

    Attributes:
        name: such as "03_vae".
        title: in words.
        question: that the unit answers.
        goals: what students can do afterwards.
        needs: what they should know before.
        lecture_hours: of the walkthrough, in class.
        homework_hours: of a student.
        walkthrough: the released notebook.
        sections: the walkthrough's headings of the second level.
        exercises: the homework's headings of the second level.
        points: of the homework, its written answer included.
    """

    name: str
    title: str
    question: str
    goals: tuple[str, ...]
    needs: str
    lecture_hours: float
    homework_hours: float
    walkthrough: Path
    sections: tuple[str, ...]
    exercises: tuple[str, ...]
    points: float

    @property
    def number(self) -> str:
        """The unit's number, such as "03"."""
        return self.name[:2]


def units_of(course: Course) -> list[Unit]:
    """Return the units that have a released walkthrough, in order.

    Raises:
        CourseError: the syllabus is missing, cannot be read, or lacks a unit or a key.
    """
    path = course.root / "docs" / "syllabus.toml"
    try:
        syllabus = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"there is no {path}, which says what each unit teaches") from None
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f"{path} is no TOML: {error}") from None
    units = []
    for name in UNITS:
        if not course.released(name, "walkthrough").is_file():
            continue
        try:
            said = syllabus[name]
            known = {
                key: said[key]
                for key in ("title", "question", "needs", "lecture_hours", "homework_hours")
            }
            known["goals"] = tuple(said["goals"])
        except KeyError as key:
            raise CourseError(f"{path} lacks {key} of unit {name}") from None
        walkthrough, homework = (course.released(name, p) for p in ("walkthrough", "homework"))
        units.append(
            Unit(
                name=name,
                walkthrough=walkthrough,
                sections=_headings(walkthrough),
                exercises=_headings(homework),
                points=_points(homework),
                **known,
            )
        )
    return units


def _headings(path: Path) -> tuple[str, ...]:
    return tuple(
        line[3:].strip()
        for cell in _cells(path)
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("## ")
    )


def _points(path: Path) -> float:
    return sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in _cells(path))


def _cells(path: Path) -> list:
    return nbformat.read(path, as_version=4).cells if path.is_file() else []
