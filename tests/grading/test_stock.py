"""Stock `nbgrader autograde`, its kernel in the sandbox, on the same folders."""

import os
import shutil
import subprocess
import sys

import pytest
from nbgrader.api import Gradebook

from gencourse.authoring.build import build, public_cases_file
from gencourse.authoring.cases import dumps, hidden_cases
from gencourse.grading import sandbox
from gencourse.grading.gradebook import Book

from ..conftest import SMALL_UNIT
from .conftest import needs_sandbox


@needs_sandbox
@pytest.mark.kernel
def test_nbgrader_autograde_runs_its_kernel_in_the_sandbox(small_course, solved, tmp_path):
    import nbformat

    build(small_course, [SMALL_UNIT])
    folder = small_course.submitted / "ada" / SMALL_UNIT
    folder.mkdir(parents=True)
    spy = "import os; assert not os.path.exists('/etc/passwd') and os.getcwd() == '/tmp'"
    notebook = solved.copy()
    notebook.cells = [*solved.cells]
    notebook.cells.insert(2, nbformat.v4.new_code_cell(f"{spy}\nimport torch"))
    broken = next(c for c in notebook.cells if c.get("id") == "counting").copy()
    broken.source = "Counter = None"
    notebook.cells = [broken if c.get("id") == "counting" else c for c in notebook.cells]
    nbformat.write(notebook, folder / f"{SMALL_UNIT}_homework.ipynb")
    hidden = tmp_path / "hidden.json"
    hidden.write_text(dumps(hidden_cases(small_course, SMALL_UNIT, dev_seed=True)))
    with (small_course.root / "nbgrader_config.py").open("a") as config:
        config.write("\nfrom gencourse.grading.stock import sandboxed\nsandboxed(c)\n")
        config.write("c.Execute.timeout = 60\nc.OverwriteCells.add_missing_cells = True\n")
    environment = os.environ | {
        "PYTHONPATH": str(sandbox.PACKAGE.parent),
        "GENCOURSE_HIDDEN": str(hidden),
        "GENCOURSE_CASES": str(public_cases_file(small_course, SMALL_UNIT).parent),
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"],
    }
    with Book(small_course, SMALL_UNIT) as book:
        book.prepare(small_course.built(SMALL_UNIT, "homework"))
    nbgrader = shutil.which("nbgrader", path=environment["PATH"])
    done = subprocess.run(
        [nbgrader, "autograde", SMALL_UNIT, "--create"],
        cwd=small_course.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with Gradebook(f"sqlite:///{small_course.gradebook}", "fixture") as book:
        grades = book.find_submission_notebook(f"{SMALL_UNIT}_homework", SMALL_UNIT, "ada").grades
        scores = {g.name: g.auto_score for g in grades}
    wrong = {"test-counting-counts", "test-counting-smoothing"}
    for name, score in scores.items():
        if name.startswith("test-"):
            assert (score == 0) == (name in wrong), (name, score)
