"""Between the text source of a notebook (jupytext's percent format) and the instructor's notebook.

The source is the only file edited by hand. Going to a notebook adds what nbgrader wants and the
test cells of each exercise; coming back drops both, so that a round trip changes nothing.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from gencourse.authoring.contract import MAX_CELL_ID, Exercise, Test, grade_id
from gencourse.course import CourseError

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
OURS = ("exercise", "written", "points", "id")
TRANSIENT = (
    "nbgrader deletable editable lines_to_next_cell collapsed scrolled trusted execution".split()
)
RESERVED = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")
SOLUTION = re.compile(r"BEGIN SOLUTION.*?END SOLUTION", re.DOTALL)
SCHEME = re.compile(r"=== BEGIN MARK SCHEME ===.*?=== END MARK SCHEME ===", re.DOTALL)
WRAP = ("<!-- BEGIN SOLUTION -->\n", "\n<!-- END SOLUTION -->")
MADE_ID = re.compile(r"c-[0-9a-f]{12}(-\d+)?|[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?")


def read_source(path: Path) -> NotebookNode:
    """Return the notebook that a percent file stands for, its cell metadata as written there.

    Raises:
        CourseError: there is no such file.
    """
    import jupytext

    if not path.is_file():
        raise CourseError(f"there is no source {path}")
    return jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")


def instructor_notebook(
    path: Path, *, unit: str, part: str, exercises: Sequence[Exercise] = ()
) -> NotebookNode:
    """Return the instructor's notebook of a source: solutions, hidden tests, nbgrader's metadata.

    Args:
        path: the percent file.
        unit: the unit it belongs to.
        part: "walkthrough" or "homework".
        exercises: what a homework asks.

    Raises:
        CourseError: a cell breaks the rules of a homework; the message names the file and the
        cell.
    """
    declared = {e.id: e for e in exercises}
    cells: list[NotebookNode] = []
    for number, cell in enumerate(read_source(path).cells, start=1):
        first = cell.source.strip().split("\n")[0][:40]
        where = f"{path.name}, cell {number} ({first!r})"
        metadata = {k: v for k, v in cell.metadata.items() if k not in (*OURS, *TRANSIENT)}
        asked = {k: cell.metadata[k] for k in OURS if k in cell.metadata}
        made = new_code_cell(cell.source) if cell.cell_type == "code" else _text(cell)
        made.metadata = NotebookNode(metadata)
        made.id = ""
        cells.append(made)
        if "exercise" in asked:
            exercise = declared.pop(asked["exercise"], None)
            if exercise is None:
                raise CourseError(
                    f"{where}: {asked['exercise']!r} is not declared, or asked twice"
                )
            _solution_cell(made, exercise, where)
            cells += [_test_cell(exercise, test) for test in exercise.tests]
        elif "written" in asked:
            _written_cell(made, asked, where)
        else:
            if RESERVED.search(made.source):
                words = RESERVED.search(made.source).group(0)
                raise CourseError(
                    f"{where}: the words {words} belong in a cell of an exercise only"
                )
            made.id = asked.get("id", "")
            if part == "homework" and made.cell_type == "code":
                made.metadata["nbgrader"] = _nbgrader("", locked=True)
    if declared:
        raise CourseError(f"{path.name}: no cell asks for {', '.join(declared)}")
    _name_cells(cells, path.name)
    notebook = new_notebook(cells=cells)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = NotebookNode(
        kernelspec=NotebookNode(KERNEL),
        language_info=NotebookNode(name="python"),
        gencourse=NotebookNode(unit=unit, part=part),
    )
    return notebook


def source_text(notebook: NotebookNode, *, header: str = "") -> str:
    """Return the percent text of an instructor's notebook, without what was added to it.

    Raises:
        CourseError: it is a student's release, whose solutions are gone.
    """
    import jupytext

    cells = []
    for cell in notebook.cells:
        grading = cell.metadata.get("nbgrader", {})
        if grading.get("grade") and not grading.get("solution"):
            continue
        cells.append(_plain_cell(cell, grading))
    plain = new_notebook(cells=cells)
    plain.metadata["jupytext"] = {
        "notebook_metadata_filter": "-all",
        "cell_metadata_filter": "all",
    }
    return header + jupytext.writes(plain, fmt={"extension": ".py", "format_name": "percent"})


def _plain_cell(cell: NotebookNode, grading: Mapping[str, Any]) -> NotebookNode:
    source, metadata = cell.source, {}
    if grading.get("solution"):
        name = grading["grade_id"]
        if not SOLUTION.search(source):
            raise CourseError(f"cell {name} holds no solution: is this the student's release?")
        if cell.cell_type == "code":
            metadata["exercise"] = name
        else:
            metadata |= {"written": name, "points": grading["points"]}
            source = _unwrapped(source)
    elif not MADE_ID.fullmatch(cell.get("id", "")):
        metadata["id"] = cell.id
    kept = {k: v for k, v in cell.metadata.items() if k not in TRANSIENT}
    made = new_code_cell(source) if cell.cell_type == "code" else _text(cell)
    made.source, made.metadata = source, NotebookNode({**metadata, **kept})
    return made


def _text(cell: NotebookNode) -> NotebookNode:
    make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
    return make(cell.source)


def _nbgrader(name: str, **flags: Any) -> NotebookNode:
    base = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    return NotebookNode(base | {"grade_id": name} | flags)


def _solution_cell(cell: NotebookNode, exercise: Exercise, where: str) -> None:
    if cell.cell_type != "code" or not SOLUTION.search(cell.source):
        raise CourseError(f"{where}: a solution cell holds code with a BEGIN and END SOLUTION")
    try:
        names = {getattr(node, "name", "") for node in ast.parse(cell.source).body}
    except SyntaxError as error:
        raise CourseError(f"{where}: {error}") from None
    if exercise.answer not in names:
        raise CourseError(f"{where}: does not define {exercise.answer}")
    cell.id = exercise.id
    cell.metadata["nbgrader"] = _nbgrader(exercise.id, solution=True)


def _test_cell(exercise: Exercise, test: Test) -> NotebookNode:
    call = f'check("{exercise.id}", "{test.name}", {exercise.answer}'
    source = (
        f"# {test.points} point{'s' if test.points > 1 else ''}\n{call})\n"
        f"### BEGIN HIDDEN TESTS\n{call}, hidden=True)\n### END HIDDEN TESTS"
    )
    name = grade_id(exercise.id, test.name)
    cell = new_code_cell(source, id=name)
    cell.metadata["nbgrader"] = _nbgrader(name, grade=True, locked=True, points=test.points)
    return cell


def _written_cell(cell: NotebookNode, asked: Mapping[str, Any], where: str) -> None:
    """Make a hand-graded cell; what nbgrader clears is the mark scheme, the question stays."""
    points, name = asked.get("points"), asked["written"]
    if cell.cell_type != "markdown" or not isinstance(points, int) or points < 1:
        raise CourseError(f"{where}: a written answer is markdown with whole points=")
    if not SCHEME.search(cell.source):
        raise CourseError(f"{where}: a written answer holds a BEGIN and END MARK SCHEME")
    if not SOLUTION.search(cell.source):
        cell.source = SCHEME.sub(lambda m: m.group(0).join(WRAP), cell.source)
    elif SCHEME.search(SOLUTION.sub("", cell.source)):
        raise CourseError(f"{where}: put the mark scheme between BEGIN and END SOLUTION")
    cell.id = name
    cell.metadata["nbgrader"] = _nbgrader(name, grade=True, solution=True, points=points)


def _unwrapped(source: str) -> str:
    wrapped = re.compile(
        re.escape(WRAP[0]) + f"({SCHEME.pattern})" + re.escape(WRAP[1]), re.DOTALL
    )
    return wrapped.sub(lambda m: m.group(1), source)


def _name_cells(cells: Sequence[NotebookNode], file: str) -> None:
    """Give each cell its own id: the one declared, or one made from its source."""
    taken = [c.id for c in cells if c.id]
    for name in taken:
        if taken.count(name) > 1 or not re.fullmatch(r"[a-zA-Z0-9_-]+", name):
            raise CourseError(f"{file}: the cell id {name!r} is used twice or not allowed")
        if len(name) > MAX_CELL_ID or MADE_ID.fullmatch(name):
            raise CourseError(f"{file}: the cell id {name!r} is too long or looks generated")
    seen: dict[str, int] = {}
    for cell in cells:
        if not cell.id:
            digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
            seen[digest] = seen.get(digest, 0) + 1
            cell.id = f"c-{digest}" + (f"-{seen[digest]}" if seen[digest] > 1 else "")
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"]["grade_id"] = cell.id
