"""Finds the submissions in a folder or in the zip of an LMS, without trusting either.

Everything is read into memory, bounded, and nothing is unpacked to disk, so no name can lead out
of a folder. Symbolic links are refused. Known layouts: nbgrader's `STUDENT/UNIT/NOTEBOOK.ipynb`,
`STUDENT/NOTEBOOK.ipynb`, Moodle's folders `Name_123_assignsubmission_file/`, Canvas' flat
`name_123_456_NOTEBOOK.ipynb`, and a student's own zip inside either.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gencourse.course import CourseError

NOTEBOOK_BYTES = 16 << 20
STUDENT_FILES = 200
ZIP_FILES = 20_000
MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(file|onlinetext)_?")
CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<number>\d+)_\d+_(?P<file>.+)")
IGNORED = ("__MACOSX", ".ipynb_checkpoints", ".git")


@dataclass
class Submission:
    """What one student handed in for one unit.

    Args:
        student: the id under which the gradebook knows the student; safe as a file name.
        origin: what it was called where it came from.
        notebook: the bytes of the homework's notebook, or None.
        problem: why it cannot be graded, or None.
        notes: what was ignored or mended on the way in.
        timestamp: the text of nbgrader's `timestamp.txt`, if there is one.
        origin_folder: the folder or zip that it was found in.
    """

    student: str
    origin: str
    notebook: bytes | None = None
    problem: str | None = None
    notes: list[str] = field(default_factory=list)
    timestamp: str | None = None
    origin_folder: Path | None = None


@dataclass(frozen=True)
class _File:
    """A file that was found, where its bytes are, and why it is refused if it is."""

    path: PurePosixPath
    read: object
    problem: str | None = None


def collect(source: Path, unit: str) -> list[Submission]:
    """Return the submissions for `unit` under `source`, a folder or a zip, sorted by student.

    Raises:
        CourseError: there is no such folder or zip, or nothing in it.
    """
    source = Path(source)
    if not source.exists():
        raise CourseError(
            f"there is no {source}; --submissions names a folder or the zip of an LMS"
        )
    if source.is_dir():
        files = list(_walk(source))
    else:
        files = _open_zip(
            source.read_bytes() if source.stat().st_size < 1 << 31 else b"", str(source)
        )
    handed_in = _by_student(files, unit)
    if not handed_in:
        raise CourseError(
            f"no submission for {unit} in {source}; "
            f"expected STUDENT/{unit}/{unit}_homework.ipynb or an LMS zip"
        )
    names = _unique_ids(sorted(handed_in))
    found = [_submission(names[raw], raw, handed_in[raw], unit) for raw in sorted(handed_in)]
    for submission in found:
        submission.origin_folder = source.resolve()
    return sorted(found, key=lambda s: s.student)


def student_id(raw: str) -> str:
    """Return a name as an id that is safe as a file name, never starting with a mark."""
    text = unicodedata.normalize("NFKC", raw)
    text = re.sub(r"[^\w.@+-]+", "-", text).strip("-.+@_")[:80]
    return text or "unnamed"


def _unique_ids(raws: list[str]) -> dict[str, str]:
    """Give each name its own id, also on file systems that do not tell upper from lower case."""
    ids = {raw: student_id(raw) for raw in raws}
    folded = [i.casefold() for i in ids.values()]
    for raw, name in ids.items():
        if folded.count(name.casefold()) > 1:
            ids[raw] = (
                f"{name}-{hashlib.sha256(raw.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
            )
    return ids


def _walk(folder: Path) -> Iterator[_File]:
    for base, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(f for f in folders if f not in IGNORED)
        for name in sorted([*names, *(f for f in folders if (Path(base) / f).is_symlink())]):
            path = Path(base) / name
            where = PurePosixPath(path.relative_to(folder).as_posix())
            if path.is_symlink() or not path.is_file():
                yield _File(where, None, f"{name} is a link or no plain file")
            else:
                yield _File(where, path)


def _open_zip(data: bytes, name: str) -> list[_File]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise CourseError(f"{name} is not a zip that can be read ({error})") from None
    if len(members) > ZIP_FILES:
        raise CourseError(f"{name} holds {len(members)} files; expected at most {ZIP_FILES}")
    found = []
    for member in members:
        if member.is_dir():
            continue
        path = PurePosixPath(member.filename.replace("\\", "/"))
        problem = None
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            problem = f"{member.filename!r} leads out of its folder"
            path = PurePosixPath(*[p for p in path.parts if p not in ("/", "..")])
        elif (member.external_attr >> 16) & 0o170000 == 0o120000:
            problem = f"{member.filename!r} is a symbolic link"
        found.append(_File(path, (archive, member), problem))
    return found


def _read(file: _File, limit: int = NOTEBOOK_BYTES) -> bytes:
    """Return a file's bytes.

    Raises:
        ValueError: it is larger than `limit`, or cannot be read.
    """
    if file.problem:
        raise ValueError(file.problem)
    try:
        if isinstance(file.read, Path):
            with file.read.open("rb") as stream:
                data = stream.read(limit + 1)
        else:
            archive, member = file.read
            with archive.open(member) as stream:
                data = stream.read(limit + 1)  # the declared size may lie
    except (
        OSError,
        zipfile.BadZipFile,
        RuntimeError,
        NotImplementedError,
        EOFError,
        ValueError,
    ) as error:
        raise ValueError(f"{file.path.name} cannot be read ({error})") from None
    except Exception as error:  # zlib.error and its like: a damaged member
        raise ValueError(f"{file.path.name} cannot be read ({type(error).__name__})") from None
    if len(data) > limit:
        raise ValueError(f"{file.path.name} is larger than {limit >> 20} MiB")
    return data


def _by_student(files: list[_File], unit: str) -> dict[str, list[_File]]:
    """Group files by student; those of other units and hidden ones are left out."""
    from gencourse.course import UNITS

    groups: dict[str, list[_File]] = {}
    for file in files:
        parts = file.path.parts
        if (
            not parts
            or any(p in IGNORED for p in parts)
            or any(u in parts[1:-1] for u in UNITS if u != unit)
        ):
            continue
        raw = parts[0]
        if len(parts) == 1:
            match = CANVAS.fullmatch(raw)
            raw = f"{match['name']}-{match['number']}" if match else PurePosixPath(raw).stem
            if not raw or file.path.suffix.lower() not in (".ipynb", ".zip"):
                continue
        elif match := MOODLE.fullmatch(raw):
            raw = f"{match['name']}-{match['number']}"
        groups.setdefault(raw, []).append(file)
    return groups


def _submission(student: str, raw: str, files: list[_File], unit: str) -> Submission:
    found = Submission(student, raw)
    try:
        files = _with_inner_zips(files)
        chosen = _choose(files, unit, found)
        found.notebook = _read(chosen)
        stamps = [f for f in files if f.path.name == "timestamp.txt"]
        found.timestamp = (
            _read(stamps[0], 200).decode("utf-8", "replace").strip() if stamps else None
        )
    except ValueError as error:
        found.problem = str(error)
    return found


def _with_inner_zips(files: list[_File]) -> list[_File]:
    """Open a student's own zip; a zip inside that one stays shut."""
    opened = []
    for file in files:
        if file.path.suffix.lower() != ".zip":
            opened.append(file)
            continue
        try:
            opened += _open_zip(_read(file), file.path.name)
        except CourseError as error:
            raise ValueError(str(error)) from None
    if len(opened) > STUDENT_FILES:
        raise ValueError(f"{len(opened)} files handed in; expected one notebook")
    return opened


def _choose(files: list[_File], unit: str, found: Submission) -> _File:
    """Return the homework's notebook among a student's files, noting what is left aside."""
    wanted = f"{unit}_homework"
    notebooks = [
        f for f in files if f.path.suffix.lower() == ".ipynb" and "walkthrough" not in f.path.name
    ]
    exact = [f for f in notebooks if f.path.name == f"{wanted}.ipynb"]
    near = [f for f in notebooks if wanted in f.path.name]
    chosen = next((c for c in (exact, near, notebooks) if c), None)
    if chosen is None:
        raise ValueError(f"no notebook handed in; expected {wanted}.ipynb")
    if len(chosen) > 1:
        names = ", ".join(str(f.path) for f in chosen[:5])
        raise ValueError(f"{len(chosen)} notebooks handed in ({names}); expected one")
    if chosen[0].path.name != f"{wanted}.ipynb":
        found.notes.append(f"{chosen[0].path.name!r} taken as {wanted}.ipynb")
    others = [f.path.name for f in files if f is not chosen[0] and f.path.name != "timestamp.txt"]
    if others:
        found.notes.append(f"not used: {', '.join(sorted(others)[:10])}")
    return chosen[0]
