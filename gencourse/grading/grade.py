"""Grades a class: a pool of processes for the submissions, one writer for the gradebook.

`grade_one` is pure, so any `concurrent.futures.Executor` will do. A worker that is killed takes
no other submission with it: what was under way is tried again, at last each in a process of its
own, and the one at fault is not gradable.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gencourse.course import Course
from gencourse.grading import records, sandbox
from gencourse.grading.grade_one import GRADED, grade_one, not_gradable
from gencourse.grading.package import Package, prepare
from gencourse.grading.rebuild import grade_id
from gencourse.grading.sandbox import Limits
from gencourse.grading.submissions import Submission, collect

logger = logging.getLogger(__name__)
POOLS = 3  # how often a broken pool is replaced before submissions run one by one


@dataclass(frozen=True)
class ClassResult:
    """What grading a class has given.

    Args:
        unit: name of the unit.
        records: one record a student, as `gencourse.grading.records` keeps them.
        unsafe: without a sandbox.
        seed: `secret` or `development`.
        seconds: how long it took.
    """

    unit: str
    records: list[dict[str, Any]] = field(default_factory=list)
    unsafe: bool = False
    seed: str = "secret"
    seconds: float = 0.0


def grade(
    course: Course,
    unit: str,
    submissions: Path,
    *,
    workers: int = 2,
    unsafe: bool = False,
    dev_seed: bool = False,
    timeout: float = 30,
) -> ClassResult:
    """Grade the submissions of a unit and write the marks into the course's gradebook.

    Args:
        course: the course folder, with the unit built.
        unit: full name of the unit.
        submissions: a folder in nbgrader's layout, or the zip of an LMS.
        workers: how many submissions to grade at a time.
        unsafe: grade without the sandbox.
        dev_seed: use the development seed, which is public.
        timeout: seconds that a cell, or a call of an answer, may take.

    Raises:
        CourseError: no sandbox, no secret, no submissions, or the unit is not built.
    """
    if not unsafe:
        sandbox.require()
    limits = Limits(cell_seconds=timeout, total_seconds=20 * timeout)
    package = prepare(course, unit, dev_seed=dev_seed, limits=limits, unsafe=unsafe)
    return grade_class(course, package, collect(submissions, unit), workers=workers)


def grade_class(
    course: Course,
    package: Package,
    submissions: list[Submission],
    *,
    workers: int = 2,
    make_executor: Callable[[int], Executor] | None = None,
) -> ClassResult:
    """Grade submissions against a package and write the results into a course folder.

    Args:
        course: where the gradebook, the records and the graded notebooks go.
        package: what to grade against.
        submissions: what was handed in.
        workers: how many to grade at a time.
        make_executor: makes a pool of so many workers, default a `ProcessPoolExecutor`.
    """
    from gencourse.grading.gradebook import Book

    began = time.monotonic()
    written = []
    with Book(course, package.unit) as book, _progress() as progress:
        book.prepare(course.built(package.unit, "homework"))
        task = progress.add_task(f"grading {package.unit}", total=len(submissions))
        for submission, result in run(
            submissions, package, workers=workers, make_executor=make_executor
        ):
            written.append(_write(course, book, package, submission, result))
            progress.advance(task)
    written.sort(key=lambda r: r["student"])
    seconds = time.monotonic() - began
    return ClassResult(package.unit, written, package.unsafe, package.seed, round(seconds, 1))


def run(
    submissions: Iterable[Submission],
    package: Package,
    *,
    workers: int,
    make_executor: Callable[[int], Executor] | None = None,
) -> Iterator[tuple[Submission, dict[str, Any]]]:
    """Yield each submission with its result as it is finished; nothing is written."""
    waiting = []
    for submission in submissions:
        if submission.problem or submission.notebook is None:
            yield submission, _failed(package, submission.problem or "nothing was handed in")
        else:
            waiting.append(submission)
    make = make_executor or _processes
    for _ in range(POOLS):
        if waiting:
            waiting = yield from _pool(waiting, package, make(min(workers, len(waiting))))
    for submission in waiting:
        lost = yield from _pool([submission], package, make(1))
        if lost:
            yield submission, _failed(package, "the process that graded it was killed each time")


def _pool(
    waiting: list[Submission], package: Package, executor: Executor
) -> Iterator[tuple[Submission, dict[str, Any]]]:
    """Yield what a pool finishes; return what it lost because a worker was killed."""
    lost = []
    futures: dict[Future, Submission] = {}
    try:
        for submission in waiting:
            try:
                futures[executor.submit(grade_one, submission.notebook, package)] = submission
            except BrokenProcessPool:
                lost.append(submission)
        for future in as_completed(list(futures)):
            submission = futures.pop(future)
            try:
                result = future.result()
            except BrokenProcessPool:
                lost.append(submission)
                continue
            except Exception as error:  # a fault of the grader: it must not stop the class
                logger.exception("grading %s failed", submission.student)
                result = _failed(package, f"the grader failed ({type(error).__name__}: {error})")
            yield submission, result
    finally:
        executor.shutdown(cancel_futures=True)  # on Ctrl-C: what has not begun never will
    return lost


def _processes(workers: int) -> Executor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _failed(package: Package, reason: str) -> dict[str, Any]:
    return {
        **{"notes": [], "stamp": None, "unsafe": package.unsafe, "seed": package.seed},
        **{"version": package.version, "seconds": 0.0, "peak_mib": None},
        **not_gradable(reason),
    }


def _write(
    course: Course, book: Any, package: Package, submission: Submission, result: dict[str, Any]
) -> dict[str, Any]:
    """Write one result everywhere; the record comes last and says that all of it is there."""
    student, unit = submission.student, package.unit
    before = _answers(records.graded_notebook(course, unit, student))
    after = _answers_in(result["notebook"])
    changed = {
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    }
    release = package.release(result["stamp"])
    changed |= {test for test, (exercise, _) in release.tests().items() if exercise in changed}
    if submission.origin_folder != course.submitted.resolve():
        records.save_submitted(course, unit, submission)
    records.save_graded(course, unit, student, result["notebook"])
    book.record(student, result, timestamp=submission.timestamp, changed=changed)
    record = {k: v for k, v in result.items() if k != "notebook"}
    record |= {
        "student": student,
        "origin": submission.origin,
        "unit": unit,
        "cells": release.points(),
    }
    record |= {"titles": release.titles(), "notes": submission.notes + result["notes"]}
    if result["status"] == GRADED or result["tests"]:
        record["score"] = sum(t["score"] or 0.0 for t in result["tests"].values())
    else:
        record["score"] = None
    records.save_record(course, unit, record)
    return record


def _answers(path: Path) -> dict[str, str]:
    try:
        return _answers_in(path.read_text(encoding="utf-8"))
    except OSError:
        return {}


def _answers_in(notebook: str | None) -> dict[str, str]:
    try:
        cells = json.loads(notebook)["cells"] if notebook else []
        return {grade_id(c): "".join(c["source"]) for c in cells if grade_id(c)}
    except (ValueError, KeyError, TypeError):
        return {}


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
