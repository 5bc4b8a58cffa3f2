"""Workers and the one writer: a killed worker costs nobody else; releases, seeds and secrets."""

import shutil
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from gencourse.authoring.cases import new_secret
from gencourse.course import Course, CourseError
from gencourse.grading import executors
from gencourse.grading import grade as grade_function
from gencourse.grading.executors import Crew
from gencourse.grading.grade import run
from gencourse.grading.grade_one import AGAIN, grade_one
from gencourse.grading.package import prepare
from gencourse.grading.progress import time_left
from gencourse.grading.records import load_records
from gencourse.grading.submissions import Submission

from ..conftest import SMALL_UNIT
from .fakes import ENDS_ITS_WORKER, RAISES, by_its_bytes


def class_of(*notebooks):
    return [Submission(f"s{i}", f"s{i}", n) for i, n in enumerate(notebooks)]


def honest(folder, number):
    return [f"{folder} s{i} 0".encode() for i in range(number)]


def test_a_killed_worker_and_a_faulty_grader_cost_nobody_else(package, tmp_path):
    people = class_of(*honest(tmp_path, 6), ENDS_ITS_WORKER, RAISES)
    people.reverse()
    with executors.processes(package, 2, tmp_path) as crew:
        results = {s.student: r for s, r in run(people, crew, package, grader=by_its_bytes)}
    assert len(results) == len(people)
    assert {s for s, r in results.items() if r["status"] == "graded"} == {
        f"s{i}" for i in range(6)
    }
    graded = (tmp_path / "graded").read_text().split()
    assert sorted(graded) == [f"s{i}" for i in range(6)]  # each once
    assert "was killed" in results["s6"]["reasons"][0] and results["s6"][AGAIN]
    assert "the grader failed (KeyError" in results["s7"]["reasons"][0] and results["s7"][AGAIN]


def test_any_executor_will_do(package, tmp_path):
    people = class_of(*honest(tmp_path, 3))
    with ThreadPoolExecutor(2) as executor:
        crew = Crew(executor, package, lambda: 2)
        results = list(run(people, crew, package, grader=by_its_bytes))
    assert {s.student for s, r in results if r["status"] == "graded"} == {"s0", "s1", "s2"}


def test_a_class_is_streamed_through_a_window(package, tmp_path):
    """Of thousands of submissions only a few are with the workers at a time."""
    most = 0

    class Counting(ThreadPoolExecutor):
        under_way = 0

        def submit(self, *args):
            nonlocal most
            self.under_way += 1
            most = max(most, self.under_way)
            future = super().submit(*args)
            future.add_done_callback(self.finished)
            return future

        def finished(self, future):
            self.under_way -= 1

    people = class_of(*honest(tmp_path, 200))
    with Counting(4) as executor:
        crew = Crew(executor, package, lambda: 3)
        assert len(list(run(people, crew, package, grader=by_its_bytes))) == 200
    assert most == 3


def test_workers_that_are_gone_stop_the_class_and_blame_nobody(package):
    class Gone(ThreadPoolExecutor):
        def submit(self, *args):
            future = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    crew = Crew(Gone(1), package, lambda: 2)
    with pytest.raises(CourseError, match="the workers are gone"):
        list(run(class_of(b"a", b"b"), crew, package))


@pytest.mark.parametrize(
    ("seconds", "done", "left", "words"),
    [
        (0.0, 0, 9, ""),
        (10.0, 5, 20, "about 40 s left"),
        (60.0, 2, 98, "about 49 min left"),
        (60.0, 1, 150, "about 2.5 h left"),
        (10.0, 5, 0, "about 1 s left"),
    ],
)
def test_time_left(seconds, done, left, words):
    assert time_left(seconds, done, left) == words


def test_executors_that_do_not_exist_are_refused(course, tmp_path):
    with pytest.raises(ValueError, match="'threads', expected processes or dask"):
        grade_function(course, SMALL_UNIT, tmp_path, executor="threads")
    with pytest.raises(CourseError, match="--executor dask"):
        grade_function(course, SMALL_UNIT, tmp_path, scheduler="tcp://127.0.0.1:1")


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
