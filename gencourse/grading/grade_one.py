"""Grades one submission: bytes in, plain data out, no file and no database touched.

The student's code runs in a kernel, in the sandbox. What the kernel sees of a test are the inputs
of its cases; what comes back is compared out here.

The notebook runs twice, each time in a fresh kernel. The first run is asked the public cases, and
all that is shown of a submission comes from it: outputs, messages, values. The second is asked the
hidden cases and gives nothing but verdicts in fixed words. So no hidden input can reach anything
that a student gets to see: what is shown is complete before the first of them enters a kernel.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from gencourse.exercises import judge
from gencourse.exercises.words import shown
from gencourse.grading.inert import inert
from gencourse.grading.library_uses import uses_of
from gencourse.grading.package import Package, Release
from gencourse.grading.rebuild import (
    NotGradable,
    Rebuilt,
    grade_id,
    is_answer,
    is_written,
    parse,
    rebuild,
    source,
    stamp_of,
)
from gencourse.grading.run_through import RunThrough, Trouble
from gencourse.grading.session import KernelStartError, Outcome, Session

GRADED, FLAGGED, NOT_GRADABLE = "graded", "flagged", "not gradable"
AGAIN = "again"  # in a result that is the machine's fault: the next run tries once more
FILE = re.compile(r"\(\w+\.py, line (\d+)\)")  # the made-up name of a cell, in a SyntaxError
MOST_PARTS, MOST_VALUES = 500_000, 2_000_000  # of a notebook, which is read into memory
TEXT_BYTES, OUTPUT_BYTES = 2 << 20, 4 << 20  # of all its cells together
DROPPED = "[not kept: the outputs of this notebook are too large]\n"


def grade_one(notebook: bytes, package: Package) -> dict[str, Any]:
    """Grade a submission.

    Args:
        notebook: the bytes of the notebook.
        package: the release and the cases.

    Returns:
        A plain dict: `status` (graded, flagged, not gradable), `reasons` (why flagged or not
        gradable), `notes` (what was mended), `tests` (id to score, points, diagnosis; a score of
        None needs a person), `written` (id to points and whether it was answered), `notebook`
        (the graded notebook as JSON text, or None), `stamp`, `seconds`, `peak_mib` (of this
        process), `unsafe`, `seed`, `version`; `again` where the machine failed.
    """
    began = time.monotonic()
    result: dict[str, Any] = {
        **{
            "status": GRADED,
            "reasons": [],
            "notes": [],
            "tests": {},
            "written": {},
            "notebook": None,
        },
        **{
            "stamp": None,
            "unsafe": package.unsafe,
            "seed": package.seed,
            "version": package.version,
        },
    }
    try:
        _weigh(notebook)
        submitted = parse(notebook, result["notes"])
        release, result["stamp"] = _release(submitted, package, result["notes"])
        rebuilt = rebuild(submitted, release.notebook)
        result["notes"] += rebuilt.notes
        _measure(rebuilt)
        with Session(limits=package.limits, unsafe=package.unsafe) as session:
            _run(session, rebuilt, release, result)
        result["notebook"] = _graded(rebuilt, release)
    except NotGradable as error:
        result |= not_gradable(str(error))
    except KernelStartError as error:
        result |= {**not_gradable(str(error)), AGAIN: True}
    result["reasons"] = [shown(reason) for reason in result["reasons"]]
    result["notes"] = [shown(note) for note in result["notes"]]
    result["seconds"] = round(time.monotonic() - began, 2)
    result["peak_mib"] = _peak_mib()
    return result


def not_gradable(reason: str) -> dict[str, Any]:
    """Return the part of a result that says so."""
    return {
        "status": NOT_GRADABLE,
        "reasons": [shown(reason)],
        "tests": {},
        "written": {},
        "notebook": None,
    }


def _weigh(data: bytes) -> None:
    """Refuse a notebook that would need far more memory than it has bytes, before reading it."""
    parts = data.count(b"[") + data.count(b"{") + data.count(b'"') // 2
    if parts > MOST_PARTS or data.count(b",") > MOST_VALUES:
        raise NotGradable("the notebook holds too many values; clear its outputs, save it again")


def _measure(rebuilt: Rebuilt) -> None:
    size = sum(len(cell["source"]) for cell in rebuilt.cells)
    if size > TEXT_BYTES:
        raise NotGradable(
            f"the cells hold {size >> 20} million characters; expected at most {TEXT_BYTES >> 20}"
        )


def _release(submitted: dict, package: Package, notes: list[str]) -> tuple[Release, str]:
    """Return the release that a submission answers, and its stamp."""
    stamp = stamp_of(submitted)
    if stamp is None:
        notes.append("the stamp of the release is missing; taken for the current one")
        stamp = package.current
    if stamp not in package.releases:
        raise NotGradable(
            f"the notebook answers release {stamp[:40]!r}, which this course does not know"
        )
    return package.releases[stamp], stamp


def _run(session: Session, rebuilt: Rebuilt, release: Release, result: dict[str, Any]) -> None:
    """Run the notebook on the public cases and then on the hidden ones, filling in `result`."""
    left_out: dict[int, Outcome] = {}
    for cell in filter(is_written, rebuilt.cells):
        points, answered = _points(cell), grade_id(cell) in rebuilt.answered
        result["written"][grade_id(cell)] = {
            **{"points": points, "answered": answered, "text": cell["source"]}
        }
    suspicions = [_Public(session, rebuilt, release, left_out, result).go()]
    if any(test["score"] for test in result["tests"].values()):
        session.restart()
        suspicions.append(_Hidden(session, rebuilt, release, left_out, result).go())
    for name, test in result["tests"].items():
        if test["score"] is None:
            result["reasons"].append(f"{test['exercise']}, {test['test']}: {test['says']}")
        _show(name, test, rebuilt)
    found = [f"the interpreter was tampered with: {s}" for s in suspicions if s]
    result["reasons"] += dict.fromkeys(found)
    result["reasons"] += uses_of(rebuilt.cells, release)
    if result["reasons"]:
        result["status"] = FLAGGED
    if result["tests"] and all(t["score"] is None for t in result["tests"].values()):
        raise NotGradable(result["reasons"][0])


class _Public(RunThrough):
    """The run on the public cases: all that is shown of a submission."""

    def __init__(self, *args: Any) -> None:
        *rest, self.result = args
        super().__init__(*rest)
        self.outcomes: dict[str, Outcome] = {}  # of answer cells
        self.room = OUTPUT_BYTES

    def after_cell(self, cell: dict, outcome: Outcome) -> None:
        cell["outputs"] = outcome.outputs + _as_output(outcome)
        self.room -= len(json.dumps(cell["outputs"]))
        if self.room < 0:
            cell["outputs"] = [{"output_type": "stream", "name": "stderr", "text": DROPPED}]
        if is_answer(cell):
            self.outcomes[grade_id(cell)] = outcome

    def harmed(self, index: int, outcome: Outcome) -> None:
        self.result["notes"].append(f"cell {index + 1}: {outcome.message}; left out")

    def at_test(self, cell: dict) -> None:
        name, points = grade_id(cell), _points(cell)
        exercise, test = self.tests[name]
        entry = {"exercise": exercise, "test": test, "points": points, "mistake": None}
        replies = self.replies(exercise, test, self.release.public)
        if isinstance(replies, Trouble):
            entry |= self._undefined(exercise) if replies.undefined else _says(replies)
        else:
            entry |= _verdict(replies, entry, self.release.public, public=True)
        self.result["tests"][name] = entry

    def _undefined(self, exercise: str) -> dict[str, Any]:
        """Say why a name does not exist, and whether that is a fair 0."""
        answer = self.release.public["exercises"][exercise]["answer"]
        outcome = self.outcomes.get(exercise)
        if exercise not in self.answered:
            return {"score": 0.0, "says": judge.NOT_ANSWERED}
        if outcome is None or outcome.status == "ok":
            return {"score": 0.0, "says": f"{answer} is not defined"}
        if outcome.status == "died":
            return {"score": None, "says": f"{answer} is not defined: its cell ended the kernel"}
        why = f"was {outcome.message}"
        if outcome.status == "error":
            message = FILE.sub(r"(line \1)", outcome.message)
            why = f"raises {outcome.ename}: {message}"
        return {"score": 0.0, "says": shown(f"{answer} is not defined: its cell {why}")}


class _Hidden(RunThrough):
    """The run on the hidden cases: it only takes points away, in words that are all ours."""

    def __init__(self, *args: Any) -> None:
        *rest, self.result = args
        super().__init__(*rest)

    def at_test(self, cell: dict) -> None:
        entry = self.result["tests"][grade_id(cell)]
        if not entry["score"]:
            return
        exercise, test = entry["exercise"], entry["test"]
        replies = self.replies(exercise, test, self.release.hidden)
        if isinstance(replies, Trouble):
            entry |= _says(replies)
            entry["says"] = f"{judge.HIDDEN}: {entry['says']}"
        else:
            entry |= _verdict(replies, entry, self.release.hidden, public=False)


def _verdict(replies: list[str], entry: dict, cases: dict, *, public: bool) -> dict[str, Any]:
    """Return score, diagnosis and known mistake."""
    exercise = cases["exercises"][entry["exercise"]]
    asked = exercise["tests"][entry["test"]]
    try:
        with np.errstate(all="ignore"):
            found = judge.judge_test(replies, asked, exercise=exercise, show_values=public)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError):
        found = judge.Verdict(False, judge.UNREADABLE)
    if found.right:
        return {"score": entry["points"], "says": "right", "mistake": None}
    return {"score": 0.0, "says": found.says, "mistake": found.mistake}


def _says(trouble: Trouble) -> dict[str, Any]:
    return {"score": trouble.score, "says": trouble.says, "mistake": None}


def _show(name: str, test: dict[str, Any], rebuilt: Rebuilt) -> None:
    """Put the diagnosis where the graded notebook shows the result of a test."""
    cell = next(c for c in rebuilt.cells if grade_id(c) == name)
    cell["execution_count"] = None
    if test["score"] == test["points"]:
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "right\n"}]
    else:
        cell["outputs"] = [_error_output("CheckFailed", test["says"])]


def _graded(rebuilt: Rebuilt, release: Release) -> str:
    """Return the graded notebook, what a student wrote in Markdown made inert."""
    ours = {grade_id(c) for c in release.notebook["cells"] if not is_answer(c)} - {None}
    pristine = {source(c) for c in release.notebook["cells"]}
    for cell in rebuilt.cells:
        theirs = grade_id(cell) not in ours and cell["source"] not in pristine
        if cell["cell_type"] != "code" and theirs:
            cell["source"] = inert(cell["source"])
    graded = {**release.notebook, "cells": rebuilt.cells}
    return json.dumps(graded, ensure_ascii=False, indent=1)


def _points(cell: dict) -> float:
    return float(cell["metadata"]["nbgrader"]["points"])


def _peak_mib() -> int | None:
    """Return the most memory that this process has held, where the system tells."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


def _as_output(outcome: Outcome) -> list[dict]:
    """Return an error output for a cell that was stopped; a cell that raised has its own."""
    if outcome.status in ("ok", "error"):
        return []
    return [_error_output(outcome.ename, outcome.message)]


def _error_output(name: str, words: str) -> dict:
    return {
        "output_type": "error",
        "ename": name,
        "evalue": words,
        "traceback": [f"{name}: {words}"],
    }
