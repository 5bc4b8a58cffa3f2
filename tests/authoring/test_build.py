"""Build: byte-identical, agreed with nbgrader, undone by import, and strict about sources."""

import json
import logging
import os
import sys
from pathlib import Path

import nbformat
import pytest

from gencourse.authoring.build import build, import_notebook
from gencourse.course import CourseError

from ..conftest import SMALL_UNIT as UNIT


def edit(course, old, new, part="homework"):
    path = course.source(UNIT, part)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def notebook(path):
    return nbformat.read(path, as_version=4)


def test_a_second_build_changes_nothing_and_check_sees_a_difference(small_course):
    made = build(small_course, [UNIT])
    assert len(made) == 5
    assert build(small_course, [UNIT]) == []
    released = small_course.released(UNIT, "homework")
    before = released.read_bytes()
    released.write_bytes(before + b"\n")
    relative = f"notebooks/{UNIT}/{UNIT}_homework.ipynb"
    assert build(small_course, [UNIT], check=True) == [relative]
    assert released.read_bytes() == before + b"\n"
    assert build(small_course, [UNIT]) == [relative]
    assert released.read_bytes() == before


def test_notebooks_are_valid_and_hold_nothing_of_jupytext_and_no_outputs(small_course):
    build(small_course, [UNIT])
    for path in small_course.root.rglob("*.ipynb"):
        text = path.read_text()
        nb = notebook(path)
        nbformat.validate(nb)
        assert "jupytext" not in text and "lines_to_next_cell" not in text
        assert len({c.id for c in nb.cells}) == len(nb.cells)
        assert all(not c.get("outputs") for c in nb.cells)
        assert nb.metadata.kernelspec.name == "python3"
        about = nb.metadata.gencourse
        assert about.unit == UNIT and path.stem.endswith(about.part)
        assert len(about.release) == 12 and int(about.release, 16) >= 0


def test_the_release_keeps_questions_and_clears_answers(small_course):
    build(small_course, [UNIT])
    nb = notebook(small_course.released(UNIT, "homework"))
    cells = {c.id: c for c in nb.cells}
    assert cells["kl-normal"].source.endswith("# YOUR CODE HERE\n    raise NotImplementedError()")
    assert cells["test-kl-normal-values"].source == '# 2 points\ncheck("kl-normal", "values", kl)'
    assert cells["why-kl"].source == "Why is a KL divergence never negative?\n\nYOUR ANSWER HERE"
    assert cells["why-kl"].metadata.nbgrader.points == 4
    assert cells["setup"].metadata.editable is False
    text = small_course.released(UNIT, "homework").read_text()
    for word in (
        "variance_term",
        "BEGIN SOLUTION",
        "HIDDEN",
        "MARK SCHEME",
        "Jensen",
        "hidden=True",
    ):
        assert word not in text


def test_points_come_from_the_declaration(small_course):
    build(small_course, [UNIT])
    cells = notebook(small_course.built(UNIT, "homework")).cells
    graded = [c.metadata.nbgrader for c in cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert sum(g.points for g in graded) == 15
    assert all(g.schema_version == 3 for g in graded)


def test_cells_of_equal_source_have_ids_of_their_own(small_course):
    build(small_course, [UNIT])
    cells = notebook(small_course.released(UNIT, "homework")).cells
    twins = [c.id for c in cells if c.source == 'print("a plain cell")']
    assert twins[1] == f"{twins[0]}-2"


def test_the_stamp_follows_what_students_get(small_course):
    def stamp():
        build(small_course, [UNIT])
        return notebook(small_course.released(UNIT, "homework")).metadata.gencourse.release

    first = stamp()
    edit(small_course, "variance_term", "of_variance")  # inside a solution
    assert stamp() == first
    edit(small_course, "A line of", "Another line of", "walkthrough")
    assert stamp() == first
    edit(small_course, "Why is a KL", "Why is any KL")
    second = stamp()
    assert second != first
    edit(small_course, "size=(2, 5)", "size=(2, 6)", "exercises")
    assert stamp() not in (first, second)


def test_import_undoes_build(small_course):
    build(small_course, [UNIT])
    for part in ("homework", "walkthrough"):
        assert import_notebook(
            small_course, small_course.built(UNIT, part)
        ) == small_course.source(UNIT, part)
    assert build(small_course, [UNIT], check=True) == []
    text = small_course.source(UNIT, "homework").read_text()
    assert "check(" not in text
    assert "<!--" not in text
    assert '# %% [markdown] written="why-kl" points=4' in text


def test_import_brings_an_edit_of_jupyterlab_back(small_course):
    build(small_course, [UNIT])
    path = small_course.built(UNIT, "homework")
    nb = notebook(path)
    nb.cells[2].source = "## 1 A better title"
    nb.cells.insert(
        3, nbformat.v4.new_markdown_cell("A new cell: $a_i$")
    )  # JupyterLab's random id
    nb.cells[1].execution_count = 3
    nb.cells[1].metadata["execution"] = {"iopub.execute_input": "2026"}
    nb.cells[1].outputs = [nbformat.v4.new_output("stream", text="hello")]
    nbformat.write(nb, path)
    import_notebook(small_course, path)
    build(small_course, [UNIT])
    cells = notebook(small_course.released(UNIT, "homework")).cells
    assert [c.source for c in cells[2:4]] == ["## 1 A better title", "A new cell: $a_i$"]
    assert cells[3].id.startswith("c-") and cells[1].id == "setup"
    assert "hello" not in path.read_text()


def test_import_keeps_the_header_of_the_source(small_course):
    build(small_course, [UNIT])
    header = "# ---\n# jupyter:\n#   jupytext:\n#     formats: py:percent\n# ---\n\n"
    path = small_course.source(UNIT, "homework")
    path.write_text(header + path.read_text())
    assert build(small_course, [UNIT], check=True) == []
    import_notebook(small_course, small_course.built(UNIT, "homework"))
    assert path.read_text().startswith(header)
    assert build(small_course, [UNIT], check=True) == []


def test_import_refuses_a_release_and_a_stranger(small_course, tmp_path):
    build(small_course, [UNIT])
    before = small_course.source(UNIT, "homework").read_text()
    with pytest.raises(CourseError, match="student's release"):
        import_notebook(small_course, small_course.released(UNIT, "homework"))
    stranger = tmp_path / "x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), stranger)
    with pytest.raises(CourseError, match="no part"):
        import_notebook(small_course, stranger)
    stranger.write_text("not json")
    with pytest.raises(CourseError, match="cannot be read"):
        import_notebook(small_course, stranger)
    assert small_course.source(UNIT, "homework").read_text() == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "# ## 1 KL",
            "# ## 1 Never write BEGIN SOLUTION here",
            r"homework.py, cell 3 .*words BEGIN SOLUTION",
        ),
        ('exercise="counting"', 'exercise="unknown"', r"cell 5 .*'unknown' is not declared"),
        (
            'exercise="counting"',
            'exercise="kl-normal"',
            "'kl-normal' is not declared, or asked twice",
        ),
        ('# %% exercise="counting"', "# %% ", "words BEGIN SOLUTION"),
        ("def draw(probs, uniforms)", "def sketch(probs, uniforms)", "does not define draw"),
        ("def draw(probs, uniforms)", "def draw(probs, uniforms", "cell 7 .*never closed"),
        ('written="why-kl" points=4', 'written="why-kl"', "whole points="),
        ("# === END MARK SCHEME ===", "#", "holds a BEGIN and END MARK SCHEME"),
        ('written="why-kl"', 'written="setup"', "'setup' is used twice"),
        ('id="setup"', 'id="set up"', "'set up' is used twice or not allowed"),
    ],
)
def test_a_source_that_breaks_the_rules_is_refused_with_its_place(small_course, old, new, words):
    edit(small_course, old, new)
    with pytest.raises(CourseError, match=words):
        build(small_course, [UNIT])


def test_an_exercise_that_no_cell_asks_is_refused(small_course):
    edit(small_course, '"inverse-cdf",', '"inverse-other",', "exercises")
    with pytest.raises(CourseError, match=r"not declared|no cell asks"):
        build(small_course, [UNIT])


def test_a_unit_without_sources_is_refused(small_course):
    with pytest.raises(CourseError, match="has no sources"):
        build(small_course, ["98_nothing"])


def test_nbgrader_itself_makes_the_same_cells(small_course, monkeypatch):
    from nbgrader.apps import NbGrader
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    build(small_course, [UNIT])
    ours = notebook(small_course.released(UNIT, "homework"))
    walkthrough = small_course.released(UNIT, "walkthrough").read_bytes()
    # nbgrader looks for its alembic on the path
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    config = Config()
    config.CourseDirectory.root = str(small_course.root)
    config.CourseDirectory.course_id = "fixture"
    config.CourseDirectory.source_directory = "solutions"
    config.CourseDirectory.release_directory = "notebooks"
    config.CourseDirectory.notebook_id = "*_homework"
    NbGrader.clear_instance()
    api = NbGraderAPI(config=config)
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    result = api.generate_assignment(UNIT, force=True)
    assert result["success"], result
    theirs = notebook(small_course.released(UNIT, "homework"))
    plain = [[c.cell_type, c.id, c.source, json.loads(json.dumps(c.metadata))] for c in ours.cells]
    assert plain == [
        [c.cell_type, c.id, c.source, json.loads(json.dumps(c.metadata))] for c in theirs.cells
    ]
    assert theirs.metadata.gencourse == ours.metadata.gencourse
    assert small_course.released(UNIT, "walkthrough").read_bytes() == walkthrough
    names = {p.name for p in small_course.notebooks.rglob("*") if p.is_file()}
    assert names == {f"{UNIT}_homework.ipynb", f"{UNIT}_walkthrough.ipynb"}
