"""A damaged submission is rebuilt on the release; what cannot be mended says why."""

import copy
import json

import pytest

from gencourse.grading.rebuild import NotGradable, grade_id, is_test, parse, rebuild, source

ANSWERS = ["kl-normal", "counting", "log-normaliser", "inverse-cdf", "logistic"]


@pytest.fixture
def release(package):
    return copy.deepcopy(package.releases[package.current].notebook)


@pytest.fixture
def handed_in(solved):
    return json.loads(json.dumps(solved))


def find(notebook, name):
    return next(c for c in notebook["cells"] if grade_id(c) == name)


def texts(rebuilt):
    return {grade_id(c): source(c) for c in rebuilt.cells if grade_id(c)}


def test_an_untouched_submission_needs_no_mending(release, handed_in):
    built = rebuild(handed_in, release)
    assert built.notes == []
    assert built.answered == set(ANSWERS)
    assert texts(built) == {grade_id(c): source(c) for c in handed_in["cells"] if grade_id(c)}
    assert rebuild(release, release).answered == set()


def test_edited_tests_points_and_locked_cells_come_from_the_release(release, handed_in):
    test = find(handed_in, "test-kl-normal-values")
    test["source"] = "pass"
    test["metadata"]["nbgrader"].update(points=100, grade=False, solution=True)
    find(handed_in, "setup")["source"] = "import os"
    built = rebuild(handed_in, release)
    cell = next(c for c in built.cells if grade_id(c) == "test-kl-normal-values")
    pristine = find(release, "test-kl-normal-values")
    assert cell == pristine | {"source": source(pristine)} and is_test(cell)
    assert "setup: a locked cell had been edited, restored" in built.notes
    assert texts(built)["setup"] == source(find(release, "setup"))


def test_deleted_moved_duplicated_and_retyped_cells(release, handed_in):
    cells = handed_in["cells"]
    cells.remove(find(handed_in, "test-counting-counts"))
    cells.remove(find(handed_in, "inverse-cdf"))
    cells.insert(0, cells.pop(cells.index(find(handed_in, "logistic"))))
    again = copy.deepcopy(find(handed_in, "kl-normal"))
    again["source"] = "def kl(mu, logvar): return 1"
    cells.append(again)
    find(handed_in, "counting")["cell_type"] = "markdown"
    built = rebuild(handed_in, release)
    order = [grade_id(c) for c in built.cells if grade_id(c)]
    assert order == [grade_id(c) for c in release["cells"] if grade_id(c)]
    assert texts(built)["kl-normal"] == again["source"]
    assert texts(built)["inverse-cdf"] == source(find(release, "inverse-cdf"))
    assert next(c for c in built.cells if grade_id(c) == "counting")["cell_type"] == "code"
    said = "; ".join(built.notes)
    for words in ("inverse-cdf: missing", "kl-normal: there were two", "counting: its type"):
        assert words in said


def test_cells_without_nbgraders_metadata_are_recognised_by_their_id(release, handed_in):
    for cell in handed_in["cells"]:
        cell["metadata"] = {"colab": {}}
    built = rebuild(handed_in, release)
    assert built.answered == set(ANSWERS)


def test_own_cells_stay_in_place_without_metadata_or_outputs(release, handed_in):
    place = handed_in["cells"].index(find(handed_in, "counting")) + 1
    own = {
        "cell_type": "code",
        "source": ["x = 1\n", "y = 2"],
        "metadata": {"nbgrader": {"grade": True, "points": 99, "grade_id": "mine"}},
        "outputs": [{"output_type": "display_data", "data": {"text/html": "<script>"}}],
    }
    handed_in["cells"].insert(place, own)
    built = rebuild(handed_in, release)
    at = [grade_id(c) for c in built.cells].index("counting") + 1
    assert built.cells[at]["source"] == "x = 1\ny = 2"
    assert built.cells[at]["metadata"] == {} and built.cells[at]["outputs"] == []


@pytest.mark.parametrize("cell", [{}, {"cell_type": 3}, {"metadata": [], "source": 4, "id": []}])
def test_strange_cells_do_no_harm(release, handed_in, cell):
    handed_in["cells"].insert(0, cell)
    assert rebuild(handed_in, release).answered == set(ANSWERS)


def test_a_notebook_without_any_known_cell_is_not_gradable(release):
    with pytest.raises(NotGradable, match="no cell"):
        rebuild({"cells": [{"cell_type": "code", "source": "1", "metadata": {}}]}, release)


def test_a_huge_notebook_is_not_gradable():
    with pytest.raises(NotGradable, match="3000 cells"):
        parse(json.dumps({"cells": [{}] * 3000}).encode())
