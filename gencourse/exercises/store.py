"""Finds and reads case files: the public ones of the package and the hidden ones of a grader."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

FORMAT = 1
PUBLIC = Path(__file__).with_name("cases")


class CasesNotFound(LookupError):
    """No case file holds what was asked for; the message says what to do."""


def public_folder() -> Path:
    """Return the folder of public case files; the variable `GENCOURSE_CASES` moves it."""
    return Path(os.environ.get("GENCOURSE_CASES") or PUBLIC)


def load(path: Path | str) -> dict:
    """Return one case file.

    Raises:
        CasesNotFound: the file is missing or has another format.
    """
    path = Path(path)
    try:
        modified = path.stat().st_mtime_ns
    except OSError:
        raise CasesNotFound(f"there is no case file {path}") from None
    return _load(path, modified)


@lru_cache(maxsize=32)
def _load(path: Path, modified: int) -> dict:
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CasesNotFound(f"{path} is not a case file of format {FORMAT}")
    return data


def public(unit: str) -> dict:
    """Return the public case file of a unit."""
    return load(public_folder() / f"{unit}.json")


def find(exercise: str, test: str, *, hidden: bool = False) -> tuple[dict, dict]:
    """Return the entries of an exercise and of one of its tests.

    Args:
        exercise: id of the exercise.
        test: name of the test.
        hidden: look in the file or folder that `GENCOURSE_HIDDEN` names, not in the public cases.

    Raises:
        CasesNotFound: no case file holds the exercise, or it has no such test.
    """
    for path in _files(hidden):
        entry = load(path).get("exercises", {}).get(exercise)
        if entry is None:
            continue
        if test not in entry["tests"]:
            known = ", ".join(entry["tests"])
            raise CasesNotFound(f"exercise {exercise!r} has no test {test!r}, only {known}")
        return entry, entry["tests"][test]
    raise CasesNotFound(f"no {'hidden' if hidden else 'public'} cases for exercise {exercise!r}")


def _files(hidden: bool) -> list[Path]:
    if not hidden:
        return sorted(public_folder().glob("*.json"))
    named = os.environ.get("GENCOURSE_HIDDEN")
    if not named:
        raise CasesNotFound("the variable GENCOURSE_HIDDEN names no file of hidden cases")
    path = Path(named)
    return sorted(path.glob("*.json")) if path.is_dir() else [path]
