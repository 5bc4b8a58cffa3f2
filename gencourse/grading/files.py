"""Files of a folder or a zip, read into memory and bounded; nothing is unpacked to disk.

So no name can lead out of a folder. Symbolic links are refused.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from gencourse.course import CourseError

FILE_BYTES = 16 << 20
ZIP_FILES = 20_000
IGNORED = ("__MACOSX", ".ipynb_checkpoints", ".git")
ATTEMPT = re.compile(r"[-_ ]*(?:\((\d{1,3})\)|[-_ ](\d{1,2}))$")  # name-1, name (1), name(1)


@dataclass(frozen=True)
class File:
    """A file that was found.

    Args:
        path: where it lay, under the folder or in the zip.
        content: a path, or a zip and its member.
        problem: why it is refused, or None.
        modified: seconds since the epoch, as the folder or zip has it.
        order: of two attempts of a student the larger is the later one.
        box: what else came with it: the folder or the student's own zip that it lay in.
    """

    path: PurePosixPath
    content: Any
    problem: str | None = None
    modified: float = 0.0
    order: tuple[float, ...] = ()
    box: str = ""

    def read(self, limit: int | None = None) -> bytes:
        """Return the file's bytes.

        Raises:
            ValueError: it is larger than `limit` (default `FILE_BYTES`), or cannot be read.
        """
        limit = FILE_BYTES if limit is None else limit
        if self.problem:
            raise ValueError(self.problem)
        try:
            with self._open() as stream:
                data = stream.read(limit + 1)  # the size that a zip declares may be a lie
        except (OSError, zipfile.BadZipFile, RuntimeError, EOFError, ValueError) as error:
            raise ValueError(f"{self.path.name} cannot be read ({error})") from None
        except Exception as error:  # zlib.error and its like: a damaged member
            raise ValueError(f"{self.path.name} cannot be read ({type(error).__name__})") from None
        if len(data) > limit:
            raise ValueError(f"{self.path.name} is larger than {limit >> 20} MiB")
        return data

    def _open(self) -> Any:
        if isinstance(self.content, Path):
            return self.content.open("rb")
        archive, member = self.content
        return archive.open(member)


def walk(folder: Path) -> Iterator[File]:
    """Yield the files under a folder; links are there, but refused."""
    for base, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(f for f in folders if f not in IGNORED)
        for name in sorted([*names, *(f for f in folders if (Path(base) / f).is_symlink())]):
            path = Path(base) / name
            where = PurePosixPath(path.relative_to(folder).as_posix())
            if path.is_symlink() or not path.is_file():
                yield File(where, None, f"{name} is a link or no plain file")
            else:
                yield _placed(File(where, path, modified=path.stat().st_mtime))


def open_zip(data: bytes, name: str) -> list[File]:
    """Return the files in a zip.

    Raises:
        CourseError: it cannot be read, or holds too many.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise CourseError(f"{name} is not a zip that can be read ({error})") from None
    if len(members) > ZIP_FILES:
        raise CourseError(f"{name} holds {len(members)} files; expected at most {ZIP_FILES}")
    named = [m for m in members if PurePosixPath(m.filename.replace("\\", "/")).parts]
    return [_member(archive, member) for member in named if not member.is_dir()]


def inside(outer: File) -> list[File]:
    """Return the files of a student's own zip, each as late as the zip itself.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        found = open_zip(outer.read(), outer.path.name)
    except CourseError as error:
        raise ValueError(str(error)) from None
    late, box = outer.modified, outer.path
    return [
        replace(f, order=outer.order + f.order, box=f"{box}/{f.box}", modified=late)
        for f in found
    ]


def attempt(stem: str) -> tuple[str, int]:
    """Split a name into itself and the number that a browser or an LMS has put behind it."""
    match = ATTEMPT.search(stem)
    if not match or match.start() == 0:
        return stem, 0
    return stem[: match.start()], int(match[1] or match[2])


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> File:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    problem = None
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        problem = f"{member.filename!r} leads out of its folder"
        path = PurePosixPath(*[p for p in path.parts if p not in ("/", "..")])
    elif (member.external_attr >> 16) & 0o170000 == 0o120000:
        problem = f"{member.filename!r} is a symbolic link"
    try:
        modified = datetime(*member.date_time).timestamp()  # a zip holds local time
    except (ValueError, OverflowError, OSError):
        modified = 0.0
    return _placed(File(path, (archive, member), problem, modified))


def _placed(file: File) -> File:
    number = attempt(file.path.name.split(".")[0])[1]
    return replace(file, order=(number, file.modified), box=str(file.path.parent))
