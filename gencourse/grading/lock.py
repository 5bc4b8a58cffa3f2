"""One grading run at a time: who holds a course's gradebook, and what a killed run left behind.

The lock is SQLite's own on a small database beside the gradebook: the operating system's, on every
system that the gradebook works on, and gone with the process that holds it, however that ends.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from gencourse.course import Course, CourseError

SCRATCH = "gc-run-"


@contextmanager
def only_writer(course: Course) -> Iterator[Path]:
    """Hold a course's gradebook; yield a scratch folder that is gone afterwards.

    The scratch folder of a run that was killed is removed by the next one.

    Raises:
        CourseError: another process holds it; the message says which.
    """
    note = course.gradebook.with_name(f"{course.gradebook.name}.holder")
    lock = course.gradebook.with_name(f"{course.gradebook.name}.lock")
    with closing(sqlite3.connect(lock, timeout=0.2, isolation_level=None)) as held:
        try:
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise CourseError(f"{_who(_read(note))} ({lock}: {error})") from None
        _sweep(_read(note))
        scratch = Path(tempfile.mkdtemp(prefix=SCRATCH))
        try:
            note.write_text(json.dumps(_holder(scratch)), encoding="utf-8")
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            note.unlink(missing_ok=True)


def _holder(scratch: Path) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "scratch": str(scratch),
    }


def _read(note: Path) -> dict[str, Any]:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _who(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process is writing to this course's gradebook; wait until it has ended"
    return (
        f"process {holder.get('pid')} on {holder.get('host')} has been grading in this course "
        f"since {holder.get('since')}; wait until it has ended"
    )


def _sweep(dead: dict[str, Any]) -> None:
    """Remove the scratch folder of a run that ended without doing so."""
    scratch = Path(str(dead.get("scratch", "")))
    if dead.get("host") == socket.gethostname() and scratch.name.startswith(SCRATCH):
        shutil.rmtree(scratch, ignore_errors=True)
