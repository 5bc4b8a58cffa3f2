"""The zip that a student hands in: the notebook as it is, a receipt, and never a refusal."""

import hashlib
import json
import zipfile

import nbformat
import pytest

from gencourse.authoring.build import build
from gencourse.course import CourseError
from gencourse.exercises import submit as module
from gencourse.exercises.sheet import Row, ScoreSheet
from gencourse.exercises.submit import find_homework, submit
from gencourse.grading.submissions import collect

from ..conftest import SMALL_UNIT as UNIT


@pytest.fixture
def homework(small_course):
    build(small_course, [UNIT])
    return small_course.released(UNIT, "homework")


@pytest.fixture
def checked(monkeypatch):
    """The check, without a kernel."""
    sheet = ScoreSheet([Row("kl", "values", 2, True, ""), Row("kl", "scale", 1, False, "wrong")])
    monkeypatch.setattr(module, "check_notebook", lambda path: sheet)
    return sheet


def test_what_is_in_the_zip_and_on_the_receipt(homework, checked):
    homework.write_bytes(homework.read_bytes() + b"\n\n")  # byte for byte, whatever they are
    receipt = submit(homework)
    data = homework.read_bytes()
    assert receipt.path == homework.with_name(f"{UNIT}_submission.zip")
    assert receipt.sha256 == hashlib.sha256(data).hexdigest()
    stamp = nbformat.read(homework, as_version=4).metadata["gencourse"]["release"]
    with zipfile.ZipFile(receipt.path) as file:
        assert file.namelist() == [f"{UNIT}_homework.ipynb", "receipt.json"]
        assert file.read(f"{UNIT}_homework.ipynb") == data
        about = json.loads(file.read("receipt.json"))
    assert about["sha256"] == receipt.sha256 and about["time"] == receipt.time
    assert about["release"] == stamp == receipt.release and about["unit"] == UNIT
    assert about["visible"] == {"points": 2, "possible": 3}
    printed = "\n".join(receipt.lines())
    assert all(x in printed for x in (receipt.sha256, receipt.time, stamp, str(receipt.path)))


def test_the_same_at_the_same_time_is_the_same_zip(homework, checked, monkeypatch, tmp_path):
    class Clock(module.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 10, 1, 10, tzinfo=tz)

    monkeypatch.setattr(module, "datetime", Clock)
    first, second = (submit(homework, out=tmp_path / f"{i}.zip").path for i in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_grade_takes_it_and_sees_a_change(homework, checked, tmp_path):
    folder = tmp_path / "class" / "ada"
    folder.mkdir(parents=True)
    receipt = submit(homework, out=folder / "work.zip")
    (found,) = collect(folder.parent, UNIT)
    assert found.notebook == homework.read_bytes() and found.problem is None
    assert found.timestamp == receipt.time and found.receipt["release"] == receipt.release
    assert found.notes == ["handed in when its receipt says, by the student's own clock"]
    with zipfile.ZipFile(folder / "work.zip") as file:
        kept = file.read("receipt.json")
    with zipfile.ZipFile(folder / "work.zip", "w") as file:
        file.writestr(f"{UNIT}_homework.ipynb", homework.read_bytes() + b" ")
        file.writestr("receipt.json", kept)
    (found,) = collect(folder.parent, UNIT)
    words = "the notebook is not the one that its receipt names: it was changed later"
    assert words in found.notes
    with zipfile.ZipFile(folder / "work.zip", "w") as file:
        file.writestr(f"{UNIT}_homework.ipynb", "{}")
        file.writestr("receipt.json", "[" * 50_000)
    (found,) = collect(folder.parent, UNIT)
    assert found.notes == ["its receipt cannot be read"] and found.timestamp is None


@pytest.mark.kernel
def test_failing_tests_do_not_keep_anyone_from_handing_in(homework):
    receipt = submit(homework)
    assert receipt.sheet.points == 0 and receipt.sheet.possible == 11
    assert zipfile.is_zipfile(receipt.path)


def test_what_is_no_homework_is_refused(tmp_path, checked):
    path = tmp_path / "x.ipynb"
    with pytest.raises(CourseError, match="cannot be read"):
        submit(path)
    path.write_text("{")
    with pytest.raises(CourseError, match="cannot be read as a notebook"):
        submit(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_zip_that_cannot_be_written(homework, checked, tmp_path):
    with pytest.raises(CourseError, match="cannot be written"):
        submit(homework, out=tmp_path / "missing" / "x.zip")


def test_a_unit_stands_for_its_homework(tmp_path):
    name = "01_graphical_models_homework.ipynb"
    (tmp_path / name).touch()
    assert find_homework("01", tmp_path) == tmp_path / name
    assert find_homework("else.ipynb", tmp_path).name == "else.ipynb"
    with pytest.raises(CourseError, match="there is no 02_auto"):
        find_homework("02", tmp_path)
