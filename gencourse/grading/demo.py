"""`gencourse demo`: a small class is made, handed in, graded and reported, in a folder of its own.

What each submission deserves is known from how it was made: a right answer has all points of its
exercise, a wrong one none on the test that it is meant for. The demonstration fails when the
grader thinks otherwise.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from gencourse.authoring import catalogue
from gencourse.authoring.build import build, public_cases_file
from gencourse.authoring.cases import hidden_cases
from gencourse.authoring.contract import Exercise, load_exercises
from gencourse.course import UNITS, Course, CourseError
from gencourse.exercises.store import load
from gencourse.grading import sandbox
from gencourse.grading.export import export
from gencourse.grading.feedback import feedback
from gencourse.grading.grade import ClassResult, grade
from gencourse.grading.grade_one import NOT_GRADABLE
from gencourse.grading.pages import points
from gencourse.grading.report import report

MARKER = ".gencourse-demo"
WRONG_STUDENTS = 4
TIMEOUT = 8.0


@dataclass(frozen=True)
class HandedIn:
    """A submission of the demonstration.

    Args:
        student: its id.
        what: what it is, in words.
        data: the bytes of the notebook.
        deserves: id of each test cell to its score, or None when it cannot be graded.
    """

    student: str
    what: str
    data: bytes
    deserves: dict[str, float] | None


def demo(
    course: Course,
    out: Path | None = None,
    *,
    unit: str = UNITS[0],
    workers: int = 2,
    console: Console | None = None,
) -> bool:
    """Release a unit, hand in a small class, grade it, and write the report.

    Args:
        course: the course; it is only read.
        out: folder for the demonstration, default `demo/` in the course; an earlier one is
            replaced.
        unit: full name of the unit.
        workers: submissions graded at a time.
        console: where to print.

    Returns:
        Whether every score is what its submission deserves.

    Raises:
        CourseError: the folder holds something else.
    """
    console = console or Console()
    own = _own_course(course, Path(out or course.root / "demo"), unit)
    with console.status(f"building {unit} and a class that answers it"):
        build(own, [unit])
        handed_in = make_class(own, unit)
        for item in handed_in:
            path = own.submitted / item.student / unit / f"{unit}_homework.ipynb"
            path.parent.mkdir(parents=True)
            path.write_bytes(item.data)
    unsafe = sandbox.problem() is not None
    if unsafe:
        why = (
            f"{sandbox.problem()}\nThe demonstration goes on: it grades only its own submissions."
        )
        console.print(Panel(why, title="no sandbox: --unsafe", border_style="red"))
    result = grade(
        own, unit, own.submitted, workers=workers, unsafe=unsafe, dev_seed=True, timeout=TIMEOUT
    )
    good = _show(handed_in, result, console)
    page = report(own, unit)
    feedback(own, unit)
    export(own, unit)
    console.print(
        f"graded in {result.seconds:.0f} s with {workers} workers; report: {page}", soft_wrap=True
    )
    return good


def make_class(course: Course, unit: str) -> list[HandedIn]:
    """Return the submissions of the demonstration, each with what it deserves."""
    exercises = load_exercises(course, unit)
    release = nbformat.read(course.released(unit, "homework"), as_version=4)
    full = {f"test-{e.id}-{t.name}": float(t.points) for e in exercises for t in e.tests}
    own = _own_solutions(course, unit, exercises)

    def hand_in(
        student: str, what: str, cells: dict[str, str], deserves: dict[str, float]
    ) -> HandedIn:
        return HandedIn(
            student, what, _bytes(catalogue.composite(release, cells)), full | deserves
        )

    made = [hand_in("reference", "the notebook's own solution", own, {})]
    for i in range(2):
        cells = {e.id: catalogue.as_cell(e, e.right[i]) for e in exercises}
        made.append(hand_in(f"right-{i + 1}", "right answers written differently", cells, {}))
    made += [hand_in(*wrong) for wrong in _wrong(course, unit, exercises, own)]
    first = min(exercises, key=lambda e: len(e.tests))
    nothing = {f"test-{first.id}-{t.name}": 0.0 for t in first.tests}
    broken = own | {first.id: f"def {first.answer}(:\n    return"}
    made.append(hand_in("syntax-error", f"a syntax error in {first.id}", broken, nothing))
    endless = own | {
        first.id: f"def {first.answer}(*args, **kwargs):\n    while True:\n        pass"
    }
    made.append(hand_in("infinite-loop", f"{first.id} never returns", endless, nothing))
    made.append(hand_in("blank", "the release, untouched", {}, dict.fromkeys(full, 0.0)))
    data = made[0].data
    made.append(HandedIn("truncated", "a file cut in two", data[: len(data) // 2], None))
    return made


def _own_course(course: Course, out: Path, unit: str) -> Course:
    """Make a course folder with one unit's sources: the real course is never touched."""
    if out.exists() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise CourseError(f"{out} holds something else; name an empty folder with --out")
    shutil.rmtree(out, ignore_errors=True)
    own = Course(out.resolve())
    own.sources.mkdir(parents=True)
    (out / MARKER).touch()
    for part in ("homework", "exercises"):
        path = course.source(unit, part)
        if not path.is_file():
            raise CourseError(f"unit {unit} has no {path}")
        shutil.copy(path, own.source(unit, part))
    settings = course.root / "nbgrader_config.py"
    if settings.is_file():
        shutil.copy(settings, own.root)
    return own


def _own_solutions(course: Course, unit: str, exercises: list[Exercise]) -> dict[str, str]:
    """Return what the instructor's notebook answers, exercise by exercise."""
    notebook = nbformat.read(course.built(unit, "homework"), as_version=4)
    cells = {c.metadata.get("nbgrader", {}).get("grade_id"): c.source for c in notebook.cells}
    return {e.id: cells[e.id] for e in exercises}


def _wrong(
    course: Course, unit: str, exercises: list[Exercise], own: dict[str, str]
) -> list[tuple]:
    """Return students who answer some exercises wrongly, each in another known way."""
    files = [load(public_cases_file(course, unit)), hidden_cases(course, unit, dev_seed=True)]
    listed = [(e, [a for a in catalogue.answers(e) if not a.right]) for e in exercises]
    students = []
    for i in range(WRONG_STUDENTS):
        cells, deserves = dict(own), {}
        for j, (exercise, wrong) in enumerate(listed):
            if (i + j) % 2:
                continue
            answer = wrong[(i // 2) % len(wrong)]
            cells[exercise.id] = catalogue.as_cell(exercise, answer.answer)
            scores = catalogue.deserved(exercise, answer.answer, files) | {answer.test: 0}
            deserves |= {f"test-{exercise.id}-{t}": float(s) for t, s in scores.items()}
        what = f"{len(listed[i % 2 :: 2])} exercises with a known mistake"
        students.append((f"wrong-{i + 1}", what, cells, deserves))
    return students


def _bytes(notebook: NotebookNode) -> bytes:
    return nbformat.writes(notebook, version=4).encode()


def _show(handed_in: list[HandedIn], result: ClassResult, console: Console) -> bool:
    """Print what each submission deserves and got; return whether they agree, test by test."""
    records = {r["student"]: r for r in result.records}
    table = Table(title=f"{result.unit}: {len(handed_in)} submissions")
    for heading in ("student", "handed in", "deserves", "got", "status", ""):
        table.add_column(heading, no_wrap=heading in ("student", "status", ""))
    all_good = True
    for item in handed_in:
        record = records[item.student]
        got = {name: test["score"] for name, test in record["tests"].items()}
        good = record["status"] == NOT_GRADABLE if item.deserves is None else got == item.deserves
        all_good &= good
        deserved = "not gradable" if item.deserves is None else points(sum(item.deserves.values()))
        mark = "[green]as deserved[/]" if good else "[bold red]WRONG[/]"
        table.add_row(
            item.student, item.what, deserved, points(record["score"]), record["status"], mark
        )
    console.print(table)
    return all_good
