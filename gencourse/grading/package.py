"""All that a grader needs to know of a unit: pristine releases and their cases, as plain data.

A `Package` is the second argument of `grade_one`, beside the submission's bytes. It can be
pickled, and holds no reference and no secret seed.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gencourse
from gencourse.course import Course, CourseError
from gencourse.grading.rebuild import NotGradable, grade_id, is_test, is_written, parse, stamp_of
from gencourse.grading.sandbox import Limits

ROOTS = ("grading.grade_one", "exercises.adapter", "authoring.library_calls")  # they judge
FOLLOWED = ("gencourse.grading", "gencourse.exercises")


@functools.cache
def grader_version() -> str:
    """Return the library's version and a digest of the sources that judge."""
    digest = hashlib.sha256()
    for path in judging_sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{gencourse.__version__}+{digest.hexdigest()[:12]}"


def judging_sources() -> list[Path]:
    """Return the files that decide what a submission scores: `ROOTS` and what they import."""
    root = Path(gencourse.__file__).parents[1]
    waiting, found = [f"gencourse.{name}" for name in ROOTS], set()
    while waiting:
        path = root.joinpath(*waiting.pop().split(".")).with_suffix(".py")
        if path in found or not path.is_file():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(FOLLOWED):
                waiting += [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
    return sorted(found)


@dataclass(frozen=True)
class Release:
    """One release of a unit's homework.

    Args:
        notebook: the pristine notebook, as plain JSON values.
        public: the cases that students have; diagnoses on them may show values.
        hidden: the cases that they do not have.
    """

    notebook: dict[str, Any]
    public: dict[str, Any]
    hidden: dict[str, Any]

    def __post_init__(self) -> None:
        known = self.tests()
        for cell in self.notebook["cells"]:
            if is_test(cell) and grade_id(cell) not in known:
                raise CourseError(
                    f"the release has a test {grade_id(cell)} without cases; build it again"
                )

    @functools.cached_property
    def digest(self) -> str:
        """A hash of the notebook and the cases."""
        hidden = {k: v for k, v in self.hidden.items() if k != "key"}  # when they were made
        parts = json.dumps([self.notebook, self.public, hidden], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()

    def tests(self) -> dict[str, tuple[str, str]]:
        """Return the id of each test cell with its exercise and the test's name."""
        exercises = self.public["exercises"]
        return {f"test-{e}-{t}": (e, t) for e, entry in exercises.items() for t in entry["tests"]}

    def points(self) -> dict[str, float]:
        """Return the points of each graded cell, tests and written answers, in order."""
        graded = [c for c in self.notebook["cells"] if is_test(c) or is_written(c)]
        return {grade_id(c): float(c["metadata"]["nbgrader"]["points"]) for c in graded}

    def titles(self) -> dict[str, str]:
        """Return what each graded cell is called: the exercise's title and the test."""
        known, names = self.tests(), {}
        for name in self.points():
            exercise, test = known.get(name, (None, None))
            entry = self.public["exercises"].get(exercise, {})
            names[name] = (
                f"{entry.get('title') or exercise}: {test}"
                if exercise
                else f"Written answer: {name}"
            )
        return names


@dataclass(frozen=True)
class Package:
    """What submissions of a unit are graded against.

    Args:
        unit: name of the unit.
        releases: stamp to release; a submission is graded against the one that it answers.
        current: stamp of the release that a submission without a stamp is taken for.
        limits: what a kernel may use.
        unsafe: no sandbox.
        version: of the grader, see `grader_version`.
    """

    unit: str
    releases: dict[str, Release]
    current: str
    limits: Limits = field(default_factory=Limits)
    unsafe: bool = False
    version: str = field(default_factory=grader_version)

    @property
    def seed(self) -> str:
        """Where the hidden cases come from: `secret` or `development`."""
        return self.releases[self.current].hidden["seed"]

    def release(self, stamp: str | None) -> Release:
        """Return the release of a stamp, the current one for None."""
        return self.releases[stamp if stamp in self.releases else self.current]


def prepare(
    course: Course,
    unit: str,
    *,
    dev_seed: bool = False,
    limits: Limits | None = None,
    unsafe: bool = False,
) -> Package:
    """Return the current release of `unit` and the archived ones, each with its cases.

    Args:
        course: the course folder, with the unit built.
        unit: name of the unit.
        dev_seed: use the development seed, which is public, in place of the course's secret; then
            the current release alone is known.
        limits: what a kernel may use.
        unsafe: no sandbox.

    Raises:
        CourseError: the unit is not built, or there is no secret.
    """
    from gencourse.authoring.build import public_cases_file
    from gencourse.authoring.cases import hidden_cases
    from gencourse.authoring.release import archive

    release = _json(course.released(unit, "homework"), unit)
    public = _json(public_cases_file(course, unit), unit)
    hidden = hidden_cases(course, unit, dev_seed=dev_seed)
    current = stamp_of(release)
    if current is None:
        raise CourseError(
            f"the release of {unit} has no stamp; build it again with `gencourse build {unit}`"
        )
    releases = {}
    if not dev_seed:
        kept = archive(course, unit).parent
        releases = {
            f.name: _archived(f, unit)
            for f in sorted(kept.iterdir())
            if (f / "hidden.json").is_file()
        }
    releases[current] = Release(release, public, hidden)
    return Package(unit, releases, current, limits or Limits(), unsafe)


def _archived(folder: Path, unit: str) -> Release:
    return Release(
        *(_json(folder / name, unit) for name in ("homework.ipynb", "public.json", "hidden.json"))
    )


def _json(path: Path, unit: str) -> dict[str, Any]:
    try:
        data = path.read_bytes()
        return parse(data) if path.suffix == ".ipynb" else json.loads(data)
    except (OSError, ValueError, NotGradable):
        raise CourseError(
            f"{path} is missing or cannot be read; run `gencourse build {unit}`"
        ) from None
