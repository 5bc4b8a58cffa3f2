"""Runs a rebuilt notebook in a kernel, cell by cell, and asks its answers where tests stand.

A cell that ends or hangs the kernel is left out; a fresh kernel runs the others again.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from gencourse.grading.package import Release
from gencourse.grading.rebuild import Rebuilt, is_locked, is_test
from gencourse.grading.session import Outcome, Session
from gencourse.grading.tamper import Watch

RESTARTS = 6
LOCKED_SECONDS = 120.0  # for the release's own cells: a slow import is not the student's fault
ADAPTER = "__import__('gencourse.exercises.adapter', fromlist=['reply'])"


@dataclass(frozen=True)
class Trouble:
    """A test that could not be asked to its end.

    Args:
        score: 0, or None where a person has to look.
        says: what to say of it; nothing that the answer could choose.
        undefined: the answer's name does not exist.
    """

    score: int | None
    says: str
    undefined: bool = False


class RunThrough:
    """One pass through a notebook in a kernel of its own.

    Args:
        session: the kernel, freshly started.
        rebuilt: the notebook.
        release: what it answers.
        left_out: cells by index that are not to be run; those that do harm are added.
    """

    def __init__(
        self, session: Session, rebuilt: Rebuilt, release: Release, left_out: dict[int, Outcome]
    ) -> None:
        self.session = session
        self.cells = rebuilt.cells
        self.answered = rebuilt.answered
        self.release = release
        self.tests = release.tests()
        self.left_out = left_out
        self.watch = Watch(session)
        self.restarts = 0
        self.ends = time.monotonic() + session.limits.total_seconds

    def go(self) -> str | None:
        """Run the cells in order; return what looks tampered with in the kernel, or None."""
        self.watch.begin()
        for index, cell in enumerate(self.cells):
            if is_test(cell):
                self.at_test(cell)
            elif cell["cell_type"] == "code":
                self.after_cell(cell, self._run(index, cell))
            if not self.session.alive:
                self._restart(index + 1)
        return self.watch.suspicion()

    def after_cell(self, cell: dict, outcome: Outcome) -> None:
        """Note what a cell has done."""

    def at_test(self, cell: dict) -> None:
        """Ask and judge where a test stands."""
        raise NotImplementedError

    def harmed(self, index: int, outcome: Outcome) -> None:
        """Note that a cell is left out from now on."""

    def replies(self, exercise: str, test: str, cases: dict) -> list[str] | Trouble:
        """Return the answer's reply to each case of a test."""
        if not self.session.alive:
            return Trouble(None, "not run: the kernel ended too often")
        entry = cases["exercises"][exercise]
        answer, replies = entry["answer"], []
        for outcome in self._ask(entry, entry["tests"][test]["cases"]):
            if outcome.status == "died":
                return Trouble(None, f"a call of {answer} ended the kernel")
            if outcome.status in ("timeout", "flood"):
                return Trouble(0, f"a call of {answer} was {outcome.message}")
            if outcome.ename == "NameError" and answer in outcome.message:
                return Trouble(0, f"{answer} is not defined", undefined=True)
            replies.append(outcome.value if outcome.status == "ok" else _error(outcome))
        return replies

    def _ask(self, entry: dict, cases: list[dict]) -> list[Outcome]:
        if self._late():
            return [Outcome("timeout", "Timeout", "not made: the notebook takes too long")]
        asked = {"kind": entry["kind"], "wrt": entry["wrt"]}
        requests = [json.dumps(asked | {"call": case["call"]}) for case in cases]
        return self.session.ask_all(
            [f"{ADAPTER}.reply({entry['answer']}, {request!r})" for request in requests]
        )

    def _run(self, index: int, cell: dict) -> Outcome:
        if index in self.left_out:
            return self.left_out[index]
        if self._late():
            return Outcome("timeout", "Timeout", "not run: the notebook takes too long")
        seconds = LOCKED_SECONDS if is_locked(cell) else self.session.limits.cell_seconds
        outcome = self.session.run(cell["source"], seconds=seconds)
        if outcome.status not in ("ok", "error"):
            self.left_out[index] = outcome
            self.harmed(index, outcome)
        return outcome

    def _restart(self, stop: int) -> None:
        """Start a fresh kernel and run the cells before `stop` again, except what did harm."""
        while not self.session.alive and self.restarts < RESTARTS and not self._late():
            self.restarts += 1
            self.session.restart()
            self.watch.begin()
            for index, cell in enumerate(self.cells[:stop]):
                again = cell["cell_type"] == "code" and not is_test(cell)
                if again and index not in self.left_out:
                    self._run(index, cell)
                    if not self.session.alive:
                        break

    def _late(self) -> bool:
        return time.monotonic() > self.ends


def _error(outcome: Outcome) -> str:
    """Return the reply that stands for a call which gave none."""
    if outcome.ename in ("", "NoReply"):
        return ""
    return json.dumps({"error": {"ename": outcome.ename, "message": outcome.message}})
