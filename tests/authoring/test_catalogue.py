"""The catalogue: sources that stand alone, notebooks that score what they deserve."""

import nbformat
import pytest
import torch

from gencourse.authoring import catalogue
from gencourse.authoring.build import build
from gencourse.authoring.cases import dumps, hidden_cases, make_cases
from gencourse.authoring.contract import load_exercises
from gencourse.course import CourseError
from gencourse.exercises.sheet import check_notebook

from ..conftest import SMALL_UNIT as UNIT

MU = torch.tensor([[1.0, -2.0]], dtype=torch.float64)


def by_id(course):
    return {e.id: e for e in load_exercises(course, UNIT)}


def test_a_source_brings_what_it_needs_and_nothing_else(small_course):
    half = by_id(small_course)["kl-normal"].mistakes[0].answer
    source = catalogue.source_of(half)
    assert "def kl_no_half" in source and "def kl(" in source
    assert "kl_mean" not in source and "import numpy" not in source


def test_a_cell_works_though_a_helper_bears_the_name_of_the_answer(small_course):
    exercise = by_id(small_course)["kl-normal"]
    namespace = {}
    exec(catalogue.as_cell(exercise, exercise.mistakes[0].answer), namespace)
    right = exercise.reference(MU, MU)
    torch.testing.assert_close(namespace["kl"](MU, MU), 2 * right)


def test_classes_and_imports_come_along(small_course):
    exercise = by_id(small_course)["counting"]
    namespace = {}
    exec(catalogue.as_cell(exercise, exercise.right[1]), namespace)  # inherits, uses numpy
    counter = namespace["Counter"](3)
    assert list(counter.update(torch.tensor([0, 2, 2]))) == [1, 0, 2]


def test_what_is_not_at_the_top_of_a_file_is_refused():
    def inner():
        return 0

    with pytest.raises(CourseError, match="not defined at the top level"):
        catalogue.source_of(inner)


def test_every_answer_scores_what_it_should_in_process(small_course):
    files = [make_cases(small_course, UNIT, s) for s in ("public", "development", b"s" * 32)]
    for exercise in load_exercises(small_course, UNIT):
        for answer in catalogue.answers(exercise):
            points = catalogue.deserved(exercise, answer.answer, files)
            if answer.right:
                assert sum(points.values()) == exercise.points, answer.name
            else:
                assert points[answer.test] == 0, answer.name


def test_a_known_mistake_is_called_by_its_words(small_course):
    cases = make_cases(small_course, UNIT, "development")
    for exercise in load_exercises(small_course, UNIT):
        for mistake in exercise.mistakes:
            verdict = catalogue.score(exercise, mistake.answer, cases)[mistake.test]
            assert verdict.mistake == mistake.says


def test_the_notebook_s_own_answers_can_be_had(small_course):
    found = catalogue.notebook_answers(small_course, UNIT)
    files = [make_cases(small_course, UNIT, s) for s in ("public", "development")]
    exercises = by_id(small_course)
    assert set(found) == set(exercises)
    for name, answer in found.items():
        points = catalogue.deserved(exercises[name], answer, files)
        assert sum(points.values()) == exercises[name].points


def test_composites_hold_every_declared_answer(small_course):
    made = catalogue.composites(small_course, UNIT)
    held = {(e, a.name) for c in made for e, a in c.chosen.items()}
    declared = {
        (e.id, a.name) for e in load_exercises(small_course, UNIT) for a in catalogue.answers(e)
    }
    assert held == declared
    assert [c.name for c in made] == [
        "right-1",
        "right-2",
        "right-3",
        "wrong-1",
        "wrong-2",
        "wrong-3",
    ]
    assert all(sum(c.points.values()) == 11 for c in made[:3])


@pytest.mark.kernel
def test_composites_score_what_they_deserve_in_a_kernel(small_course, tmp_path):
    build(small_course, [UNIT])
    for made in catalogue.composites(small_course, UNIT)[2:4]:
        path = tmp_path / f"{made.name}.ipynb"
        nbformat.write(made.notebook, path)
        sheet = check_notebook(path)
        assert sheet.possible == 11
        right = {f"test-{r.exercise}-{r.test}": r.right for r in sheet.rows}
        assert right == {name: points > 0 for name, points in made.points.items()}


@pytest.mark.kernel
def test_nbgrader_counts_a_failed_check_as_a_failure(small_course, tmp_path, monkeypatch):
    """The exception shows its message alone; nbgrader still sees an error in the cell's output."""
    from nbgrader.preprocessors import Execute
    from nbgrader.utils import determine_grade

    build(small_course, [UNIT])
    hidden = tmp_path / "hidden.json"
    hidden.write_text(dumps(hidden_cases(small_course, UNIT, dev_seed=True)))
    monkeypatch.setenv("GENCOURSE_HIDDEN", str(hidden))
    nb = nbformat.read(small_course.built(UNIT, "homework"), as_version=4)
    exercise = by_id(small_course)["kl-normal"]
    cells = {c.id: c for c in nb.cells}
    cells["kl-normal"].source = catalogue.as_cell(exercise, exercise.mistakes[0].answer)
    done, _ = Execute().preprocess(nb, {"metadata": {"path": str(tmp_path)}})
    cells = {c.id: c for c in done.cells}
    output = cells["test-kl-normal-scale"].outputs[0]
    assert output.output_type == "error" and output.ename == "CheckFailed"
    assert output.traceback == [output.evalue]
    assert determine_grade(cells["test-kl-normal-scale"])[0] == 0
    assert determine_grade(cells["test-counting-counts"])[0] == 1
