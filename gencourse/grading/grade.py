"""Grades a class: workers for the submissions, one writer for the gradebook.

`grade_one` is pure, so any `concurrent.futures.Executor` will do. What is finished is kept before
it is written anywhere else, and writing it twice does no harm: a run that ends in the middle,
however it ends, is completed by the next one.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gencourse.course import Course, CourseError
from gencourse.grading import executors, sandbox
from gencourse.grading.executors import Crew, Grader
from gencourse.grading.grade_one import AGAIN, grade_one, not_gradable
from gencourse.grading.interrupts import unbroken
from gencourse.grading.ledger import Ledger
from gencourse.grading.lock import only_writer
from gencourse.grading.package import Package, prepare
from gencourse.grading.progress import Progress
from gencourse.grading.roster import load_roster
from gencourse.grading.sandbox import Limits
from gencourse.grading.submissions import Submission, collect
from gencourse.grading.writer import Writer

logger = logging.getLogger(__name__)
ALONE = 2  # how often a submission may end its worker with no other under way


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; the message says what is kept and how to go on."""


@dataclass(frozen=True)
class ClassResult:
    """What grading a class has given.

    Args:
        unit: name of the unit.
        records: one record a student, as `gencourse.grading.records` keeps them.
        unsafe: without a sandbox.
        seed: `secret` or `development`.
        seconds: how long it took.
        kept: how many of the results are an earlier run's, because nothing had changed.
    """

    unit: str
    records: list[dict[str, Any]] = field(default_factory=list)
    unsafe: bool = False
    seed: str = "secret"
    seconds: float = 0.0
    kept: int = 0

    def summary(self) -> str:
        """Return a line: how many of each status, how many graded now, how long."""
        counts = Counter(record["status"] for record in self.records)
        statuses = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        new = len(self.records) - self.kept
        return (
            f"{len(self.records)} submissions: {statuses or 'none'}; "
            f"{new} graded now, {self.kept} unchanged; {self.seconds:.0f} s"
        )


def grade(
    course: Course,
    unit: str,
    submissions: Path,
    *,
    workers: int = 2,
    unsafe: bool = False,
    dev_seed: bool = False,
    timeout: float = 30,
    executor: str = "processes",
    scheduler: str | None = None,
    force: bool = False,
    roster: Path | None = None,
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
        executor: `processes` of this machine, or `dask`.
        scheduler: address of a running dask scheduler, in place of `workers` processes here.
        force: grade also what has not changed since it was graded.
        roster: a CSV of the students, see `gencourse.grading.roster`.

    Raises:
        CourseError: no sandbox, no secret, no submissions, the unit is not built, or another
            process is grading.
        Interrupted: Ctrl-C; the same call goes on where it stopped.
    """
    if executor not in executors.EXECUTORS:
        raise ValueError(f"executor is {executor!r}, expected {' or '.join(executors.EXECUTORS)}")
    if scheduler and executor != "dask":
        raise CourseError("--scheduler is for --executor dask")
    if not unsafe:
        sandbox.require()
        sandbox.require_hidden(course.root, course.secret)
    limits = Limits(cell_seconds=timeout, total_seconds=20 * timeout)
    package = prepare(course, unit, dev_seed=dev_seed, limits=limits, unsafe=unsafe)
    return grade_class(
        course,
        package,
        collect(submissions, unit, roster=load_roster(course, roster)),
        workers=workers,
        executor=executor,
        scheduler=scheduler,
        force=force,
    )


def grade_class(
    course: Course,
    package: Package,
    submissions: list[Submission],
    *,
    workers: int = 2,
    executor: str = "processes",
    scheduler: str | None = None,
    force: bool = False,
    grader: Grader = grade_one,
) -> ClassResult:
    """Grade submissions against a package and write the results into a course folder.

    Args:
        course: where the gradebook, the records and the graded notebooks go.
        package: what to grade against.
        submissions: what was handed in.
        workers: how many to grade at a time.
        executor: `processes` or `dask`.
        scheduler: address of a running dask scheduler.
        force: grade also what has not changed.
        grader: grades one submission; a pure function that can be pickled.
    """
    began = time.monotonic()
    records: dict[str, dict[str, Any]] = {}
    with only_writer(course) as scratch, Progress(package.unit, len(submissions)) as progress:
        ledger = Ledger(course, package)
        try:
            with Writer(course, package) as writer:
                fresh = []
                for submission in submissions:
                    result = _known(submission, package, ledger, force)
                    if result is None:
                        fresh.append(submission)
                    else:
                        with unbroken():
                            records[submission.student] = writer.write(submission, result)
                kept = len(records)
                progress.begin(kept)
                number = min(workers, len(fresh))
                with _crew(package, number, scratch, executor, scheduler) as crew:
                    for submission, result in run(fresh, crew, package, grader=grader):
                        with unbroken():
                            result = ledger.keep(submission.notebook, result)
                            records[submission.student] = writer.write(submission, result)
                        progress.advance()
                ledger.keep_only(writer.keys())
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted with {len(records)} of {len(submissions)} submissions graded; "
                "they are kept, and the same command goes on with the others"
            ) from None
    seconds = round(time.monotonic() - began, 1)
    done = [records[student] for student in sorted(records)]
    return ClassResult(package.unit, done, package.unsafe, package.seed, seconds, kept)


def run(
    submissions: Iterable[Submission],
    crew: Crew | None,
    package: Package,
    *,
    grader: Grader = grade_one,
) -> Iterator[tuple[Submission, dict[str, Any]]]:
    """Yield each submission with its result as it is finished; nothing is written.

    At most `crew.window()` are under way. One whose worker ends is tried again when all others
    are done, with none beside it: if it ends its worker then too, it is at fault.

    Raises:
        CourseError: the workers cannot grade, through no fault of a submission.
    """
    waiting, suspects = deque(submissions), deque()
    under_way: dict[Future, Submission] = {}
    deaths: Counter[str] = Counter()

    def start() -> None:
        while waiting and len(under_way) < crew.window():
            submission = waiting.popleft()
            under_way[crew.submit(grader, submission.notebook)] = submission
        if suspects and not waiting and not under_way:
            submission = suspects.popleft()
            under_way[crew.submit(grader, submission.notebook)] = submission

    start()
    while under_way:
        finished = []
        alone = len(under_way) == 1 and not waiting
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            submission = under_way.pop(future)
            try:
                finished.append((submission, future.result()))
            except crew.lost:
                deaths[submission.student] += alone
                if deaths[submission.student] < ALONE:
                    suspects.append(submission)
                else:
                    reason = "the process that graded it was killed each time"
                    finished.append((submission, _failed(package, reason)))
            except CancelledError:
                raise CourseError(
                    "the workers are gone; what is graded is kept, the same command goes on"
                ) from None
            except CourseError:
                raise
            except Exception as error:  # a fault of the grader: it must not stop the class
                logger.exception("grading %s failed", submission.student)
                reason = f"the grader failed ({type(error).__name__}: {error})"
                finished.append((submission, _failed(package, reason)))
        start()  # before the results are written, so that no worker waits for that
        yield from finished


def _crew(
    package: Package, workers: int, scratch: Path, executor: str, scheduler: str | None
) -> AbstractContextManager[Crew | None]:
    """Return workers to enter, none where there is nothing to do."""
    if not workers:
        return nullcontext()
    if executor == "dask":
        return executors.dask(package, workers, scratch, scheduler)
    return executors.processes(package, workers, scratch)


def _known(
    submission: Submission, package: Package, ledger: Ledger, force: bool
) -> dict[str, Any] | None:
    """Return the result of what needs no grading, or None."""
    if submission.problem or submission.notebook is None:
        return _failed(package, submission.problem or "nothing was handed in")
    if force:
        ledger.forget(submission.notebook)
    return ledger.find(submission.notebook)


def _failed(package: Package, reason: str) -> dict[str, Any]:
    return {
        **{"notes": [], "stamp": None, "unsafe": package.unsafe, "seed": package.seed},
        **{"version": package.version, "seconds": 0.0, "peak_mib": None, AGAIN: True},
        **not_gradable(reason),
    }
