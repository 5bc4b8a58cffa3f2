"""The student's score sheet comes out whatever the notebook does."""

import nbformat
import pytest

from gencourse.authoring.build import build
from gencourse.course import CourseError
from gencourse.exercises.sheet import check_notebook

from ..conftest import SMALL_UNIT as UNIT

pytestmark = pytest.mark.kernel


@pytest.fixture
def homework(small_course):
    build(small_course, [UNIT])
    return small_course.released(UNIT, "homework")


def rewrite(path, cells=(), drop=()):
    nb = nbformat.read(path, as_version=4)
    nb.cells = [c for c in nb.cells if c.id not in drop]
    for cell in nb.cells:
        cell.source = dict(cells).get(cell.id, cell.source)
    nbformat.write(nb, path)


KL = "def kl(mu, logvar):\n    return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(-1)"


def test_each_cell_answers_for_itself(homework):
    rewrite(
        homework,
        {
            "kl-normal": KL,
            "counting": "class Counter:\n    def __init__(self, num_states)\n        pass",
            "log-normaliser": "while True:\n    pass",
            "inverse-cdf": "import os\nos._exit(0)",
        },
        drop=["test-kl-normal-scale"],
    )
    sheet = check_notebook(homework, timeout=10)
    rows = {(r.exercise, r.test): r for r in sheet.rows}
    assert rows["kl-normal", "values"].right
    assert "missing" in rows["kl-normal", "scale"].says
    assert "NameError" in rows["counting", "counts"].says
    assert "NameError" in rows["log-normaliser", "gradient"].says
    assert rows["logistic", "likelihood"].says == "not run: the kernel died"
    assert (sheet.points, sheet.possible) == (2, 11)
    notes = "\n".join(sheet.notes)
    assert "counting: SyntaxError" in notes
    assert "log-normaliser: not finished after 10 s" in notes
    assert "inverse-cdf: the kernel died" in notes


def test_an_untouched_release_scores_nothing_and_breaks_nothing(homework):
    sheet = check_notebook(homework)
    assert {r.says for r in sheet.rows} == {"not answered yet"}
    assert sheet.points == 0 and sheet.notes == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("", "cannot be read as a notebook"),
        ("{", "cannot be read as a notebook"),
        ("[]", "cannot be read as a notebook"),
        ('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "is not a homework"),
        (
            '{"cells": [], "metadata": {"gencourse": {"unit": "../x"}}, '
            '"nbformat": 4, "nbformat_minor": 5}',
            "is not a homework",
        ),
    ],
)
def test_what_is_no_homework_is_told_in_a_line(tmp_path, text, words):
    path = tmp_path / "x.ipynb"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CourseError, match=words):
        check_notebook(path)
