"""nbgrader's gradebook: marks of people survive, a failed grading leaves no old mark behind."""

import copy
import os
import shutil
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from gencourse.course import Course
from gencourse.grading import export, feedback, records, report
from gencourse.grading.grade import _write
from gencourse.grading.grade_one import not_gradable
from gencourse.grading.gradebook import Book
from gencourse.grading.standing import standings
from gencourse.grading.submissions import Submission

from ..conftest import SMALL_UNIT

NOTEBOOK = f"{SMALL_UNIT}_homework"


@pytest.fixture(scope="module")
def fresh(course, tmp_path_factory):
    """A course folder whose gradebook has the assignment and no student."""
    made = Course(tmp_path_factory.mktemp("fresh"))
    (made.sources / SMALL_UNIT).mkdir(parents=True)
    for path in (course.built(SMALL_UNIT, "homework"), course.root / "nbgrader_config.py"):
        (made.root / path.relative_to(course.root)).write_bytes(path.read_bytes())
    path = os.environ["PATH"]
    os.environ["PATH"] = "/nowhere"  # as in an environment that is not activated
    try:
        with Book(made, SMALL_UNIT) as book:
            book.prepare(made.built(SMALL_UNIT, "homework"))
        assert os.environ["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    finally:
        os.environ["PATH"] = path
    return made


@pytest.fixture
def term(fresh, tmp_path):
    """A course folder of the test's own."""
    shutil.copytree(fresh.root, tmp_path / "term")
    return Course(tmp_path / "term")


@pytest.fixture
def result(package, solved):
    """What `grade_one` returns for one wrong test and a written answer."""
    import nbformat

    release = package.releases[package.current]
    tests = {}
    for cell, (exercise, test) in release.tests().items():
        points = release.points()[cell]
        right = cell != "test-kl-normal-scale"
        tests[cell] = {
            **{"exercise": exercise, "test": test, "points": points, "mistake": None},
            **{"score": points if right else 0.0, "says": "right" if right else "twice too large"},
        }
    return {
        **{"status": "graded", "reasons": [], "notes": [], "tests": tests, "seconds": 1.0},
        **{"written": {"why-kl": {"points": 4.0, "answered": True, "text": "Jensen"}}},
        **{"notebook": nbformat.writes(solved), "stamp": package.current, "unsafe": False},
        **{"seed": "secret", "version": "0", "peak_mib": 1},
    }


def write(term, package, result, student="ada", source=None):
    submission = Submission(student, student, b"{}", origin_folder=source or term.submitted)
    with Book(term, SMALL_UNIT) as book:
        book.prepare(term.built(SMALL_UNIT, "homework"))
        return _write(term, book, package, submission, copy.deepcopy(result))


def grades(term, student="ada"):
    with Gradebook(f"sqlite:///{term.gradebook}", "fixture") as book:
        found = book.find_submission_notebook(NOTEBOOK, SMALL_UNIT, student).grades
        names = ("auto_score", "manual_score", "extra_credit", "score", "needs_manual_grade")
        return {g.name: {n: getattr(g, n) for n in names} for g in found}


def mark_by_hand(term, student="ada"):
    with Gradebook(f"sqlite:///{term.gradebook}", "fixture") as book:
        essay = book.find_grade("why-kl", NOTEBOOK, SMALL_UNIT, student)
        essay.manual_score, essay.needs_manual_grade = 3.0, False
        test = book.find_grade("test-kl-normal-scale", NOTEBOOK, SMALL_UNIT, student)
        test.manual_score, test.extra_credit, test.needs_manual_grade = 1.0, 0.5, False
        comment = book.find_comment("why-kl", NOTEBOOK, SMALL_UNIT, student)
        comment.manual_comment = "Well put. <script>alert(1)</script>"
        book.db.commit()


def test_marks_and_what_waits_for_a_person(term, package, result):
    write(term, package, result)
    found = grades(term)
    assert found["test-kl-normal-values"]["auto_score"] == 2.0
    assert found["test-kl-normal-scale"]["auto_score"] == 0.0
    assert found["why-kl"]["auto_score"] is None
    waiting = {name for name, g in found.items() if g["needs_manual_grade"]}
    assert waiting == {"why-kl"}


def test_an_empty_written_answer_is_zero_and_waits_for_nobody(term, package, result):
    result["written"]["why-kl"]["answered"] = False
    write(term, package, result)
    assert grades(term)["why-kl"]["auto_score"] == 0.0
    assert not grades(term)["why-kl"]["needs_manual_grade"]


def test_marks_comments_and_extra_credit_by_hand_survive_a_second_grading(term, package, result):
    write(term, package, result)
    mark_by_hand(term)
    result["tests"]["test-kl-normal-values"]["score"] = 0.0
    write(term, package, result)
    found = grades(term)
    assert found["test-kl-normal-values"]["auto_score"] == 0.0
    assert found["why-kl"]["manual_score"] == 3.0
    assert found["test-kl-normal-scale"]["score"] == 1.5
    assert not any(g["needs_manual_grade"] for g in found.values())
    (standing,) = standings(term, SMALL_UNIT)
    assert standing.score == 0.0 + 1.5 + 1 + 1 + 2 + 1 + 3 + 3.0
    page = feedback(term, SMALL_UNIT)[0].read_text()
    assert "Well put. &lt;script&gt;" in page and "<script" not in page


def test_a_changed_answer_asks_for_another_look_at_the_mark_by_hand(term, package, result):
    write(term, package, result)
    mark_by_hand(term)
    old = "return 0.5 * (mu**2 + variance_term - 1)"
    assert old in result["notebook"]
    result["notebook"] = result["notebook"].replace(
        old, "return 0.7 * (mu**2 + variance_term - 1)"
    )
    write(term, package, result)
    found = grades(term)
    assert found["test-kl-normal-scale"]["needs_manual_grade"]
    assert not found["why-kl"]["needs_manual_grade"] and found["why-kl"]["manual_score"] == 3.0


def test_a_failed_grading_leaves_no_old_mark_and_no_zero(term, package, result):
    write(term, package, result)
    write(term, package, {**result, **not_gradable("cut in two")})
    found = grades(term)
    assert all(g["auto_score"] is None and g["needs_manual_grade"] for g in found.values())
    assert not records.graded_notebook(term, SMALL_UNIT, "ada").exists()
    (standing,) = standings(term, SMALL_UNIT)
    assert standing.score is None
    row = export(term, SMALL_UNIT).read_text().splitlines()[1]
    assert row.startswith("ada,not gradable,,15,8,,,,") and row.endswith("cut in two")
    assert "It is not a mark of 0" in feedback(term, SMALL_UNIT)[0].read_text()


def test_nbgraders_own_commands_see_the_same_class(graded):
    """formgrader asks these questions."""
    config = Config()
    config.CourseDirectory.root = str(graded.course.root)
    config.CourseDirectory.course_id = "fixture"
    config.CourseDirectory.source_directory = "solutions"
    config.CourseDirectory.release_directory = "notebooks"
    config.CourseDirectory.db_url = f"sqlite:///{graded.course.gradebook}"
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    with_copy = {r["student"] for r in graded.records.values() if r["status"] != "not gradable"}
    assert api.get_autograded_students(SMALL_UNIT) == with_copy
    submissions = {s["student"]: s for s in api.get_submissions(SMALL_UNIT)}
    assert submissions["honest"]["score"] == 11.0 and submissions["honest"]["max_score"] == 15.0
    assert submissions["exits-in-the-answer"]["needs_manual_grade"]
    assert not submissions["honest-mistakes"]["needs_manual_grade"]
    (notebook,) = api.get_notebook_submissions(SMALL_UNIT, NOTEBOOK)[:1]
    assert notebook["name"] == NOTEBOOK


def test_report_and_export_escape_and_count(term, package, result):
    write(term, package, result, "ada")
    wrong = copy.deepcopy(result)
    wrong["tests"]["test-inverse-cdf-states"] |= {
        "score": 0.0,
        "says": "<img src=x>",
        "mistake": None,
    }
    wrong |= {
        "status": "flagged",
        "reasons": ["=HYPERLINK(1)"],
        "seed": "development",
        "unsafe": True,
    }
    write(term, package, wrong, "blaise")
    page = report(term, SMALL_UNIT).read_text()
    assert "<img" not in page and "&lt;img src=x&gt;" in page
    assert "without a sandbox" in page and "development seed" in page
    assert (
        '<td class="n">2</td><td>KL divergence of two normals</td><td>twice too large</td>' in page
    )
    assert "<li><b>9.5</b> mean of 15</li>" in page
    lines = export(term, SMALL_UNIT).read_text().splitlines()
    assert lines[1].startswith("ada,graded,10,15,1,2,0,1,1,2,1,3,,")
    assert lines[2].endswith(",'=HYPERLINK(1)")
