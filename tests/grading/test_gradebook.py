"""nbgrader's gradebook: marks of people survive, a failed grading leaves no old mark behind."""

import copy
import csv
import os
import re
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
from gencourse.grading.grade_one import not_gradable
from gencourse.grading.gradebook import Book
from gencourse.grading.standing import standings
from gencourse.grading.submissions import LATE_UNKNOWN, Submission
from gencourse.grading.writer import Writer

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


def write(term, package, result, student="ada", **about):
    submission = Submission(student, student, b"{}", origin_folder=term.submitted, **about)
    with Writer(term, package) as writer:
        return writer.write(submission, copy.deepcopy(result))


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
    assert row.startswith("ada,not gradable,,15,8,0,0,,,") and row.endswith("cut in two")
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
    honest = submissions[graded.records["honest"]["student"]]
    assert honest["score"] == 11.0 and honest["max_score"] == 15.0
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
    assert lines[1].startswith("ada,needs a person,10,15,1,0,0,2,0,1,1,2,1,3,,")
    assert lines[2].endswith(",'=HYPERLINK(1)")


# ---- late, not handed in, exports, anonymous -------------------------------------------------


COURSE_TOML = """
[units.99_fixture]
due = 2026-10-15T12:00:00+00:00
late_percent_per_day = 10
cap_percent = 50
canvas_assignment = "Homework 9 (4711)"
"""
ROSTER = (
    "id,name,email,canvas id,moodle id,login,section\n"
    "ada,Ada Lovelace,ada@uni.org,77,12,adal,A\n"
    "blaise,Blaise Pascal,,78,13,,\n"
    "carl,=Carl Gauss,,79,14,,\n"
)


@pytest.fixture
def late_class(term, package, result):
    """Ada two days late and marked by hand, Blaise with an extension, Carl without submission."""
    (term.root / "course.toml").write_text(COURSE_TOML)
    (term.root / "roster.csv").write_text(ROSTER)
    (term.root / "extensions.csv").write_text("student,unit,due\nblaise,99_fixture,+2d\n")
    for student in ("ada", "blaise", "stranger"):
        write(term, package, result, student, timestamp="2026-10-16 13:00:00 UTC")
    mark_by_hand(term)
    return term


def penalties(term):
    with Gradebook(f"sqlite:///{term.gradebook}", "fixture") as book:
        found = book.assignment_submissions(SMALL_UNIT)
        return {s.student_id: (s.late_submission_penalty, s.total_seconds_late) for s in found}


def test_late_penalties_extensions_and_who_is_missing(late_class):
    rows = {row.student: row for row in standings(late_class, SMALL_UNIT)}
    ada, blaise, carl = rows["ada"], rows["blaise"], rows["carl"]
    assert (ada.earned, ada.penalty, ada.score) == (14.5, 2.9, 11.6)
    assert ada.status == "graded" and ada.final
    assert (blaise.penalty, blaise.score, blaise.status) == (0, 10, "needs a person")
    assert blaise.lateness.extended and not blaise.final
    assert (carl.status, carl.score, carl.marks) == ("not handed in", None, [])
    assert rows["stranger"].reasons == ["is not on the roster"]
    assert rows["stranger"].status == "needs a person"
    assert penalties(late_class) == {
        **{"ada": (2.9, 25 * 3600), "blaise": (0, 0)},
        **{"stranger": (2.0, 25 * 3600)},
    }


def test_a_later_mark_changes_the_penalty(late_class):
    standings(late_class, SMALL_UNIT)
    with Gradebook(f"sqlite:///{late_class.gradebook}", "fixture") as book:
        book.find_grade("why-kl", NOTEBOOK, SMALL_UNIT, "ada").manual_score = 0.0
        book.db.commit()
    (late_class.root / "extensions.csv").unlink()
    rows = {row.student: row for row in standings(late_class, SMALL_UNIT)}
    assert (rows["ada"].penalty, rows["blaise"].penalty) == (2.3, 2.0)
    assert penalties(late_class)["ada"][0] == 2.3 and penalties(late_class)["blaise"][0] == 2.0


def test_an_unknown_time_costs_nothing_and_asks_a_person_when_canvas_says_late(
    late_class, package, result
):
    write(late_class, package, result, "ada", notes=[LATE_UNKNOWN], timestamp=None)
    row = standings(late_class, SMALL_UNIT)[0]
    assert row.penalty == 0 and row.reasons == [LATE_UNKNOWN] and row.notes == []
    assert row.status == "needs a person" and not row.final


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_export_for_canvas(late_class):
    path = export(late_class, SMALL_UNIT, style="canvas")
    assert path.name == "marks_canvas.csv"
    assert rows_of(path) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Homework 9 (4711)"],
        ["Points Possible", "", "", "", "", "15"],
        ["Lovelace, Ada", "77", "ada", "adal", "A", "11.6"],
        ["Pascal, Blaise", "78", "blaise", "", "", ""],
        ["Gauss, =Carl", "79", "carl", "", "", ""],
        ["stranger", "", "", "", "", ""],
    ]


def test_export_for_moodle(late_class):
    head, ada, blaise, carl, _ = rows_of(export(late_class, SMALL_UNIT, style="moodle"))
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(head)
    row = dict(zip(head, ada, strict=True))
    assert row["Identifier"] == "Participant 12" and row["Email address"] == "ada@uni.org"
    assert row["Grade"] == "11.6" and row["Maximum Grade"] == "15"
    assert row["Feedback comments"] == "14.5 of 15 points, 2.9 taken off for 2 days late"
    assert dict(zip(head, blaise, strict=True))["Grade"] == ""
    assert carl[1] == "'=Carl Gauss"


def test_numbers_of_a_zip_serve_where_there_is_no_roster(term, package, result):
    write(term, package, result, "Ada-L-12")
    record = records.load_records(term, SMALL_UNIT)[0] | {"origin": "Ada L"}
    records.save_record(term, SMALL_UNIT, record)
    assert rows_of(export(term, SMALL_UNIT, style="moodle"))[1][0] == "Participant 12"
    assert rows_of(export(term, SMALL_UNIT, style="canvas"))[2][:2] == ["Ada L", "12"]


def test_plain_export_has_the_penalty_and_who_is_missing(late_class):
    head, *rows = rows_of(export(late_class, SMALL_UNIT))
    assert rows[0][:7] == ["ada", "graded", "11.6", "15", "0", "2", "2.9"]
    assert head[5:7] == ["days late", "late penalty"]
    assert rows[2][:2] == ["carl", "not handed in"] and set(rows[2][2:]) == {""}
    with pytest.raises(ValueError, match="style is 'excel', expected one of plain"):
        export(late_class, SMALL_UNIT, style="excel")


def test_pages_show_the_penalty_and_what_is_not_marked_yet(late_class):
    page = report(late_class, SMALL_UNIT).read_text()
    assert "2 days late, −2.9" in page and "extension" in page
    assert "<b>1</b> not handed in" in page and "<b>2</b> needs a person" in page
    assert "2 of these marks are not final" in page
    assert "2 not marked yet" in page
    pages = {p.parents[1].name: p.read_text() for p in feedback(late_class, SMALL_UNIT)}
    assert set(pages) == {"ada", "blaise", "stranger"}
    assert "−2.9</b> for being late (20 % of 14.5)" in pages["ada"]
    assert "late" not in pages["blaise"] and "not marked yet" in pages["blaise"]
    assert '<th scope="row" class="keep">values</th>' in pages["ada"]


def test_an_answer_left_out_does_not_stand_for_a_class_that_is_not_marked(term, package, result):
    write(term, package, result, "ada")
    result["written"]["why-kl"]["answered"] = False
    write(term, package, result, "blaise")
    page = report(term, SMALL_UNIT).read_text()
    after = page[page.index("Written answer: why-kl") :]
    assert after.index("not marked yet") < after.index("</tr>")
    assert " percent" not in after[: after.index("</tr>")]


def test_the_anonymous_report_names_nobody_and_quotes_nobody(late_class, package, result):
    wrong = copy.deepcopy(result) | {"reasons": ["uses secret_word"], "notes": ["secret_word"]}
    wrong["tests"]["test-kl-normal-values"] |= {"score": 0.0, "says": "raises secret_word"}
    known = {"score": 0.0, "says": "0.123", "mistake": "the factor 1/2 is missing"}
    wrong["tests"]["test-inverse-cdf-states"] |= known
    write(late_class, package, wrong, "ada", notes=["secret_word.py"])
    path = report(late_class, SMALL_UNIT, anonymous=True)
    page = path.read_text()
    assert path.name == "report_anonymous.html"
    for word in ("ada", "blaise", "carl", "stranger", "Lovelace", "Pascal", "secret_word"):
        assert not re.search(rf"\b{word}", page), word
    assert "the factor 1/2 is missing" in page
    names = set(re.findall(r"student-[0-9a-f]{8}", page))
    assert len(names) == 4
    again = report(late_class, SMALL_UNIT, anonymous=True).read_text()
    assert set(re.findall(r"student-[0-9a-f]{8}", again)) == names
    (late_class.secret / "pseudonyms").unlink()
    other = report(late_class, SMALL_UNIT, anonymous=True).read_text()
    assert not names & set(re.findall(r"student-[0-9a-f]{8}", other))


def test_names_and_messages_show_as_they_are(term, package, result):
    result |= {"reasons": ["uses \u202egnp.exe"], "status": "flagged", "notes": ["\x1b]0;owned"]}
    write(term, package, result, "ada")
    record = records.load_records(term, SMALL_UNIT)[0] | {"origin": "\u202eada \udcff"}
    records.save_record(term, SMALL_UNIT, record)
    for path in (report(term, SMALL_UNIT), *feedback(term, SMALL_UNIT)):
        assert not set(path.read_text(encoding="utf-8")) & {"\u202e", "\x1b"}
    assert "\\u202eada" in report(term, SMALL_UNIT).read_text()
    export(term, SMALL_UNIT, style="canvas")
