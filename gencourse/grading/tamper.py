"""Notices a tampered interpreter, for a person to look at; marks do not rest on it."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from gencourse.exercises import canary
from gencourse.grading.session import Outcome, Session

SOURCE = Path(canary.__file__).read_text(encoding="utf-8")
FINGERPRINT = f"(lambda names: (exec({SOURCE!r}, names), names['fingerprint']())[1])({{}})"
WATCHED = "__import__('torch'), __import__('gencourse.exercises', fromlist=['check']);"
FALSE_ASSERT = """
try:
    assert {} == {}, {!r}
except AssertionError as error:
    _canary = str(error)
"""
IMPORT_SECONDS = 120.0
MOST_NAMED = 8


class Watch:
    """Compares a kernel before and after the student's cells.

    Args:
        session: the kernel; call `begin` after each start.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.before: dict | None = None

    def begin(self) -> None:
        """Note how things are in a kernel that has run nothing yet."""
        self.session.run(WATCHED, seconds=IMPORT_SECONDS)
        self.before = _names(self.session.ask(FINGERPRINT))

    def suspicion(self) -> str | None:
        """Return what looks tampered with, in words, or None.

        Arithmetic must be right, a false assert must fail with its own words, and nothing may
        have been replaced that the grader and the interpreter rest on.
        """
        if not self.session.alive:
            return None
        a, b = (secrets.randbelow(10**6) + 2 for _ in range(2))
        nonce = secrets.token_hex(8)
        arithmetic = f"'%d %s' % ({a} * {b}, {a} == {a + 1})"
        self.session.run(FALSE_ASSERT.format(a, a + 1, nonce))
        product, fingerprint, failing = self.session.ask_all([arithmetic, FINGERPRINT, "_canary"])
        after = _names(fingerprint)
        if self.before is not None and after is not None:
            replaced = [n for n in canary.NAMES if after.get(n) != self.before.get(n)]
            if replaced:
                more = f" and {len(replaced) - MOST_NAMED} more" * (len(replaced) > MOST_NAMED)
                return f"{', '.join(replaced[:MOST_NAMED])}{more} replaced"
        if product.value != f"{a * b} False":
            return "Python's own arithmetic fails"
        if failing.value != nonce:
            return "a false assert does not fail"
        return "it does not say what it is made of" if after is None and self.before else None


def _names(outcome: Outcome) -> dict | None:
    try:
        found = json.loads(outcome.value or "")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
