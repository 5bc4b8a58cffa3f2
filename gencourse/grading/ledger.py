"""Finished results, kept under the hash of everything that they depend on.

A result is kept before anything else is done with it, and is a function of its key. So a run that
was interrupted goes on where it stopped, and a later run grades only what has changed: the
submission, the release that it answers, the cases, the limits, or the grader.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from gencourse.course import Course
from gencourse.grading.grade_one import AGAIN
from gencourse.grading.package import Package
from gencourse.grading.records import replace_file


class Ledger:
    """The kept results of one unit.

    Args:
        course: the course folder.
        package: what submissions are graded against.
    """

    def __init__(self, course: Course, package: Package) -> None:
        self._folder = course.reports / package.unit / "results"
        self._package = package

    def find(self, notebook: bytes) -> dict[str, Any] | None:
        """Return the result of a submission, or None when it has not been graded as it is."""
        for key in _keys(notebook, self._package).values():
            try:
                return json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
        return None

    def keep(self, notebook: bytes, result: dict[str, Any]) -> dict[str, Any]:
        """Keep a result and return it with its key.

        What failed through no fault of the submission is not kept: the next run tries it again.
        """
        if result.get(AGAIN):
            return result
        keys = _keys(notebook, self._package)
        result = {**result, "key": keys.get(result["stamp"], keys[self._package.current])}
        replace_file(self._folder / f"{result['key']}.json", json.dumps(result))
        return result

    def forget(self, notebook: bytes) -> None:
        """Drop the result of a submission."""
        for key in _keys(notebook, self._package).values():
            (self._folder / f"{key}.json").unlink(missing_ok=True)

    def keep_only(self, keys: Iterable[str | None]) -> None:
        """Drop every result but these."""
        wanted = {f"{key}.json" for key in keys}
        for path in self._folder.glob("*"):
            if path.name not in wanted:
                path.unlink()


def _keys(notebook: bytes, package: Package) -> dict[str, str]:
    """Return by stamp the key of a submission, for each release that it can be answering.

    Those are the ones whose stamps stand anywhere in the file, which is not parsed here, and the
    current one.
    """
    named = [stamp for stamp in package.releases if stamp.encode() in notebook]
    about = [package.version, package.unsafe, asdict(package.limits), sorted(named)]
    common = hashlib.sha256(notebook).hexdigest() + json.dumps(about, sort_keys=True)
    return {
        stamp: hashlib.sha256(f"{common} {package.releases[stamp].digest}".encode()).hexdigest()
        for stamp in dict.fromkeys([*named, package.current])
    }
