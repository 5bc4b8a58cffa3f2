"""Fixtures that several folders of tests share."""

import shutil
from pathlib import Path

import pytest

from gencourse.course import Course

SMALL_COURSE = Path(__file__).parent / "fixtures" / "course"
SMALL_UNIT = "99_fixture"


@pytest.fixture
def small_course(tmp_path, monkeypatch):
    """A copy of the small course, one exercise of each kind, whose cases `check` will find."""
    root = tmp_path / "course"
    shutil.copytree(SMALL_COURSE, root)
    monkeypatch.setenv("GENCOURSE_CASES", str(root / "gencourse" / "exercises" / "cases"))
    monkeypatch.delenv("GENCOURSE_HIDDEN", raising=False)
    monkeypatch.delenv("GENCOURSE_SECRET", raising=False)
    return Course(root)
