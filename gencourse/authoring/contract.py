"""How an instructor declares an exercise: once, in `solutions/NN_unit_exercises.py`.

From the declaration come the cases that ship, the cases that a grader keeps, the test cells of
the notebook and the catalogue of wrong and right answers by which the exercise itself is tested.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gencourse.course import Course, CourseError
from gencourse.exercises.adapter import KINDS
from gencourse.exercises.evaluators import EVALUATORS
from gencourse.exercises.properties import PROPERTIES

IDENTIFIER = re.compile(r"[a-z0-9-]+")
MAX_CELL_ID = 64


@dataclass(frozen=True)
class Test:
    """One test cell: points for one group of mistakes.

    Args:
        name: part of the cell's id, `[a-z0-9-]+`.
        points: whole points of the cell.
        inputs: makes the inputs of one case from a generator.
        cases: how many cases to draw from each seed.
        fixed: inputs set by hand; they join the public cases.
        properties: facts of every right answer, see `gencourse.exercises.properties`.
        rtol: relative tolerance, default that of the exercise.
        atol: absolute tolerance, default that of the exercise.
        metrics: for trained weights, how far each metric may be from the reference's, such as
            `{"nll": {"at_most": 0.05}}`: no more than 0.05 above it and anything below.
    """

    __test__ = False  # not a test of pytest

    name: str
    points: int
    inputs: Callable[[np.random.Generator], dict]
    cases: int = field(default=3, kw_only=True)
    fixed: Sequence[dict] = field(default=(), kw_only=True)
    properties: Sequence[dict] = field(default=(), kw_only=True)
    rtol: float | None = field(default=None, kw_only=True)
    atol: float | None = field(default=None, kw_only=True)
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        _require_id("name", self.name)
        if not isinstance(self.points, int) or self.points < 1:
            raise ValueError(f"points is {self.points!r}; expected a whole number from 1")
        if self.cases + len(self.fixed) < 1 or self.cases < 1:
            raise ValueError(f"cases is {self.cases!r}; expected at least 1")
        for spec in self.properties:
            if spec.get("name") not in PROPERTIES:
                known = ", ".join(PROPERTIES)
                raise ValueError(f"properties names {spec.get('name')!r}; expected one of {known}")


@dataclass(frozen=True)
class Mistake:
    """A known mistake: where an answer gives what `answer` gives, the student reads `says`."""

    answer: Callable
    says: str
    test: str = field(kw_only=True)


@dataclass(frozen=True)
class Wrong:
    """A further plausible wrong answer, which must score 0 on `test`."""

    answer: Callable
    test: str = field(kw_only=True)


@dataclass(frozen=True)
class Exercise:
    """One exercise of a homework.

    Args:
        id: `[a-z0-9-]+`; becomes the id of the solution cell.
        answer: the name that the student defines.
        kind: `function`, `class`, `gradient`, `sampler` or `weights`.
        title: what the exercise is called.
        minutes: a student's time, estimated.
        reference: the right answer from which the cases are made.
        tests: the test cells.
        mistakes: known mistakes with their words.
        wrong: further wrong answers.
        right: at least two right answers, written differently.
        rtol: relative tolerance; an answer in float32 must pass.
        atol: absolute tolerance.
        wrt: for a gradient, the names of the inputs to differentiate by.
        evaluator: for trained weights, a function of `gencourse.exercises.evaluators`.
        discouraged: dotted names of the library whose call is not an answer; flagged, never
            zeroed.
    """

    id: str
    answer: str
    kind: str
    title: str = field(kw_only=True)
    minutes: int = field(kw_only=True)
    reference: Callable = field(kw_only=True)
    tests: Sequence[Test] = field(kw_only=True)
    mistakes: Sequence[Mistake] = field(kw_only=True)
    wrong: Sequence[Wrong] = field(kw_only=True)
    right: Sequence[Callable] = field(kw_only=True)
    rtol: float = field(default=1e-4, kw_only=True)
    atol: float = field(default=1e-6, kw_only=True)
    wrt: Sequence[str] = field(default=(), kw_only=True)
    evaluator: str | None = field(default=None, kw_only=True)
    discouraged: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        _require_id("id", self.id)
        if not self.answer.isidentifier():
            raise ValueError(f"answer is {self.answer!r}; expected a Python name")
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; expected one of {', '.join(KINDS)}")
        if (self.kind == "gradient") != bool(self.wrt):
            raise ValueError(
                f"wrt is {self.wrt!r}; expected names for a gradient and only for one"
            )
        if (self.kind == "weights") != (self.evaluator in EVALUATORS):
            raise ValueError(
                f"evaluator is {self.evaluator!r}; weights need one of {list(EVALUATORS)}"
            )
        if len(self.right) < 2:
            raise ValueError(f"right holds {len(self.right)} answers; expected two or more")
        self._check_tests()
        for made in (
            self.reference,
            *self.right,
            *(m.answer for m in (*self.mistakes, *self.wrong)),
        ):
            if "<" in getattr(made, "__qualname__", "<"):
                raise ValueError(f"{made!r} is not a named top-level function or class")

    def _check_tests(self) -> None:
        names = [t.name for t in self.tests]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"tests are named {names}; expected distinct names, one or more")
        for item in (*self.mistakes, *self.wrong):
            if item.test not in names:
                raise ValueError(
                    f"{item.answer.__name__} is meant for test {item.test!r}, not in {names}"
                )
        for name in names:
            if not any(item.test == name for item in (*self.mistakes, *self.wrong)):
                raise ValueError(f"no mistake or wrong answer is meant for test {name!r}")
            if len(grade_id(self.id, name)) > MAX_CELL_ID:
                raise ValueError(
                    f"{grade_id(self.id, name)} has more than {MAX_CELL_ID} characters"
                )

    @property
    def points(self) -> int:
        """All points of the exercise."""
        return sum(t.points for t in self.tests)

    def test(self, name: str) -> Test:
        """Return one of the tests by its name."""
        return next(t for t in self.tests if t.name == name)


def grade_id(exercise: str, test: str) -> str:
    """Return the id of a test cell."""
    return f"test-{exercise}-{test}"


def load_exercises(course: Course, unit: str) -> list[Exercise]:
    """Return what a unit's exercises file declares.

    Raises:
        CourseError: no such file, it does not run, or its declarations are wrong.
    """
    path = course.source(unit, "exercises")
    if not path.is_file():
        raise CourseError(f"unit {unit} has no {path}")
    name = f"gencourse_exercises_{unit}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # inspect and pickle look classes up by their module's name
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
        exercises = list(module.EXERCISES)
    except Exception as error:
        raise CourseError(f"{path.name}: {type(error).__name__}: {error}") from error
    _check_unique(path.name, exercises)
    return exercises


def _check_unique(name: str, exercises: Sequence[Any]) -> None:
    if not exercises or not all(isinstance(e, Exercise) for e in exercises):
        raise CourseError(f"{name}: EXERCISES is not a list of Exercise")
    cells = [e.id for e in exercises] + [
        grade_id(e.id, t.name) for e in exercises for t in e.tests
    ]
    twice = sorted({c for c in cells if cells.count(c) > 1})
    if twice:
        raise CourseError(f"{name}: two cells would have the id {', '.join(twice)}")


def _require_id(variable: str, value: str) -> None:
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise ValueError(f"{variable} is {value!r}; expected letters a-z, digits and hyphens")
