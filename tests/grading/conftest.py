"""One small course and one class of honest, broken and hostile submissions, graded once."""

import shutil
from types import SimpleNamespace

import nbformat
import pytest

from gencourse.authoring.build import build
from gencourse.course import Course
from gencourse.grading import feedback, grade, report, sandbox
from gencourse.grading.package import prepare

from ..conftest import SMALL_COURSE, SMALL_UNIT
from .hostile import hand_in

needs_sandbox = pytest.mark.skipif(sandbox.problem() is not None, reason=str(sandbox.problem()))


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """The small course, built."""
    root = tmp_path_factory.mktemp("grading") / "course"
    shutil.copytree(SMALL_COURSE, root)
    made = Course(root)
    build(made, [SMALL_UNIT])
    return made


@pytest.fixture(scope="session")
def package(course):
    """What submissions of the small course are graded against."""
    return prepare(course, SMALL_UNIT, dev_seed=True)


@pytest.fixture(scope="session")
def solved(course):
    """The release with the instructor's solutions in it."""
    release = nbformat.read(course.released(SMALL_UNIT, "homework"), as_version=4)
    built = nbformat.read(course.built(SMALL_UNIT, "homework"), as_version=4)
    sources = {c.id: c.source for c in built.cells}
    for cell in release.cells:
        if cell.metadata.get("nbgrader", {}).get("solution") and cell.cell_type == "code":
            cell.source = sources[cell.id]
    return release


@pytest.fixture(scope="session")
def graded(course, solved, tmp_path_factory):
    """The class of `hostile.py` after grading: `records` by student, `course`, `submissions`."""
    folder = tmp_path_factory.mktemp("handed-in")
    hand_in(folder, solved, course)
    result = grade(course, SMALL_UNIT, folder, workers=2, dev_seed=True, timeout=3)
    page = report(course, SMALL_UNIT)
    pages = feedback(course, SMALL_UNIT)
    records = {r["origin"]: r for r in result.records}
    return SimpleNamespace(
        course=course, result=result, records=records, report=page, feedback=pages, folder=folder
    )
