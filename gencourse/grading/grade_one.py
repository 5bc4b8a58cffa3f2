"""Grades one submission: bytes in, plain data out, no file and no database touched.

The student's code runs in a kernel, in the sandbox. What the kernel sees of a test are the inputs
of its cases; what comes back is compared out here. A cell that ends or hangs the kernel is left
out, the others are run again without it.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from pathlib import Path
from typing import Any

from gencourse.authoring.library_calls import library_calls
from gencourse.exercises import judge
from gencourse.grading.package import Package, Release
from gencourse.grading.rebuild import (
    NotGradable,
    Rebuilt,
    grade_id,
    is_answer,
    is_locked,
    is_test,
    is_written,
    parse,
    rebuild,
    stamp_of,
)
from gencourse.grading.session import KernelStartError, Outcome, Session

GRADED, FLAGGED, NOT_GRADABLE = "graded", "flagged", "not gradable"
RESTARTS = 6
LOCKED_SECONDS = 120.0  # for the release's own cells: a slow import is not the student's fault
FILE = re.compile(r"\(\w+\.py, line (\d+)\)")  # the made-up name of a cell, in a SyntaxError


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
        process), `unsafe`, `seed`, `version`.
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
        submitted = parse(notebook)
        release, result["stamp"] = _release(submitted, package, result["notes"])
        rebuilt = rebuild(submitted, release.notebook)
        result["notes"] += rebuilt.notes
        with Session(limits=package.limits, unsafe=package.unsafe) as session:
            _Run(session, rebuilt, release, result).grade()
        graded = {**release.notebook, "cells": rebuilt.cells}
        result["notebook"] = json.dumps(graded, ensure_ascii=False, indent=1)
    except (NotGradable, KernelStartError) as error:
        result |= not_gradable(str(error))
    result["seconds"] = round(time.monotonic() - began, 2)
    result["peak_mib"] = _peak_mib()
    return result


def not_gradable(reason: str) -> dict[str, Any]:
    """Return the part of a result that says so."""
    return {
        "status": NOT_GRADABLE,
        "reasons": [reason],
        "tests": {},
        "written": {},
        "notebook": None,
    }


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


class _Run:
    """One pass through a rebuilt notebook, filling in `result`."""

    def __init__(
        self, session: Session, rebuilt: Rebuilt, release: Release, result: dict[str, Any]
    ) -> None:
        self.session = session
        self.cells = rebuilt.cells
        self.answered = rebuilt.answered
        self.release = release
        self.result = result
        self.tests = release.tests()
        self.left_out: dict[int, Outcome] = {}  # cells that ended or hung the kernel
        self.outcomes: dict[str, Outcome] = {}  # of answer cells
        self.restarts = 0
        self.ends = time.monotonic() + session.limits.total_seconds

    def grade(self) -> None:
        """Run the cells in order and judge each test where it stands."""
        for index, cell in enumerate(self.cells):
            if is_written(cell):
                self._written(cell)
            elif is_test(cell):
                self._test(index, cell)
            elif cell["cell_type"] == "code":
                self._cell(index, cell)
        self._canary()
        self._library_calls()
        if self.result["reasons"]:
            self.result["status"] = FLAGGED
        if self.result["tests"] and all(t["score"] is None for t in self.result["tests"].values()):
            raise NotGradable(self.result["reasons"][0])

    def _cell(self, index: int, cell: dict) -> None:
        outcome = self._run(index, cell)
        cell["outputs"] = outcome.outputs + _as_output(outcome)
        if is_answer(cell):
            self.outcomes[grade_id(cell)] = outcome
        if not self.session.alive:
            self._restart(index + 1)

    def _run(self, index: int, cell: dict) -> Outcome:
        if self._late():
            return Outcome("timeout", "Timeout", "not run: the notebook takes too long")
        seconds = LOCKED_SECONDS if is_locked(cell) else self.session.limits.cell_seconds
        outcome = self.session.run(cell["source"], seconds=seconds)
        if outcome.status not in ("ok", "error"):
            self.left_out[index] = outcome
            self.result["notes"].append(f"cell {index + 1}: {outcome.message}; left out")
        return outcome

    def _restart(self, stop: int) -> None:
        """Start a fresh kernel and run the cells before `stop` again, except what did harm."""
        while not self.session.alive and self.restarts < RESTARTS and not self._late():
            self.restarts += 1
            self.session.restart()
            for index, cell in enumerate(self.cells[:stop]):
                if (
                    cell["cell_type"] == "code"
                    and not is_test(cell)
                    and index not in self.left_out
                ):
                    self._run(index, cell)
                    if not self.session.alive:
                        break

    def _test(self, index: int, cell: dict) -> None:
        name = grade_id(cell)
        exercise, test = self.tests[name]
        points = float(cell["metadata"]["nbgrader"]["points"])
        score, says, mistake = self._judge(exercise, test)
        if score is None:
            self.result["reasons"].append(f"{exercise}, {test}: {says}")
        entry = {
            "exercise": exercise,
            "test": test,
            "points": points,
            "says": says,
            "mistake": mistake,
        }
        self.result["tests"][name] = entry | {"score": None if score is None else score * points}
        cell["outputs"] = [_verdict_output(says, right=score == 1)]
        cell["execution_count"] = None
        if not self.session.alive:
            self._restart(index)

    def _judge(self, exercise: str, test: str) -> tuple[int | None, str, str | None]:
        """Return 1, 0 or None (the kernel died), the diagnosis, and the known mistake."""
        if not self.session.alive:
            return None, "not run: the kernel ended too often", None
        for cases, public in ((self.release.public, True), (self.release.hidden, False)):
            entry = cases["exercises"][exercise]
            asked = entry["tests"][test]
            replies = []
            for case in asked["cases"]:
                outcome = self._ask(entry, case)
                if outcome.status == "died":
                    return None, f"a call of {entry['answer']} ended the kernel", None
                if outcome.status in ("timeout", "flood"):
                    return 0, f"a call of {entry['answer']} was {outcome.message}", None
                if (
                    outcome.status == "error"
                    and outcome.ename == "NameError"
                    and entry["answer"] in outcome.message
                ):
                    return self._undefined(exercise, entry["answer"])
                replies.append(outcome.value if outcome.status == "ok" else _error(outcome))
            verdict = _verdict(replies, asked, entry, public)
            if not verdict.right:
                return 0, verdict.says, verdict.mistake
        return 1, "right", None

    def _ask(self, entry: dict, case: dict) -> Outcome:
        if self._late():
            return Outcome("timeout", "Timeout", "not made: the notebook takes too long")
        request = json.dumps({"kind": entry["kind"], "call": case["call"], "wrt": entry["wrt"]})
        adapter = "__import__('gencourse.exercises.adapter', fromlist=['reply'])"
        return self.session.ask(f"{adapter}.reply({entry['answer']}, {request!r})")

    def _undefined(self, exercise: str, answer: str) -> tuple[int | None, str, None]:
        """Return what to say of a name that does not exist, and whether that is a fair 0."""
        outcome = self.outcomes.get(exercise)
        if exercise not in self.answered:
            return 0, judge.NOT_ANSWERED, None
        if outcome is None or outcome.status == "ok":
            return 0, f"{answer} is not defined", None
        if outcome.status == "died":
            return None, f"{answer} is not defined: its cell ended the kernel", None
        message = FILE.sub(r"(line \1)", outcome.message)
        why = (
            f"raises {outcome.ename}: {message}"
            if outcome.status == "error"
            else f"was {outcome.message}"
        )
        return 0, f"{answer} is not defined: its cell {why}", None

    def _written(self, cell: dict) -> None:
        points = float(cell["metadata"]["nbgrader"]["points"])
        answered = grade_id(cell) in self.answered
        self.result["written"][grade_id(cell)] = {
            "points": points,
            "answered": answered,
            "text": cell["source"],
        }

    def _canary(self) -> None:
        """Flag a tampered interpreter: arithmetic must be right, a false assert must fail."""
        if not self.session.alive:
            return
        a, b, nonce = (
            secrets.randbelow(10**6) + 2,
            secrets.randbelow(10**6) + 2,
            secrets.token_hex(8),
        )
        product = self.session.ask(f"'%d %s' % ({a} * {b}, {a} == {a + 1})")
        failing = self.session.run(f"assert {a} == {a + 1}, {nonce!r}")
        if product.value != f"{a * b} False" or (failing.ename, failing.message) != (
            "AssertionError",
            nonce,
        ):
            self.result["reasons"].append(
                "the interpreter was tampered with: Python's own arithmetic or assert fails"
            )

    def _library_calls(self) -> None:
        setup = [
            c["source"]
            for c in self.cells
            if c["cell_type"] == "code" and not is_test(c) and not is_answer(c)
        ]
        for cell in self.cells:
            entry = self.release.public["exercises"].get(grade_id(cell) or "")
            if entry is None or not is_answer(cell):
                continue
            for call in library_calls(cell["source"], entry.get("discouraged") or [], setup=setup):
                self.result["reasons"].append(
                    f"{grade_id(cell)}: line {call.line} uses {call.name}"
                )

    def _late(self) -> bool:
        return time.monotonic() > self.ends


def _peak_mib() -> int | None:
    """Return the most memory that this process has held, where the system tells."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


def _verdict(replies: list[str], asked: dict, entry: dict, public: bool) -> judge.Verdict:
    try:
        return judge.judge_test(replies, asked, exercise=entry, show_values=public)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        return judge.Verdict(False, f"your answer gave no readable reply ({type(error).__name__})")


def _error(outcome: Outcome) -> str:
    return json.dumps({"error": {"ename": outcome.ename, "message": outcome.message}})


def _as_output(outcome: Outcome) -> list[dict]:
    """Return an error output for a cell that was stopped; a cell that raised has its own."""
    if outcome.status in ("ok", "error"):
        return []
    return [_error_output(outcome.ename, outcome.message)]


def _verdict_output(says: str, *, right: bool) -> dict:
    if right:
        return {"output_type": "stream", "name": "stdout", "text": f"{says}\n"}
    return _error_output("CheckFailed", says)


def _error_output(name: str, words: str) -> dict:
    return {
        "output_type": "error",
        "ename": name,
        "evalue": words,
        "traceback": [f"{name}: {words}"],
    }
