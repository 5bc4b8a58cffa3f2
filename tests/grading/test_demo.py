"""The demonstration: what each submission deserves is right, and a wrong grader is noticed."""

import io

import pytest
from rich.console import Console

from gencourse.course import CourseError
from gencourse.grading.demo import _show, demo, make_class
from gencourse.grading.grade import ClassResult

from ..conftest import SMALL_UNIT


@pytest.fixture(scope="module")
def handed_in(course):
    return {item.student: item for item in make_class(course, SMALL_UNIT)}


def test_what_the_class_deserves(handed_in):
    totals = {n: i.deserves and sum(i.deserves.values()) for n, i in handed_in.items()}
    assert totals["reference"] == totals["right-1"] == totals["right-2"] == 11
    assert totals["blank"] == 0 and handed_in["truncated"].deserves is None
    assert totals["syntax-error"] == totals["infinite-loop"] == 9
    wrong = [i for n, i in handed_in.items() if n.startswith("wrong")]
    assert len(wrong) == 4 and all(0 < sum(i.deserves.values()) < 11 for i in wrong)
    assert len({i.data for i in handed_in.values()}) == len(handed_in)


def records(handed_in):
    found = []
    for item in handed_in.values():
        tests = {n: {"score": s} for n, s in (item.deserves or {}).items()}
        status = "not gradable" if item.deserves is None else "graded"
        score = sum(item.deserves.values()) if item.deserves else None
        found.append({"student": item.student, "tests": tests, "status": status, "score": score})
    return found


def show(handed_in, found):
    console = Console(file=io.StringIO(), width=200)
    return _show(list(handed_in.values()), ClassResult(SMALL_UNIT, found), console)


def test_a_score_that_differs_is_noticed_even_when_the_sum_agrees(handed_in):
    assert show(handed_in, records(handed_in))
    found = records(handed_in)
    tests = next(r for r in found if r["student"] == "syntax-error")["tests"]
    one, other = "test-log-normaliser-gradient", "test-kl-normal-values"
    tests[one], tests[other] = tests[other], tests[one]
    assert not show(handed_in, found)
    found = records(handed_in)
    next(r for r in found if r["student"] == "truncated")["status"] = "graded"
    assert not show(handed_in, found)


def test_a_folder_that_holds_something_else_is_left_alone(course, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CourseError, match="holds something else"):
        demo(course, tmp_path, unit=SMALL_UNIT)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
