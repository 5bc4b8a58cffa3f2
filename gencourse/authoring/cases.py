"""Turns declared exercises into cases: plain numbers, made from a seed by running the references.

Three kinds of seed. The public one makes the cases that ship. The secret one, 32 random bytes
that never leave the grader's machine, makes the hidden cases of a term. The development one
stands in where there is no secret, in tests and demonstrations, and says so in its file.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import gencourse
from gencourse.authoring.contract import Exercise, Test, load_exercises
from gencourse.course import Course, CourseError
from gencourse.exercises import adapter
from gencourse.exercises.compare import Tolerance, first_difference
from gencourse.exercises.encoding import EncodingError, decode, encode
from gencourse.exercises.judge import measure
from gencourse.exercises.properties import broken
from gencourse.exercises.store import FORMAT

INPUT_DIGITS, OUTPUT_DIGITS, METRIC_DIGITS = 12, 10, 4


def make_cases(course: Course, unit: str, seed: str | bytes) -> dict:
    """Return the case file of a unit for a seed: "public", "development" or secret bytes.

    Raises:
        CourseError: an exercise does not keep its own contract, with the exercise, test and
            reason.
    """
    exercises = load_exercises(course, unit)
    public = seed == "public"
    return {
        "format": FORMAT,
        "unit": unit,
        "seed": seed if isinstance(seed, str) else "secret",
        "exercises": {e.id: _exercise(e, seed, public) for e in exercises},
    }


def new_secret(course: Course) -> Path:
    """Make the secret seed of a new term and return its file.

    Raises:
        CourseError: there is one already; a new one would change what graded work was measured
            by.
    """
    path = course.secret / "seed"
    course.secret.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CourseError(f"{path} exists; move it away to begin a new term") from None
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path


def hidden_cases(course: Course, unit: str, dev_seed: bool = False) -> dict:
    """Return the hidden cases of a unit; secret ones are kept in `course.secret/UNIT.json`.

    They are made again when the exercises, the library's version or the seed have changed.

    Raises:
        CourseError: there is no secret and `dev_seed` is False.
    """
    if dev_seed:
        return make_cases(course, unit, "development")
    try:
        seed = (course.secret / "seed").read_bytes()
    except OSError:
        raise CourseError(
            f"there is no secret seed in {course.secret}; make one with `gencourse secret`"
        ) from None
    path = course.secret / f"{unit}.json"
    key = _key(course, unit, seed)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept.get("key") == key:
            return kept
    except (OSError, ValueError, AttributeError):
        pass
    made = {**make_cases(course, unit, seed), "key": key}
    _write_private(path, dumps(made))
    return made


def dumps(cases: Mapping[str, Any]) -> str:
    """Return a case file's text, one line a test so that a difference can be read."""
    head = {k: v for k, v in cases.items() if k != "exercises"}
    lines = [json.dumps(head, allow_nan=False)[:-1] + ', "exercises": {']
    blocks = []
    for name, entry in cases["exercises"].items():
        rest = json.dumps({k: v for k, v in entry.items() if k != "tests"}, allow_nan=False)[:-1]
        tests = ",\n".join(
            f"  {json.dumps(t)}: {json.dumps(v, allow_nan=False)}"
            for t, v in entry["tests"].items()
        )
        blocks.append(f' {json.dumps(name)}: {rest}, "tests": {{\n{tests}\n }}}}')
    return "\n".join([*lines, ",\n".join(blocks), "}}", ""])


def _key(course: Course, unit: str, seed: bytes) -> str:
    source = course.source(unit, "exercises").read_bytes()
    parts = (seed, source, gencourse.__version__.encode(), str(FORMAT).encode())
    return hashlib.sha256(b"\0".join(hashlib.sha256(p).digest() for p in parts)).hexdigest()


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def _exercise(exercise: Exercise, seed: str | bytes, public: bool) -> dict:
    return {
        "answer": exercise.answer,
        "kind": exercise.kind,
        "wrt": list(exercise.wrt),
        "evaluator": exercise.evaluator,
        "title": exercise.title,
        "minutes": exercise.minutes,
        "discouraged": list(exercise.discouraged),
        "tests": {t.name: _test(exercise, t, seed, public) for t in exercise.tests},
    }


def _test(exercise: Exercise, test: Test, seed: str | bytes, public: bool) -> dict:
    inputs = list(test.fixed) if public else []
    for k in range(test.cases):
        try:
            inputs.append(test.inputs(_generator(seed, exercise.id, test.name, k)))
        except Exception as error:
            raise CourseError(
                f"exercise {exercise.id}, test {test.name}: the inputs of case {k} raise "
                f"{type(error).__name__}: {error}"
            ) from error
    rtol = exercise.rtol if test.rtol is None else test.rtol
    atol = exercise.atol if test.atol is None else test.atol
    cases = [_case(exercise, test, x, rtol, atol) for x in inputs]
    _check_mistakes(exercise, test, cases)
    return {"points": test.points, "cases": cases}


def _generator(seed: str | bytes, *parts: str | int) -> np.random.Generator:
    """Return a generator that depends on the names of what it is for, not on their order."""
    data = seed.encode() if isinstance(seed, str) else seed
    digest = hashlib.sha256(b"\0".join([data, *(str(p).encode() for p in parts)])).digest()
    return np.random.default_rng(list(digest))


def _case(exercise: Exercise, test: Test, inputs: dict, rtol: float, atol: float) -> dict:
    place = f"exercise {exercise.id}, test {test.name}"
    try:
        call = _rounded(encode(inputs), INPUT_DIGITS, 0.0)
    except EncodingError as error:
        raise CourseError(f"{place}: inputs: {error}") from None
    expected = _output(exercise, exercise.reference, call, atol)
    if isinstance(expected, Exception):
        raise CourseError(f"{place}: the reference raises {type(expected).__name__}: {expected}")
    unknown = set(test.metrics) - (
        {k for k, _ in expected["dict"]} if exercise.evaluator else set()
    )
    if unknown:
        raise CourseError(
            f"{place}: {exercise.evaluator} has no metric {', '.join(sorted(unknown))}"
        )
    for spec in test.properties:
        words = broken(decode(expected), spec)
        if words:
            raise CourseError(f"{place}: the reference lacks {spec['name']}: {words[1]}")
    tolerance = Tolerance(rtol, atol)
    mistakes = []
    for mistake in sorted(exercise.mistakes, key=lambda m: m.test != test.name):  # own ones first
        output = _output(exercise, mistake.answer, call, atol)
        if isinstance(output, Exception):
            continue
        if first_difference(decode(output), decode(expected), tolerance) is not None:
            mistakes.append({"says": mistake.says, "output": output})
    case = {
        "call": call,
        "expected": expected,
        "rtol": rtol,
        "atol": atol,
        "exact": not _holds_floats(expected),
        "properties": [dict(spec) for spec in test.properties],
        "mistakes": mistakes,
    }
    return case | (
        {"metrics": {k: dict(v) for k, v in test.metrics.items()}} if test.metrics else {}
    )


def _output(exercise: Exercise, answer: Callable, call: Any, atol: float) -> Any:
    """Return what an answer gives, rounded, or the exception that it raises."""
    try:
        output = adapter.call(answer, kind=exercise.kind, call=call, wrt=exercise.wrt)
        if exercise.kind == "weights":
            metrics = measure(decode(output), decode(call), exercise.evaluator)
            return _rounded(encode(metrics), METRIC_DIGITS, 0.0)
        return _rounded(output, OUTPUT_DIGITS, atol * 1e-6)
    except Exception as error:
        return error


def _check_mistakes(exercise: Exercise, test: Test, cases: Sequence[dict]) -> None:
    """Refuse a mistake that no case of the test meant for it can tell from the right answer."""
    told = {m["says"] for case in cases for m in case["mistakes"]}
    for mistake in exercise.mistakes:
        if mistake.test == test.name and mistake.says not in told:
            raise CourseError(
                f"exercise {exercise.id}, test {test.name}: the mistake {mistake.answer.__name__} "
                "raises or agrees with the reference on every case; change its inputs, or declare "
                "it as Wrong"
            )


def _holds_floats(data: Any) -> bool:
    if isinstance(data, dict):
        return (
            "float" in data
            or data.get("dtype") == "float64"
            or any(map(_holds_floats, data.values()))
        )
    return isinstance(data, float) or (isinstance(data, list) and any(map(_holds_floats, data)))


def _rounded(data: Any, digits: int, zero: float) -> Any:
    """Round floats, so that the same cases come from machines whose last digits differ."""
    if isinstance(data, float):
        return 0.0 if abs(data) <= zero else float(f"{data:.{digits}g}") + 0.0
    if isinstance(data, list):
        return [_rounded(item, digits, zero) for item in data]
    if isinstance(data, dict):
        return {key: _rounded(item, digits, zero) for key, item in data.items()}
    return data
