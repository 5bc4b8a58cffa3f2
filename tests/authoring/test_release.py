"""The release: complete, reproducible, and without anything that a student must not see."""

import hashlib
import json
import zipfile

import pytest

from gencourse.authoring.build import build
from gencourse.authoring.cases import new_secret
from gencourse.authoring.release import LIBRARY, archive, archived, release, release_stamp
from gencourse.authoring.requirements import student_requirements
from gencourse.course import CourseError

from ..conftest import SMALL_UNIT as UNIT


@pytest.fixture
def released(small_course):
    build(small_course, [UNIT])
    new_secret(small_course)
    return release(small_course, UNIT)


def test_a_release_is_complete_and_says_what_it_is(small_course, released):
    assert released == small_course.releases / UNIT
    names = {p.name for p in released.iterdir()}
    wheel = next(n for n in names if n.endswith(".whl"))
    notebooks = {f"{UNIT}_homework.ipynb", f"{UNIT}_walkthrough.ipynb"}
    assert names == notebooks | {wheel, "requirements.txt", "README.md", "RELEASE.json"}
    about = json.loads((released / "RELEASE.json").read_text())
    assert about["stamp"] == release_stamp(small_course, UNIT)
    for name, digest in about["files"].items():
        assert hashlib.sha256((released / name).read_bytes()).hexdigest() == digest
    with zipfile.ZipFile(released.with_suffix(".zip")) as file:
        assert {n.split("/", 1)[1] for n in file.namelist()} == names


def test_a_second_release_is_the_same_bytes(small_course, released, tmp_path):
    first = released.with_suffix(".zip").read_bytes()
    assert release(small_course, UNIT, tmp_path / "out").with_suffix(".zip").read_bytes() == first


def test_the_wheel_is_the_library_alone(released):
    with zipfile.ZipFile(next(released.glob("*.whl"))) as file:
        names = file.namelist()
    assert "gencourse/exercises/judge.py" in names
    assert "gencourse/exercises/cases/01_graphical_models.json" in names or not any(
        (LIBRARY / "gencourse/exercises/cases").glob("*.json")
    )
    for name in names:
        assert name.startswith(("gencourse/", "gencourse-"))
        assert not any(
            part in name for part in ("solutions", "tests", "secret", "__pycache__", ".ipynb")
        )


def test_an_unbuilt_unit_is_not_released(small_course):
    with pytest.raises(CourseError, match="gencourse build"):
        release(small_course, UNIT)
    build(small_course, [UNIT])
    small_course.released(UNIT, "homework").write_text("{}")
    with pytest.raises(CourseError, match="gencourse build"):
        release(small_course, UNIT)


def test_older_releases_stay_in_the_archive(small_course, released):
    first = release_stamp(small_course, UNIT)
    path = small_course.source(UNIT, "homework")
    path.write_text(path.read_text().replace("Why is a KL", "Why is any KL"))
    build(small_course, [UNIT])
    second = archive(small_course, UNIT)
    assert (
        archived(small_course, UNIT, first)
        != second
        == archived(small_course, UNIT, release_stamp(small_course, UNIT))
    )
    assert "Why is a KL" in (archived(small_course, UNIT, first) / "homework.ipynb").read_text()
    hidden = json.loads((archived(small_course, UNIT, first) / "hidden.json").read_text())
    assert hidden["seed"] == "secret"
    for stranger in ("0" * 12, "../../../..", "", "../" + first):
        assert archived(small_course, UNIT, stranger) is None


def test_students_get_the_pins_of_what_they_need_and_no_grader():
    text = student_requirements(LIBRARY)
    names = {line.split("==")[0].split("[")[0] for line in text.splitlines()}
    assert {"torch", "numpy", "jupyterlab", "ipykernel", "typer", "appnope"} <= names
    assert not {"nbgrader", "pytest", "pgmpy", "jupytext", "sqlalchemy"} & names


def test_a_lock_that_lacks_a_dependency_is_told(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["torch>=2"]\noptional-dependencies = {lab = []}\n'
    )
    with pytest.raises(CourseError, match=r"no .*requirements\.lock"):
        student_requirements(tmp_path)
    (tmp_path / "requirements.lock").write_text("numpy==2.0\n")
    with pytest.raises(CourseError, match="lacks torch"):
        student_requirements(tmp_path)
