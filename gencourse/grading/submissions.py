"""Finds the submissions in a folder or in the zip of an LMS, without trusting either.

Known layouts: nbgrader's `STUDENT/UNIT/NOTEBOOK.ipynb`, `STUDENT/NOTEBOOK.ipynb`, Moodle's folders
`Name_123_assignsubmission_file/`, Canvas' flat `name_123_456_NOTEBOOK.ipynb`, and a student's own
zip inside either, such as `gencourse submit` makes. Of several attempts the latest counts: by the
LMS's number, then by the number behind the name, then by the time of the file.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from gencourse.course import UNITS, CourseError
from gencourse.grading.files import IGNORED, File, attempt, inside, open_zip, walk
from gencourse.grading.late import as_text, parse_time
from gencourse.grading.names import student_id, unique_ids
from gencourse.grading.receipt import RECEIPT, check_receipt
from gencourse.grading.roster import Roster

STUDENT_FILES = 200
ZIP_BYTES = 1 << 31
NOTEBOOK = re.compile(r"(?i)(.+?)\.ipynb(\.txt|\.json)?")
MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(file|onlinetext)_?")
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<number>\d+)_(?P<file>.+)")
LATE_UNKNOWN = "Canvas says that it was late; when it was handed in is not known"
NOT_ON_ROSTER = "is not on the roster"


@dataclass
class Submission:
    """What one student handed in for one unit.

    Args:
        student: the id under which the gradebook knows the student; safe as a file name.
        origin: what it was called where it came from.
        notebook: the bytes of the homework's notebook, or None.
        problem: why it cannot be graded, or None.
        notes: what was ignored or mended on the way in.
        timestamp: when it was handed in, as nbgrader's `timestamp.txt` has it, if that is known.
        origin_folder: the folder or zip that it was found in.
        receipt: `sha256`, `time` and `release` of the receipt that came with it, if one did.
    """

    student: str
    origin: str
    notebook: bytes | None = None
    problem: str | None = None
    notes: list[str] = field(default_factory=list)
    timestamp: str | None = None
    origin_folder: Path | None = None
    receipt: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Owner:
    """Whose a file is, as far as its name tells."""

    name: str
    origin: str
    canvas: str = ""
    moodle: str = ""

    @property
    def raw(self) -> str:
        number = self.canvas or self.moodle
        return f"{self.name}-{number}" if number else self.name


def collect(source: Path, unit: str, *, roster: Roster | None = None) -> list[Submission]:
    """Return the submissions for `unit` under `source`, a folder or a zip, sorted by student.

    Args:
        source: the folder or zip.
        unit: full name of the unit.
        roster: the students of the course; who is not on it is noted.

    Raises:
        CourseError: there is no such folder or zip, or nothing in it.
    """
    source = Path(source)
    if not source.exists():
        raise CourseError(
            f"there is no {source}; --submissions names a folder or the zip of an LMS"
        )
    if source.is_dir():
        files = list(walk(source))
    else:
        data = source.read_bytes() if source.stat().st_size < ZIP_BYTES else b""
        files = open_zip(data, str(source))
    handed_in = _by_owner(files, unit)
    if not handed_in:
        raise CourseError(
            f"no submission for {unit} in {source}; "
            f"expected STUDENT/{unit}/{unit}_homework.ipynb or an LMS zip"
        )
    found = []
    for student, notes, owners in _students(list(handed_in), roster or Roster()):
        theirs = [file for owner in owners for file in handed_in[owner]]
        origin = owners[-1].origin
        submission = Submission(student, origin, notes=notes, origin_folder=source.resolve())
        found.append(_fill(submission, theirs, unit))
    return sorted(found, key=lambda s: s.student)


def _by_owner(files: Iterable[File], unit: str) -> dict[_Owner, list[File]]:
    """Group files by student; those of other units and hidden ones are left out."""
    groups: dict[_Owner, list[File]] = {}
    for file in files:
        parts = file.path.parts
        other_unit = any(u in parts[1:-1] for u in UNITS if u != unit)
        if not parts or any(p in IGNORED for p in parts) or other_unit:
            continue
        if len(parts) == 1:
            owner, file = _flat(file, unit)
            if owner is None:
                continue
        elif match := MOODLE.fullmatch(parts[0]):
            owner = _Owner(match["name"], match["name"], moodle=match["number"])
        else:
            owner = _Owner(parts[0], parts[0])
        groups.setdefault(owner, []).append(file)
    return groups


def _flat(file: File, unit: str) -> tuple[_Owner | None, File]:
    """Return whose a file without a folder is, and the file under its own name."""
    name = file.path.name
    if match := CANVAS.fullmatch(name):
        order = (float(match["number"]), *file.order)
        box = f"{match['user']}/{match['late'] or ''}"
        named = replace(file, path=PurePosixPath(match["file"]), order=order, box=box)
        return _Owner(match["name"], match["name"], canvas=match["user"]), named
    notebook = NOTEBOOK.fullmatch(name)
    if not notebook and file.path.suffix.lower() != ".zip":
        return None, file
    stem = notebook[1] if notebook else file.path.stem
    student = re.sub(rf"[-_ ]*{unit}_(homework|submission)[-_ ]*", "", stem) or stem
    return _Owner(student, stem), file


def _students(
    owners: list[_Owner], roster: Roster
) -> list[tuple[str, list[str], list[_Owner]]]:
    """Return each student's id, notes and owners of files: one, or several for one student."""
    known: dict[str, list[_Owner]] = {}
    unknown: dict[str, tuple[list[str], list[_Owner]]] = {}
    for owner in sorted(owners, key=lambda o: o.raw):
        found = roster.find((owner.name, owner.raw), canvas=owner.canvas, moodle=owner.moodle)
        if len(found) == 1:
            known.setdefault(found[0].id, []).append(owner)
            continue
        notes = [NOT_ON_ROSTER] if roster else []
        if found:
            ids = ", ".join(s.id for s in found[:5])
            notes = [f"{NOT_ON_ROSTER} under this name alone: could be {ids}"]
        unknown.setdefault(owner.raw, (notes, []))[1].append(owner)
    ids = unique_ids([*known, *unknown])
    students = [(student, [], who) for student, who in known.items()]
    for raw, (notes, who) in unknown.items():
        name = f"{student_id(raw)}-unknown" if raw in known else ids[raw]
        students.append((name, notes, who))
    return students


def _fill(found: Submission, files: list[File], unit: str) -> Submission:
    """Read a student's notebook into `found`, or say why there is none."""
    late = any(f.box.endswith("LATE_") for f in files)
    try:
        files = _with_inner_zips(files)
        chosen = _choose(files, unit, found)
        found.notebook = chosen.read()
    except ValueError as error:
        found.problem = str(error)
        return found
    receipts = [f for f in files if f.path.name == RECEIPT and f.box == chosen.box]
    if receipts:
        found.receipt = check_receipt(receipts[0], found.notebook, unit, found.notes)
    found.timestamp = _timestamp(files, chosen, found, unit)
    if late and found.timestamp is None:
        found.notes.append(LATE_UNKNOWN)
    return found


def _timestamp(files: list[File], chosen: File, found: Submission, unit: str) -> str | None:
    """Return when it was handed in: nbgrader's word, Moodle's, or else the receipt's."""
    for file in files:
        own = file.box == str(file.path.parent)  # not from a student's own zip
        if own and file.path.parts[1:] == (unit, "timestamp.txt"):
            text = file.read(200).decode("utf-8", "replace").strip()
            if when := parse_time(text):
                return as_text(when)
            found.notes.append(f"its timestamp.txt is no time: {text[:40]!r}")
    in_zip = found.origin_folder is not None and found.origin_folder.is_file()
    if in_zip and chosen.modified and MOODLE.fullmatch(chosen.box.split("/")[0]):
        return as_text(datetime.fromtimestamp(chosen.modified, UTC))
    if found.receipt and (when := parse_time(found.receipt["time"])):
        found.notes.append("handed in when its receipt says, by the student's own clock")
        return as_text(when)
    return None


def _with_inner_zips(files: list[File]) -> list[File]:
    """Open a student's own zip; a zip inside that one stays shut."""
    opened = []
    for file in files:
        opened += inside(file) if file.path.suffix.lower() == ".zip" else [file]
    if len(opened) > STUDENT_FILES:
        raise ValueError(f"{len(opened)} files handed in; expected one notebook")
    return opened


def _choose(files: list[File], unit: str, found: Submission) -> File:
    """Return the homework's notebook among a student's files, noting what is left aside."""
    wanted = f"{unit}_homework"
    notebooks = {
        f: NOTEBOOK.fullmatch(f.path.name)[1]
        for f in files
        if NOTEBOOK.fullmatch(f.path.name) and "walkthrough" not in f.path.name
    }
    named = [f for f, stem in notebooks.items() if attempt(stem)[0] == wanted]
    near = [f for f, stem in notebooks.items() if wanted in stem]
    pool = next((p for p in (named, near, list(notebooks)) if p), None)
    if pool is None:
        raise ValueError(f"no notebook handed in; expected {wanted}.ipynb")
    chosen = max(pool, key=lambda f: f.order)
    if len(pool) > 1:
        alike = len({attempt(notebooks[f])[0] for f in pool}) == 1
        if not alike or sum(f.order == chosen.order for f in pool) > 1:
            names = ", ".join(str(f.path) for f in pool[:5])
            raise ValueError(f"{len(pool)} notebooks handed in ({names}); expected one")
        found.notes.append(f"{len(pool)} attempts, the latest counts: {chosen.path}")
    if chosen.path.name != f"{wanted}.ipynb":
        found.notes.append(f"{chosen.path.name!r} taken as {wanted}.ipynb")
    used = {chosen, *pool}
    others = sorted(
        f.path.name
        for f in files
        if f not in used and f.path.name not in ("timestamp.txt", RECEIPT)
    )
    if others:
        found.notes.append(f"not used: {', '.join(others[:10])}")
    for name in others[:10]:
        if name.endswith(".py") and _is_module(name.removesuffix(".py")):
            found.notes.append(f"{name} would have hidden the module of that name")
    return chosen


def _is_module(name: str) -> bool:
    try:
        return name.isidentifier() and importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
