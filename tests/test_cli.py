"""The command line: bad input is one readable line and a non-zero status, never a traceback."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gencourse
from gencourse.cli import app
from gencourse.course import UNITS
from gencourse.doctor import LOOKS, diagnose

ROOT = Path(__file__).parents[1]
UNIT = UNITS[0]
run = CliRunner().invoke


def refused(arguments, *words):
    """Assert that a command is refused in one line that holds some words."""
    done = run(app, [str(a) for a in arguments])
    assert done.exit_code == 1, done.output
    said = done.stderr.strip()
    assert said.startswith("error: ") and "\n" not in said, said
    assert "Traceback" not in done.output
    for word in words:
        assert word in said, said
    return said


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course folder with unit 01 built, and no secret."""
    for name in ("nbgrader_config.py", "solutions", "notebooks"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path)
    shutil.copytree(
        ROOT / "gencourse" / "exercises" / "cases", tmp_path / "gencourse" / "exercises" / "cases"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GENCOURSE_SECRET", raising=False)
    return tmp_path


def test_version_and_help():
    assert run(app, ["--version"]).stdout.strip() == gencourse.__version__
    shown = run(app, ["--help"]).stdout
    for command in ("build", "import", "release", "secret", "check", "grade", "report", "export"):
        assert re.search(rf"\b{command}\b", shown)


def test_an_unknown_unit_is_refused_with_the_list(course):
    for command in ("build", "release", "grade", "report", "export"):
        refused([command, "9"], "no unit begins with '9'", UNIT)


def test_a_command_outside_a_course_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(["build"], "nbgrader_config.py", "cd into it")


def test_grading_without_a_secret_says_how_to_make_one(course):
    (course / "submitted").mkdir()
    refused(["grade", "1", "--unsafe"], "gencourse secret")


def test_grading_what_is_not_there(course):
    refused(["grade", "1", "--dev-seed", "--unsafe", "--submissions", "nowhere"], "nowhere")
    (course / "broken.zip").write_bytes(b"PK\x03\x04 not a zip")
    refused(["grade", "1", "--dev-seed", "--unsafe", "--submissions", "broken.zip"], "broken.zip")
    with zipfile.ZipFile(course / "empty.zip", "w"):
        pass
    refused(["grade", "1", "--dev-seed", "--unsafe", "--submissions", "empty.zip"])


def test_reporting_before_grading(course):
    refused(["report", "1"], "gencourse grade")
    refused(["export", "1"], "gencourse grade")


def test_a_secret_is_made_once(course):
    assert run(app, ["secret"]).exit_code == 0
    seed = (course / "secret" / "seed").read_bytes()
    refused(["secret"])
    assert (course / "secret" / "seed").read_bytes() == seed


@pytest.mark.parametrize(
    "content", ["", "no json", '{"cells": 3}', json.dumps({"nbformat": 4, "cells": []})]
)
def test_checking_what_is_no_homework(tmp_path, content):
    path = tmp_path / "homework.ipynb"
    path.write_text(content)
    refused(["check", path], "homework.ipynb")
    refused(["check", tmp_path / "missing.ipynb"], "missing.ipynb")


def test_importing_what_is_no_source(course):
    refused(["import", "nowhere.ipynb"], "nowhere.ipynb")


def test_a_build_that_differs_is_told_and_written(course):
    path = course / "notebooks" / UNIT / f"{UNIT}_homework.ipynb"
    good = path.read_bytes()
    path.write_bytes(good.replace(b"graphical", b"graphic"))
    refused(["build", "1", "--check"], "differ")
    assert run(app, ["build", "1"]).exit_code == 0
    assert path.read_bytes() == good
    assert run(app, ["build", "1", "--check"]).exit_code == 0


def test_debugging_shows_the_traceback(course, monkeypatch):
    monkeypatch.setenv("GENCOURSE_DEBUG", "1")
    assert "Traceback" in run(app, ["release", "9"]).stderr


def test_doctor_looks_at_everything_and_mends_what_it_marks(course):
    found = list(diagnose())
    assert len(found) == len(LOOKS)
    assert {f.name for f in found} >= {"Python", "PyTorch", "Device", "Data", "Sandbox"}
    for finding in found:
        assert finding.state in ("ok", "note"), finding
        assert finding.detail and (finding.mend or finding.state == "ok")


def test_doctor_outlives_a_broken_look(monkeypatch):
    def look_at_nothing():
        """Nothing: to see here."""
        raise RuntimeError("boom")

    monkeypatch.setattr("gencourse.doctor.LOOKS", (look_at_nothing,))
    (finding,) = diagnose()
    assert (finding.name, finding.state) == ("Nothing", "broken")
    assert "boom" in finding.detail
    refused(["doctor"], "broken")
