"""`gencourse build`: from text sources to the instructor's notebooks, release, public cases.

The release is made by nbgrader's own preprocessors, run in memory: the same cells as `nbgrader
generate_assignment` writes from the same folders, and byte-identical on repetition.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import gencourse
from gencourse.authoring.cases import dumps, make_cases
from gencourse.authoring.contract import load_exercises
from gencourse.authoring.percent import instructor_notebook, source_text
from gencourse.course import Course, CourseError

PARTS = ("walkthrough", "homework")


def build(course: Course, units: Iterable[str], *, check: bool = False) -> list[str]:
    """Build units and return the paths, relative to the course, that changed.

    Args:
        course: the course folder.
        units: full names of units.
        check: write nothing; return what differs from a fresh build.

    Raises:
        CourseError: a unit has no sources, or a source breaks the rules.
    """
    differing = []
    for unit in units:
        for path, text in outputs(course, unit).items():
            try:
                if path.read_bytes() == text.encode():
                    continue
            except OSError:
                pass
            differing.append(path.relative_to(course.root).as_posix())
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode())
    return differing


def has_sources(course: Course, unit: str) -> bool:
    """Return whether a unit has the text source of any notebook."""
    return any(course.source(unit, part).is_file() for part in PARTS)


def public_cases_file(course: Course, unit: str) -> Path:
    """Return the file of a unit's public cases, inside the package so that it ships."""
    return course.root / "gencourse" / "exercises" / "cases" / f"{unit}.json"


def outputs(course: Course, unit: str) -> dict[Path, str]:
    """Return every file that a build of a unit makes, with its text."""
    if not has_sources(course, unit):
        raise CourseError(f"unit {unit} has no sources in {course.sources}")
    made: dict[Path, str] = {}
    pairs: dict[str, tuple[NotebookNode, NotebookNode]] = {}
    cases = ""
    if course.source(unit, "walkthrough").is_file():
        walkthrough = instructor_notebook(
            course.source(unit, "walkthrough"), unit=unit, part="walkthrough"
        )
        pairs["walkthrough"] = walkthrough, copy.deepcopy(walkthrough)
    if course.source(unit, "homework").is_file():
        cases = dumps(make_cases(course, unit, "public"))
        made[public_cases_file(course, unit)] = cases
        homework = instructor_notebook(
            course.source(unit, "homework"),
            unit=unit,
            part="homework",
            exercises=load_exercises(course, unit),
        )
        pairs["homework"] = homework, student_release(homework)
    graded = pairs.get("homework") or pairs["walkthrough"]
    mark = stamp(graded[1], cases)
    for part, (instructor, release) in pairs.items():
        for notebook, path in (
            (instructor, course.built(unit, part)),
            (release, course.released(unit, part)),
        ):
            notebook.metadata["gencourse"]["release"] = mark
            made[path] = notebook_text(notebook)
    return made


def notebook_text(notebook: NotebookNode) -> str:
    """Return a notebook as the text of its file."""
    return nbformat.writes(notebook, version=4) + "\n"


def stamp(release: NotebookNode, cases: str) -> str:
    """Return 12 hexadecimal digits that stand for what students answer.

    They follow the homework, its public cases and the library's version; a walkthrough may be
    mended without making a new release of the homework.
    """
    cells = [[c.cell_type, c.id, c.source, c.metadata] for c in release.cells]
    data = json.dumps([cells, cases, gencourse.__version__], sort_keys=True)
    return hashlib.sha256(data.encode()).hexdigest()[:12]


def student_release(instructor: NotebookNode) -> NotebookNode:
    """Return the student's notebook: nbgrader has cleared what students must not see."""
    from nbgrader.converters import GenerateAssignment

    notebook = copy.deepcopy(instructor)
    resources: dict = {"nbgrader": {}, "metadata": {"path": ""}}
    for preprocessor in GenerateAssignment.preprocessors.default_args[0]:
        if preprocessor.__name__ not in ("InstantiateTests", "SaveCells"):  # kernel, database
            step = preprocessor(log=logging.getLogger("gencourse.build"))
            notebook, resources = step.preprocess(notebook, resources)
    return notebook


def import_notebook(course: Course, path: Path | str) -> Path:
    """Bring an instructor's notebook, edited in JupyterLab, back into its text source.

    Args:
        course: the course folder.
        path: the notebook; its metadata say which unit and part it is.

    Returns:
        The source that was written.

    Raises:
        CourseError: it cannot be read, is not a notebook of this course, or is a student's.
    """
    path = Path(path)
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:
        raise CourseError(f"{path} cannot be read as a notebook: {error}") from None
    about = notebook.metadata.get("gencourse", {})
    unit, part = about.get("unit", ""), about.get("part", "")
    target = course.source(unit, part)
    if part not in PARTS or not target.is_file():
        raise CourseError(
            f"{path} says it is {part or 'no part'} of {unit or 'no unit'} of this course"
        )
    text = source_text(notebook, header=_header(target.read_text(encoding="utf-8")))
    target.write_bytes(text.encode())
    return target


def _header(text: str) -> str:
    """Return the commented YAML header of a percent file, if it has one."""
    lines = text.split("\n")
    if lines[0] != "# ---" or "# ---" not in lines[1:]:
        return ""
    end = lines.index("# ---", 1)
    return "\n".join([*lines[: end + 1], "", ""])
