"""A term is archived whole, whatever interrupts it, and the next one has another secret."""

import os
import shutil

import pytest

from gencourse.authoring.cases import new_secret
from gencourse.course import Course, CourseError
from gencourse.grading import term as module
from gencourse.grading.lock import only_writer
from gencourse.grading.term import new_term

FILES = {
    "gradebook.db": "marks",
    "gradebook.db-wal": "more marks",
    "submitted/ada/u/u.ipynb": "an answer",
    "autograded/ada/u/u.ipynb": "graded",
    "feedback/ada/u/u.html": "page",
    "reports/u/records/ada.json": "record",
    "roster.csv": "id",
    "extensions.csv": "student",
    "secret/u.json": "cases",
    "secret/releases/u/abc/homework.ipynb": "release",
}
STAYS = {"course.toml": "due", "solutions/u.py": "source", "releases/u.zip": "zip"}


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.delenv("GENCOURSE_SECRET", raising=False)
    made = Course(tmp_path / "course")
    for name, text in (FILES | STAYS).items():
        path = made.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    new_secret(made)
    return made


def archived(folder):
    return {
        str(p.relative_to(folder)): p.read_text()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in ("TERM.json", "seed")
    }


def complete(course, folder, seed):
    assert folder == course.root / "archive" / "2026"
    assert archived(folder) == FILES
    assert (folder / "secret" / "seed").read_bytes() == seed
    assert (course.secret / "seed").read_bytes() != seed
    assert not any((course.root / name).exists() for name in FILES)
    assert all((course.root / name).read_text() == text for name, text in STAYS.items())
    assert [p.name for p in (course.root / "archive").iterdir()] == ["2026"]
    assert folder.stat().st_mode & 0o077 == 0


def test_everything_of_the_term_is_archived_and_the_secret_is_fresh(course):
    seed = (course.secret / "seed").read_bytes()
    complete(course, new_term(course, name="2026"), seed)


@pytest.mark.parametrize("steps", range(1, 14))
@pytest.mark.parametrize("other_disk", [False, True])
def test_an_interruption_at_any_step_loses_nothing(course, monkeypatch, steps, other_disk):
    seed, real = (course.secret / "seed").read_bytes(), {}
    count = 0

    def stops(name):
        real[name] = getattr(os, name)

        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == steps:
                raise KeyboardInterrupt
            if name == "rename" and other_disk:
                raise OSError(18, "cross-device link")
            return real[name](*args, **kwargs)

        return call

    with monkeypatch.context() as patched:
        for name in ("rename", "replace"):
            patched.setattr(module.os, name, stops(name))
        with pytest.raises(KeyboardInterrupt):
            new_term(course, name="2026")
    everything = {p.read_bytes() for p in course.root.rglob("*") if p.is_file()}
    assert {text.encode() for text in FILES.values()} | {seed} <= everything
    with pytest.raises(CourseError, match="'2026' was interrupted; finish it first"):
        new_term(course, name="other")
    complete(course, new_term(course, name="2026"), seed)


def test_a_copy_that_was_taken_is_removed_only_where_it_is_the_same(course):
    partial = course.root / "archive" / ".2026.partial"
    shutil.copytree(course.submitted, partial / "submitted")
    (course.submitted / "ada" / "u" / "u.ipynb").write_text("a newer answer")
    with pytest.raises(CourseError, match="differ; move one of them away"):
        new_term(course, name="2026")
    assert (course.submitted / "ada" / "u" / "u.ipynb").read_text() == "a newer answer"
    assert (partial / "submitted" / "ada" / "u" / "u.ipynb").read_text() == "an answer"


def test_nothing_is_overwritten_and_nobody_is_grading(course):
    (course.root / "archive" / "2026").mkdir(parents=True)
    with pytest.raises(CourseError, match="exists; choose another name"):
        new_term(course, name="2026")
    with only_writer(course), pytest.raises(CourseError, match="grading in this course"):
        new_term(course, name="2027")
    for name in ("", "../up", ".hidden", "a/b"):
        with pytest.raises(CourseError, match="the term's name is"):
            new_term(course, name=name)
    assert (course.root / "gradebook.db").read_text() == "marks"


def test_an_empty_course_has_no_term(tmp_path):
    with pytest.raises(CourseError, match="nothing of a term"):
        new_term(Course(tmp_path), name="2026")
