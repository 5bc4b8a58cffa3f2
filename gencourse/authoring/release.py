"""`gencourse release`: what students get, folder and zip, and the archive that grading needs.

Both are the same bytes whenever they are made from the same sources. The archive keeps each
release as it was, so that an answer to an older one is graded against that one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat

import gencourse
from gencourse.authoring.build import build, public_cases_file
from gencourse.authoring.cases import dumps, hidden_cases
from gencourse.authoring.requirements import student_requirements
from gencourse.course import Course, CourseError

LIBRARY = Path(gencourse.__file__).resolve().parents[1]
WHEEL_FILES = ("pyproject.toml", "README.md", "LICENSE")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
README = """# {unit}

    python -m venv .venv
    .venv/bin/python -m pip install -r requirements.txt      (Windows: .venv\\Scripts\\python)
    .venv/bin/jupyter lab

Open `{homework}`.
Write your answers where it says YOUR CODE HERE or YOUR ANSWER HERE, and run the test cells: each
says in words what is wrong. Hand in the notebook under its name. Your score on the visible tests:

    .venv/bin/gencourse check {homework}

Release {stamp}, gencourse {version}.
"""


def release(course: Course, unit: str, out: Path | None = None) -> Path:
    """Make what students of a unit get, and archive it for grading.

    Args:
        course: the course folder.
        unit: the unit.
        out: where the folder `UNIT` and the file `UNIT.zip` go, default `course.releases`.

    Returns:
        The folder; the zip lies beside it.

    Raises:
        CourseError: the notebooks are not built, or the wheel cannot be made.
    """
    stale = build(course, [unit], check=True)
    if stale:
        raise CourseError(f"{', '.join(stale)} out of date: run `gencourse build {unit}` first")
    stamp = release_stamp(course, unit)
    folder = (out or course.releases) / unit
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / unit
        made.mkdir()
        for notebook in sorted(course.released(unit, "homework").parent.glob("*.ipynb")):
            shutil.copyfile(notebook, made / notebook.name)
        wheel = _wheel(made)
        requirements = student_requirements(LIBRARY)
        _write(made / "requirements.txt", f"./{wheel.name}\n{requirements}")
        about = {"unit": unit, "stamp": stamp, "version": gencourse.__version__}
        homework = course.released(unit, "homework").name
        _write(made / "README.md", README.format(homework=homework, **about))
        about["files"] = {p.name: _digest(p) for p in sorted(made.iterdir())}
        _write(made / "RELEASE.json", json.dumps(about, indent=1) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
    _zip(folder, folder.with_suffix(".zip"))
    archive(course, unit)
    return folder


def release_stamp(course: Course, unit: str) -> str:
    """Return the stamp of the homework that lies in the release folder.

    Raises:
        CourseError: there is none.
    """
    path = course.released(unit, "homework")
    if not path.is_file():
        raise CourseError(f"{path} is not there: run `gencourse build {unit}`")
    return nbformat.read(path, as_version=4).metadata["gencourse"]["release"]


def archive(course: Course, unit: str) -> Path:
    """Keep the current release under its stamp.

    The files are `homework.ipynb`, `public.json` and, if there is a secret, `hidden.json`. What is
    in the archive already is left as it is.
    """
    folder = _archived(course, unit, release_stamp(course, unit))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = {
        "homework.ipynb": course.released(unit, "homework").read_text(encoding="utf-8"),
        "public.json": public_cases_file(course, unit).read_text(encoding="utf-8"),
    }
    if (course.secret / "seed").is_file():
        files["hidden.json"] = dumps(hidden_cases(course, unit))
    for name, text in files.items():
        if not (folder / name).exists():
            _write(folder / name, text)
            os.chmod(folder / name, 0o600)
    return folder


def archived(course: Course, unit: str, stamp: str) -> Path | None:
    """Return the archive's folder of an older release, or None where it was not kept."""
    known = all(c in "0123456789abcdef" for c in stamp) and len(stamp) == 12
    folder = _archived(course, unit, stamp)
    return folder if known and (folder / "homework.ipynb").is_file() else None


def _archived(course: Course, unit: str, stamp: str) -> Path:
    return course.secret / "releases" / unit / stamp


def _wheel(target: Path) -> Path:
    """Build the library's wheel from a copy that holds nothing but the library."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for name in WHEEL_FILES:
            if not (LIBRARY / name).is_file():
                raise CourseError(
                    f"{LIBRARY / name} is missing; a release is made in the repository"
                )
            shutil.copyfile(LIBRARY / name, copy / name)
        skip = shutil.ignore_patterns("__pycache__", "*.pyc", ".ipynb_checkpoints")
        shutil.copytree(LIBRARY / "gencourse", copy / "gencourse", ignore=skip)
        command = "import sys, setuptools.build_meta as b; b.build_wheel(sys.argv[1])"
        done = subprocess.run(
            [sys.executable, "-c", command, str(target)],
            cwd=copy,
            env={**os.environ, "SOURCE_DATE_EPOCH": "315532800", "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
        )
    wheels = list(target.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        last = (done.stderr.strip() or "no output").split("\n")[-1]
        raise CourseError(f"the wheel cannot be built (setuptools is needed): {last}")
    return wheels[0]


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            info = zipfile.ZipInfo(name, date_time=EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            file.writestr(info, path.read_bytes())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
