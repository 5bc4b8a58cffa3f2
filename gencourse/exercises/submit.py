"""`gencourse submit`: the zip that a student hands in, with a receipt inside.

The zip holds the notebook, byte for byte, and `receipt.json`. Nothing is taken out or mended: a
grader gets what the student has. Failing tests do not keep anyone from handing in.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import gencourse
from gencourse.course import CourseError, resolve_unit
from gencourse.exercises.sheet import ScoreSheet, check_notebook, read_homework

RECEIPT = "receipt.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


@dataclass(frozen=True)
class Receipt:
    """What was handed in, and when.

    Args:
        path: the zip.
        unit: full name of the unit.
        sha256: of the notebook's bytes, in hexadecimal.
        time: when the zip was made, by this machine's clock, in UTC.
        release: stamp of the release that the notebook answers.
        sheet: the visible tests.
    """

    path: Path
    unit: str
    sha256: str
    time: str
    release: str
    sheet: ScoreSheet

    def lines(self) -> list[str]:
        """Return the receipt for a person to read and keep."""
        return [
            f"file     {self.path}",
            f"unit     {self.unit}, release {self.release}",
            f"time     {self.time}",
            f"sha256   {self.sha256}",
        ]


def submit(notebook: Path, *, out: Path | None = None) -> Receipt:
    """Check a homework and make the zip to hand in.

    Args:
        notebook: the homework.
        out: the zip, default `UNIT_submission.zip` beside the notebook; an earlier one is
            replaced.

    Raises:
        CourseError: the file is no homework of the course, or the zip cannot be written.
    """
    notebook = Path(notebook)
    metadata = read_homework(notebook).metadata["gencourse"]
    unit, release = str(metadata["unit"]), str(metadata.get("release", "unknown"))
    sheet = check_notebook(notebook)
    data = notebook.read_bytes()  # after the check, which takes minutes: what is there now
    path = Path(out) if out else notebook.with_name(f"{unit}_submission.zip")
    receipt = Receipt(
        *(path, unit, hashlib.sha256(data).hexdigest()),
        *(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", release, sheet),
    )
    try:
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(_zip(data, receipt))
        os.replace(temporary, path)
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}") from None
    return receipt


def find_homework(what: str, folder: Path | None = None) -> Path:
    """Return the notebook that a path or a unit's name stands for.

    Args:
        what: a path, or a unit by any unique prefix.
        folder: where to look for a unit's homework, default the current folder.

    Raises:
        CourseError: there is no such notebook.
    """
    if what.lower().endswith(".ipynb") or Path(what).is_file():
        return Path(what)
    unit, folder = resolve_unit(what), Path(folder or ".")
    name = f"{unit}_homework.ipynb"
    places = [folder / name, folder / unit / name, folder / "notebooks" / unit / name]
    found = next((p for p in places if p.is_file()), None)
    if found is None:
        raise CourseError(f"there is no {name} in {folder.resolve()}; name the file itself")
    return found


def _zip(notebook: bytes, receipt: Receipt) -> bytes:
    """Return the zip: the same bytes for the same notebook and receipt."""
    about = {
        "unit": receipt.unit,
        "release": receipt.release,
        "sha256": receipt.sha256,
        "time": receipt.time,
        "version": gencourse.__version__,
        "visible": {"points": receipt.sheet.points, "possible": receipt.sheet.possible},
    }
    members = {
        f"{receipt.unit}_homework.ipynb": notebook,
        RECEIPT: (json.dumps(about, indent=1) + "\n").encode(),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, date_time=EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            file.writestr(info, data)
    return stream.getvalue()
