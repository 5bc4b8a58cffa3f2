"""One small course and one class of honest, broken and hostile submissions, graded once."""

import hashlib
import shutil
from types import SimpleNamespace

import nbformat
import pytest

from gencourse.authoring.build import build
from gencourse.course import Course
from gencourse.exercises.encoding import decode
from gencourse.grading import feedback, grade, report, sandbox
from gencourse.grading.gradebook import Book
from gencourse.grading.package import prepare
from gencourse.grading.sandbox import PACKAGE

from ..conftest import SMALL_COURSE, SMALL_UNIT
from .disturb import copy_of
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
def graded(course, package, solved, tmp_path_factory):
    """The class of `hostile.py` after grading: `records` by student, `course`, `submissions`.

    `before` and `after` are what stood on disk where no attack may change anything.
    """
    folder = tmp_path_factory.mktemp("handed-in")
    known = package.releases[package.current].public["exercises"]["kl-normal"]["tests"]
    calls = [decode(case["call"]) for test in known.values() for case in test["cases"]]
    hand_in(folder, solved, course, [float(call["mu"].flat[0]) for call in calls])
    before = standing_files(course, folder)
    result = grade(course, SMALL_UNIT, folder, workers=2, dev_seed=True, timeout=3)
    page = report(course, SMALL_UNIT)
    pages = feedback(course, SMALL_UNIT)
    records = {r["origin"]: r for r in result.records}
    return SimpleNamespace(
        **{"course": course, "result": result, "records": records, "folder": folder},
        **{"report": page, "feedback": pages},
        **{"before": before, "after": standing_files(course, folder)},
    )


def standing_files(course, folder):
    """Return a digest of every file of the course, the library and the submissions."""
    watched = [course.sources, course.notebooks, course.root / "gencourse", folder]
    watched.append(PACKAGE / "exercises")
    found = {}
    for path in (p for top in watched for p in top.rglob("*") if "__pycache__" not in p.parts):
        about = path.lstat()
        data = path.read_bytes() if path.is_file() and about.st_size < 1 << 25 else b""
        found[str(path)] = (about.st_mode, hashlib.sha256(data).hexdigest())
    return found


@pytest.fixture(scope="session")
def prepared(course, package, tmp_path_factory):
    """A copy of the course whose gradebook has the assignment and no student."""
    made = copy_of(course, tmp_path_factory.mktemp("prepared") / "course", package)
    with Book(made, SMALL_UNIT) as book:
        book.prepare(made.built(SMALL_UNIT, "homework"))
    return made
