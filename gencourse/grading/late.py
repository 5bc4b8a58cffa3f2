"""Due dates, extensions and what a late submission costs.

The course folder's `course.toml` says when a unit is due:

    timezone = "Europe/Berlin"        # for times without one, default the machine's

    [units.01_graphical_models]
    due = 2026-10-15T23:59:00
    late_percent_per_day = 10         # of the points earned, for each day begun
    grace_minutes = 15                # within these nothing is taken off
    cap_percent = 50                  # the most that is taken off
    canvas_assignment = "Homework 1 (12345)"    # the column's name in Canvas, for the export

and `extensions.csv`, with the columns `student`, `unit` and `due` (a time, or `+48h`, `+2d`), who
has longer. A penalty is worked out anew from these, so a mark given later changes it too.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gencourse.course import Course, CourseError, resolve_unit
from gencourse.grading.roster import rows_of

NUMBERS = {"late_percent_per_day": 100.0, "grace_minutes": 1e6, "cap_percent": 100.0}
SETTINGS = {"due", "canvas_assignment", *NUMBERS}
LONGER = re.compile(r"\+\s*(\d+(?:\.\d+)?)\s*([hd])", re.IGNORECASE)


@dataclass(frozen=True)
class Lateness:
    """How late one student is, and what that costs.

    Args:
        due: when it was due for this student, or None.
        handed_in: when it was handed in, or None where that is not known.
        days: days begun after the due date; 0 within the grace period.
        percent: of the points earned, what is taken off.
        extended: the student has an extension.
    """

    due: datetime | None = None
    handed_in: datetime | None = None
    days: int = 0
    percent: float = 0.0
    extended: bool = False

    def penalty(self, points: float | None) -> float:
        """Return what is taken off `points`."""
        return 0.0 if points is None else round(max(points, 0.0) * self.percent / 100, 4)


@dataclass(frozen=True)
class LatePolicy:
    """What `course.toml` and `extensions.csv` say of one unit.

    Args:
        due: when it is due, with a time zone, or None for never.
        percent_per_day: of the points earned, for each day begun.
        grace: how late costs nothing.
        cap_percent: the most that is taken off.
        extensions: by student in lower case, when it is due instead.
    """

    due: datetime | None = None
    percent_per_day: float = 0.0
    grace: timedelta = timedelta(0)
    cap_percent: float = 100.0
    extensions: Mapping[str, datetime] = field(default_factory=dict)

    def of(self, student: str, handed_in: datetime | None) -> Lateness:
        """Return how late a student is; of an unknown time nothing is taken off."""
        extension = self.extensions.get(student.casefold())
        due = extension or self.due
        about = {"due": due, "handed_in": handed_in, "extended": extension is not None}
        if due is None or handed_in is None or handed_in - due <= self.grace:
            return Lateness(**about)
        days = math.ceil((handed_in - due) / timedelta(days=1))
        percent = min(days * self.percent_per_day, self.cap_percent)
        return Lateness(days=max(days, 1), percent=percent, **about)


def load_policy(course: Course, unit: str) -> LatePolicy:
    """Return the policy of a unit; without `course.toml` nothing is ever late.

    Raises:
        CourseError: `course.toml` or `extensions.csv` cannot be read or holds what is not known.
    """
    zone, units = _config(course)
    settings = units.get(unit, {})
    path = course.root / "course.toml"
    numbers = {name: _number(path, unit, settings, name, top) for name, top in NUMBERS.items()}
    due = settings.get("due")
    if due is not None:
        due = _time(f"{path}: due of {unit}", due, zone)
    extensions = _extensions(course.root / "extensions.csv", unit, due, zone)
    grace = timedelta(minutes=numbers["grace_minutes"] or 0)
    cap = numbers["cap_percent"]
    cap = 100.0 if cap is None else cap
    return LatePolicy(due, numbers["late_percent_per_day"] or 0.0, grace, cap, extensions)


def setting(course: Course, unit: str, name: str) -> Any:
    """Return one of the unit's settings in `course.toml`, or None.

    Raises:
        CourseError: `course.toml` cannot be read or holds what is not known.
    """
    return _config(course)[1].get(unit, {}).get(name)


def parse_time(text: str, zone: tzinfo = UTC) -> datetime | None:
    """Return a time in UTC, or None for what is no time; `zone` is for times without one."""
    plain = re.sub(r"\s*(UTC|GMT|Z)$", "+00:00", text.strip())
    try:
        when = datetime.fromisoformat(plain)
        return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def as_text(when: datetime) -> str:
    """Return a time as nbgrader's `timestamp.txt` has it."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _config(course: Course) -> tuple[tzinfo, dict[str, dict[str, Any]]]:
    """Return the time zone and the settings by unit."""
    path = course.root / "course.toml"
    local = datetime.now().astimezone().tzinfo or UTC
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return local, {}
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} cannot be read: {error}") from None
    units = config.get("units", {})
    _known(path, config, {"timezone", "units"})
    if not isinstance(units, dict) or not all(isinstance(u, dict) for u in units.values()):
        raise CourseError(f"{path}: units holds no tables; expected [units.01_graphical_models]")
    for settings in units.values():
        _known(path, settings, SETTINGS)
    zone = local
    if "timezone" in config:
        try:
            zone = ZoneInfo(str(config["timezone"]))
        except (KeyError, ValueError, OSError):
            named = repr(config["timezone"])
            raise CourseError(
                f"{path}: timezone is {named}; expected a name such as Europe/Berlin"
            ) from None
    return zone, {_unit(name): settings for name, settings in units.items()}


def _unit(name: str) -> str:
    try:
        return resolve_unit(name)
    except CourseError:
        return name


def _known(path: Path, table: dict[str, Any], names: set[str]) -> None:
    if unknown := sorted(set(table) - names):
        allowed = ", ".join(sorted(names))
        raise CourseError(f"{path}: {unknown[0]} is not known; expected {allowed}")


def _number(path: Path, unit: str, settings: dict, name: str, top: float) -> float | None:
    value = settings.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top:
        raise CourseError(f"{path}: {name} of {unit} is {value!r}; expected 0 to {top:g}")
    return float(value)


def _time(what: str, value: Any, zone: tzinfo) -> datetime:
    when = parse_time(str(value), zone)
    if when is None:
        raise CourseError(f"{what} is {str(value)!r}; expected a time such as 2026-10-15T23:59:00")
    return when


def _extensions(
    path: Path, unit: str, due: datetime | None, zone: tzinfo
) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for line, row in rows_of(path) if path.is_file() else ():
        if not {"student", "unit", "due"} <= set(row):
            raise CourseError(f"{path}, line {line}: expected student, unit and due")
        if _unit(row["unit"]) != unit:
            continue
        what = f"{path}, line {line}: due of {row['student']}"
        longer = LONGER.fullmatch(row["due"])
        if longer and due is None:
            raise CourseError(f"{what} is {row['due']}, but {unit} has no due date")
        if longer:
            hours = float(longer[1]) * (24 if longer[2].lower() == "d" else 1)
            found[row["student"].casefold()] = due + timedelta(hours=hours)
        else:
            found[row["student"].casefold()] = _time(what, row["due"], zone)
    return found
