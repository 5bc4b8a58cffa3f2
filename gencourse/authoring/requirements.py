"""The part of the lock file that students need: the library, JupyterLab, what both stand on."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gencourse.course import CourseError

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==")


def student_requirements(library: Path) -> str:
    """Return the lines of `requirements.lock` that an installation by a student needs.

    Args:
        library: the folder of `pyproject.toml` and `requirements.lock`.

    Raises:
        CourseError: there is no lock file, or it lacks a direct dependency.
    """
    lock = library / "requirements.lock"
    if not lock.is_file():
        raise CourseError(f"there is no {lock}")
    pins: dict[str, list[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        match = PIN.match(line)
        if match:
            pins.setdefault(canonicalize_name(match.group(1)), []).append(line.rstrip(" \\"))
    project = tomllib.loads((library / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    missing = [d for d in direct if canonicalize_name(Requirement(d).name) not in pins]
    if missing:
        raise CourseError(f"{lock} lacks {', '.join(missing)}; make it again")
    needed = _closure(direct)
    return "".join(f"{line}\n" for name in sorted(pins) if name in needed for line in pins[name])


def _closure(direct: list[str]) -> set[str]:
    """Return the names that requirements lead to, those for other platforms included."""
    needed: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(d) for d in direct]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        needed.add(name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += _requires(name, extra)
    return needed


def _requires(name: str, extra: str) -> list[Requirement]:
    try:
        listed = [Requirement(r) for r in requires(name) or []]
    except PackageNotFoundError:  # of another platform
        return []
    return [r for r in listed if _asked_by(r, extra)]


def _asked_by(requirement: Requirement, extra: str) -> bool:
    marker = str(requirement.marker or "")
    if "extra" not in marker:
        return not extra
    return bool(extra) and requirement.marker.evaluate({"extra": extra})
