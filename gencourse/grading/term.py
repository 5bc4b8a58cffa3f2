"""A new term: everything of the old one goes into `archive/NAME`, and a fresh secret is made.

Things are moved one by one into `archive/.NAME.partial`, which becomes `archive/NAME` at last.
Whatever interrupts this, each thing is in one of the two places, and the same call goes on.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
from datetime import datetime
from pathlib import Path

from gencourse.authoring.cases import new_secret
from gencourse.course import Course, CourseError
from gencourse.grading.lock import only_writer

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MANIFEST = "TERM.json"
LOCKS = (".lock", ".lock-journal", ".holder")  # of `only_writer`, held while things move


def new_term(course: Course, *, name: str) -> Path:
    """Archive a term's gradebook, submissions, reports, feedback, rosters and secret.

    Args:
        course: the course folder.
        name: of the term that ends, such as `2026-autumn`.

    Returns:
        The folder `archive/NAME`.

    Raises:
        CourseError: the name is no file name or is taken, somebody is grading, or there is
            nothing to archive.
    """
    if not NAME.fullmatch(name):
        raise CourseError(f"the term's name is {name!r}; expected letters, digits, - and _")
    folder = course.root / "archive" / name
    partial = folder.with_name(f".{name}.partial")
    if folder.exists():
        raise CourseError(f"{folder} exists; choose another name, nothing was moved")
    others = [p for p in folder.parent.glob(".*.partial") if p != partial]
    if others:
        begun = others[0].name[1 : -len(".partial")]
        raise CourseError(f"archiving {begun!r} was interrupted; finish it first, by that name")
    if not partial.exists() and not _things(course):
        raise CourseError(f"there is nothing of a term in {course.root}")
    with only_writer(course):
        partial.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (partial / MANIFEST).is_file():
            for thing, place in _things(course):
                _move(thing, partial / place)
            _finish(partial / MANIFEST, name)
        if not (course.secret / "seed").is_file():
            new_secret(course)
        os.replace(partial, folder)
    return folder


def _things(course: Course) -> list[tuple[Path, Path]]:
    """Return what a term leaves behind, and where each goes in the archive."""
    found = [
        path
        for path in sorted(course.root.glob(f"{course.gradebook.name}*"))
        if not path.name.endswith(LOCKS)
    ]
    found += [course.submitted, course.autograded, course.feedback, course.reports]
    found += [course.root / name for name in ("exchange", "roster.csv", "extensions.csv")]
    things = [(path, Path(path.name)) for path in found if path.exists()]
    if course.secret.is_dir():
        things += [(p, Path("secret") / p.name) for p in sorted(course.secret.iterdir())]
    return things


def _move(source: Path, target: Path) -> None:
    """Move a file or folder; where that is no renaming, the copy is complete before it counts."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    begun = target.with_name(f".{target.name}.copy")  # by a call that was interrupted
    if begun.is_dir():
        shutil.rmtree(begun)
    begun.unlink(missing_ok=True)
    if not target.exists():
        try:
            os.rename(source, target)
            return
        except OSError:  # another file system
            _copy(source, begun)
            os.replace(begun, target)
    _remove_copied(source, target)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _remove_copied(source: Path, target: Path) -> None:
    """Remove a file or folder of which a copy is kept; anything else stays where it is.

    Raises:
        CourseError: the copy lacks something or differs.
    """
    if source.is_dir() and not source.is_symlink():
        for path in list(source.iterdir()):
            _remove_copied(path, target / path.name)
        source.rmdir()
    elif source.is_symlink() or (target.is_file() and filecmp.cmp(source, target, shallow=False)):
        source.unlink()
    else:
        raise CourseError(f"{source} and {target} differ; move one of them away and call again")


def _finish(path: Path, name: str) -> None:
    about = {"term": name, "archived": datetime.now().astimezone().isoformat(timespec="seconds")}
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)
