"""A class of 100 graded here and by stock nbgrader: equal scores first, then the throughput.

Run with ``pytest -s benchmarks/test_grading.py``. Each submission is the homework of unit 01
filled with declared answers, right and wrong, drawn with a fixed seed. `gencourse grade` grades
all of them with two workers, from an empty gradebook to the written marks; every test is asked on
public and hidden cases, each in a kernel of its own. What counts is its throughput once warm, from
the first result to the last; the whole run, with the start of workers and warm parents, is printed
too. nbgrader grades some of them, because it takes long: per submission through its API in one
process, the first not counted (it imports, and makes the gradebook), and through its command
line, one process a student. nbgrader runs without a sandbox, hidden tests in the student's kernel.
"""

import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import PyFileConfigLoader

from gencourse.authoring import catalogue
from gencourse.authoring.build import build, public_cases_file
from gencourse.authoring.cases import dumps, hidden_cases
from gencourse.authoring.contract import load_exercises
from gencourse.course import Course
from gencourse.exercises.store import load
from gencourse.grading import grade, sandbox

UNIT = "01_graphical_models"
STUDENTS, BY_API, BY_COMMAND = 100, 15, 6
WORKERS, AT_LEAST = 2, 3.0
RIGHT = 0.7  # how many of the answers are right
ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(sandbox.problem() is not None, reason=str(sandbox.problem()))


@pytest.fixture
def courses(tmp_path):
    """Two equal course folders, one for each grader."""
    made = []
    for name in ("ours", "stock"):
        course = Course(tmp_path / name)
        course.sources.mkdir(parents=True)
        for part in ("homework", "exercises"):
            shutil.copy(Course(ROOT).source(UNIT, part), course.source(UNIT, part))
        shutil.copy(ROOT / "nbgrader_config.py", course.root)
        build(course, [UNIT])
        made.append(course)
    return made


@pytest.fixture
def deserved(courses):
    """Hand in the class in both courses; the score of each test by student."""
    ours, _ = courses
    rng = random.Random(1)
    exercises = load_exercises(ours, UNIT)
    files = [load(public_cases_file(ours, UNIT)), hidden_cases(ours, UNIT, dev_seed=True)]
    release = nbformat.read(ours.released(UNIT, "homework"), as_version=4)
    listed = {e.id: list(catalogue.answers(e)) for e in exercises}
    points, scores = {}, {}
    for i in range(STUDENTS):
        cells, scores[f"student-{i:03}"] = {}, {}
        for exercise in exercises:
            right = rng.random() < RIGHT
            answer = rng.choice([a for a in listed[exercise.id] if a.right == right])
            key = exercise.id, answer.name
            if key not in points:
                points[key] = catalogue.deserved(exercise, answer.answer, files)
            cells[exercise.id] = catalogue.as_cell(exercise, answer.answer)
            scores[f"student-{i:03}"] |= {
                f"test-{exercise.id}-{test}": float(n) for test, n in points[key].items()
            }
        text = nbformat.writes(catalogue.composite(release, cells), version=4)
        for course in courses:
            folder = course.submitted / f"student-{i:03}" / UNIT
            folder.mkdir(parents=True)
            (folder / f"{UNIT}_homework.ipynb").write_text(text)
    return scores


@pytest.fixture
def stock_environment(courses, tmp_path, monkeypatch):
    """Let nbgrader find its own commands, this package and the cases."""
    _, stock = courses
    hidden = tmp_path / "hidden.json"
    hidden.write_text(dumps(hidden_cases(stock, UNIT, dev_seed=True)))
    monkeypatch.setenv("GENCOURSE_HIDDEN", str(hidden))
    monkeypatch.setenv("GENCOURSE_CASES", str(public_cases_file(stock, UNIT).parent))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return stock


def stock_scores(course, student):
    with Gradebook(f"sqlite:///{course.gradebook}", "gencourse") as book:
        grades = book.find_submission_notebook(f"{UNIT}_homework", UNIT, student).grades
        return {g.name: g.auto_score for g in grades if g.name.startswith("test-")}


def warm_seconds(course):
    """Return the time from a written record to the next, on average."""
    written = sorted(p.stat().st_mtime for p in course.reports.rglob("student-*.json"))
    assert len(written) == STUDENTS
    return (written[-1] - written[0]) / (STUDENTS - 1)


def test_a_class_of_100_against_nbgrader(courses, deserved, stock_environment):
    ours, stock = courses
    students = sorted(deserved)
    began = time.perf_counter()
    result = grade(ours, UNIT, ours.submitted, workers=WORKERS, dev_seed=True)
    whole = time.perf_counter() - began
    mine = warm_seconds(ours)
    got = {r["student"]: {n: t["score"] for n, t in r["tests"].items()} for r in result.records}
    for student in students:
        assert got[student] == deserved[student], student

    config = PyFileConfigLoader("nbgrader_config.py", path=str(stock.root)).load_config()
    api = NbGraderAPI(config=config)
    assert api.generate_assignment(UNIT)["success"]
    by_api = []
    for student in students[: BY_API + 1]:
        began = time.perf_counter()
        done = api.autograde(UNIT, student)
        by_api.append(time.perf_counter() - began)
        assert done["success"], done["log"]
        assert stock_scores(stock, student) == deserved[student], student
    theirs = statistics.mean(by_api[1:])

    by_command = []
    for student in students[-BY_COMMAND:]:
        line = [shutil.which("nbgrader"), "autograde", UNIT, "--student", student]
        began = time.perf_counter()
        subprocess.run(line, cwd=stock.root, check=True, capture_output=True)
        by_command.append(time.perf_counter() - began)
        assert stock_scores(stock, student) == deserved[student], student
    command = statistics.mean(by_command)

    flagged = sum(r["status"] == "flagged" for r in result.records)
    print(
        f"\n{STUDENTS} submissions, {len(got[students[0]])} tests each, {flagged} flagged: "
        f"{whole:.0f} s with {WORKERS} workers; "
        f"warm {mine:.2f} s each ({60 / mine:.0f} a minute)\n"
        f"nbgrader's API in one process: {theirs:.2f} s each (mean of {BY_API}; "
        f"{theirs * STUDENTS:.0f} s for all, extrapolated): {theirs / mine:.1f}x, "
        f"wanted {AT_LEAST:g}x\n"
        f"nbgrader autograde, a process a student: {command:.2f} s each (mean of {BY_COMMAND}; "
        f"{command * STUDENTS:.0f} s for all, extrapolated): {command / mine:.1f}x\n"
        f"median of a worker: {statistics.median(r['seconds'] for r in result.records):.2f} s"
        f" a submission; most memory: {max(r['peak_mib'] for r in result.records)} MiB"
    )
    assert theirs / mine >= AT_LEAST
