"""The pool and the one writer: a killed worker costs nobody else; releases, seeds and secrets."""

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from gencourse.authoring.cases import new_secret
from gencourse.course import Course, CourseError
from gencourse.grading import grade as grade_function
from gencourse.grading.grade_one import grade_one
from gencourse.grading.package import prepare
from gencourse.grading.records import load_records
from gencourse.grading.submissions import Submission

from ..conftest import SMALL_UNIT

module = __import__("sys").modules["gencourse.grading.grade"]


def grade_or_die(notebook, package):
    """Stands in for `grade_one` in the worker processes."""
    if notebook == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if notebook == b"bug":
        raise KeyError("a fault of the grader")
    return {"status": "graded", "text": notebook.decode()}


def class_of(*notebooks):
    return [Submission(f"s{i}", f"s{i}", n) for i, n in enumerate(notebooks)]


def test_a_killed_worker_and_a_faulty_grader_cost_nobody_else(package, monkeypatch):
    monkeypatch.setattr(module, "grade_one", grade_or_die)
    people = class_of(b"a", b"b", b"kill", b"c", b"bug", b"d", b"e", b"f")
    people.append(Submission("cut", "cut", None, "the zip is cut"))
    results = {s.student: r for s, r in module.run(people, package, workers=2)}
    assert len(results) == len(people)
    texts = {s.notebook.decode() for s in people if results[s.student]["status"] == "graded"}
    assert texts == set("abcdef")
    assert "was killed" in results["s2"]["reasons"][0]
    assert "the grader failed (KeyError" in results["s4"]["reasons"][0]
    assert results["cut"]["reasons"] == ["the zip is cut"]


def test_any_executor_will_do(package, monkeypatch):
    monkeypatch.setattr(module, "grade_one", grade_or_die)
    people = class_of(b"a", b"b", b"c")
    results = list(module.run(people, package, workers=2, make_executor=ThreadPoolExecutor))
    assert {r["text"] for _, r in results} == set("abc")


def test_the_record_of_a_class_is_what_was_returned(graded):
    kept = {r["student"]: r for r in load_records(graded.course, SMALL_UNIT)}
    assert kept == {r["student"]: r for r in graded.result.records}
    assert graded.result.seed == "development" and not graded.result.unsafe
    for student in ("honest", "shadows-numpy"):  # where nbgrader's own commands look for it
        folder = graded.course.submitted / student / SMALL_UNIT
        assert [p.name for p in folder.iterdir()] == [f"{SMALL_UNIT}_homework.ipynb"]


@pytest.mark.kernel
def test_unsafe_grades_the_same_and_says_so(package, solved):
    import dataclasses

    import nbformat

    result = grade_one(nbformat.writes(solved).encode(), dataclasses.replace(package, unsafe=True))
    assert result["unsafe"] and result["status"] == "graded", result["reasons"]
    assert sum(t["score"] for t in result["tests"].values()) == 11.0


def test_without_a_secret_grading_refuses_unless_told(course, tmp_path, monkeypatch):
    monkeypatch.delenv("GENCOURSE_SECRET", raising=False)
    with pytest.raises(CourseError, match="gencourse secret"):
        grade_function(course, SMALL_UNIT, tmp_path, unsafe=True)
    assert not course.secret.exists()


def test_an_answer_to_an_older_release_is_graded_against_that_release(
    course, tmp_path, monkeypatch
):
    monkeypatch.delenv("GENCOURSE_SECRET", raising=False)
    root = tmp_path / "course"
    shutil.copytree(
        course.root, root, ignore=shutil.ignore_patterns("*.db", "submitted", "reports")
    )
    own = Course(root)
    new_secret(own)
    first = prepare(own, SMALL_UNIT)
    assert first.seed == "secret" and list(first.releases) == [first.current]
    source = own.source(SMALL_UNIT, "homework")
    source.write_text(source.read_text().replace("# ## 1 KL divergence", "# ## 1 Divergence"))
    from gencourse.authoring.build import build

    build(own, [SMALL_UNIT])
    second = prepare(own, SMALL_UNIT)
    assert second.current != first.current
    assert set(second.releases) == {first.current, second.current}
    assert second.releases[first.current] == first.releases[first.current]


def test_a_course_that_is_not_built_is_one_line(tmp_path):
    with pytest.raises(CourseError, match="gencourse build 01_graphical_models"):
        prepare(Course(tmp_path), "01_graphical_models", dev_seed=True)
