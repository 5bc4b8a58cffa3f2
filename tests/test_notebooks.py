"""What holds for the notebooks and exercises of every unit whose sources exist."""

import ast
import functools
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest

from gencourse.authoring import catalogue
from gencourse.authoring.build import PARTS, build, has_sources, public_cases_file
from gencourse.authoring.cases import dumps, make_cases
from gencourse.authoring.contract import load_exercises
from gencourse.authoring.percent import SCHEME, SOLUTION, instructor_notebook, read_source
from gencourse.course import UNITS, Course
from gencourse.exercises import adapter, judge
from gencourse.exercises.sheet import check_notebook

COURSE = Course(Path(__file__).parents[1])
BUDGET = {"walkthrough": 150, "homework": 60}  # seconds on 2 cores, with the kernel's start
REFERENCE_BUDGET = 2.0  # seconds for all solution and test cells of a homework, after imports
RESERVED = (
    "BEGIN SOLUTION",
    "END SOLUTION",
    "HIDDEN TESTS",
    "MARK SCHEME",
    "hidden=True",
    "GENCOURSE_HIDDEN",
)
UNITS_HERE = [u for u in UNITS if has_sources(COURSE, u)]
HOMEWORKS = [u for u in UNITS_HERE if COURSE.source(u, "homework").is_file()]
NOTEBOOKS = [(u, p) for u in UNITS_HERE for p in PARTS if COURSE.source(u, p).is_file()]
EXERCISES = [(u, e.id) for u in HOMEWORKS for e in load_exercises(COURSE, u)]
SEEDS = ("public", "development", b"one secret of a test".ljust(32), b"another secret".ljust(32))

each_unit = pytest.mark.parametrize("unit", HOMEWORKS)
each_exercise = pytest.mark.parametrize(("unit", "name"), EXERCISES)
each_notebook = pytest.mark.parametrize(("unit", "part"), NOTEBOOKS)


@functools.cache
def exercises(unit):
    return {e.id: e for e in load_exercises(COURSE, unit)}


@functools.cache
def cases(unit, seed):
    return make_cases(COURSE, unit, seed)


@functools.cache
def own_answers(unit):
    return catalogue.notebook_answers(COURSE, unit)


@pytest.fixture
def development(unit, tmp_path, monkeypatch):
    """Hidden cases of the development seed, where `check(..., hidden=True)` looks for them."""
    path = tmp_path / "hidden.json"
    path.write_text(dumps(cases(unit, "development")))
    monkeypatch.setenv("GENCOURSE_HIDDEN", str(path))


# -- what is committed -----------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS_HERE)
def test_what_is_committed_is_what_the_sources_build(unit):
    assert build(COURSE, [unit], check=True) == [], f"run `gencourse build {unit}`"


def test_an_exercise_has_one_unit():
    names = [name for _, name in EXERCISES]
    assert len(set(names)) == len(names)


# -- nothing leaks ---------------------------------------------------------------------------


def lines_of(text):
    """The lines that are long enough to be recognised, without indentation and comments."""
    stripped = (line.strip().lstrip("# ") for line in text.splitlines())
    return {line for line in stripped if len(line) >= 20}


def secret_lines(unit):
    """Lines of solutions, mark schemes and the exercises file that students must not see."""
    shown, secret = set(), set()
    for cell in read_source(COURSE.source(unit, "homework")).cells:
        for region in (SOLUTION, SCHEME):
            for match in region.finditer(cell.source):
                secret |= lines_of(match.group(0))
        shown |= lines_of(SCHEME.sub("", SOLUTION.sub("", cell.source)))
    path = COURSE.source(unit, "exercises")
    text = path.read_text()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            body = node.body[0]
            secret |= lines_of("\n".join(text.splitlines()[body.lineno - 1 : node.end_lineno]))
    return secret - shown


@pytest.mark.parametrize("unit", UNITS_HERE)
def test_the_release_holds_only_its_notebooks(unit):
    files = {p.name for p in (COURSE.notebooks / unit).rglob("*") if p.is_file()}
    assert files == {f"{unit}_{p}.ipynb" for u, p in NOTEBOOKS if u == unit}


@each_notebook
def test_the_release_holds_no_reserved_words_and_no_outputs(unit, part):
    text = COURSE.released(unit, part).read_text()
    assert [word for word in RESERVED if word in text] == []
    nb = nbformat.reads(text, as_version=4)
    nbformat.validate(nb)
    assert not any(c.get("outputs") or c.get("execution_count") for c in nb.cells)
    assert "jupytext" not in text


@each_unit
def test_the_release_holds_no_line_of_an_answer(unit):
    secret = secret_lines(unit)
    assert len(secret) > 20
    nb = nbformat.read(COURSE.released(unit, "homework"), as_version=4)
    seen = set().union(*(lines_of(c.source) for c in nb.cells))
    assert sorted(seen & secret) == []
    public = public_cases_file(COURSE, unit).read_text()
    assert [line for line in secret if line in public] == []


@each_unit
def test_the_public_cases_are_numbers_of_the_public_seed(unit):
    public = json.loads(public_cases_file(COURSE, unit).read_text())
    assert public["seed"] == "public"
    for seed in SEEDS[1:]:
        for name, entry in cases(unit, seed)["exercises"].items():
            for test, asked in entry["tests"].items():
                shown = [c["call"] for c in public["exercises"][name]["tests"][test]["cases"]]
                drawn = [c["call"] for c in asked["cases"]]
                assert any(call not in shown for call in drawn), (
                    f"{name}, {test}: nothing is hidden"
                )


# -- every exercise against its catalogue ----------------------------------------------------


@each_exercise
def test_right_answers_get_full_marks_and_wrong_ones_none(unit, name):
    exercise = exercises(unit)[name]
    for seed in SEEDS:
        for answer in catalogue.answers(exercise):
            verdicts = catalogue.score(exercise, answer.answer, cases(unit, seed))
            if answer.right:
                failed = {t: v.says for t, v in verdicts.items() if not v.right}
                assert not failed, f"{answer.name} is right, seed {seed!r}"
            else:
                assert not verdicts[answer.test].right, f"{answer.name} passes, seed {seed!r}"
            if answer.says and seed == "public":
                assert verdicts[answer.test].mistake, f"{answer.name} is not recognised"


@each_exercise
def test_the_notebook_s_own_solution_gets_full_marks(unit, name):
    for seed in SEEDS:
        verdicts = catalogue.score(
            exercises(unit)[name], own_answers(unit)[name], cases(unit, seed)
        )
        assert {t: v.says for t, v in verdicts.items() if not v.right} == {}


def in_float32(data):
    """Round every float of an encoded output to single precision."""
    if isinstance(data, dict) and data.get("dtype") == "float64":
        flat = [x if isinstance(x, dict) else float(np.float32(x)) for x in data["array"]]
        return data | {"array": flat}
    if isinstance(data, dict):
        return {k: in_float32(v) for k, v in data.items()}
    if isinstance(data, list):
        return [in_float32(v) for v in data]
    return float(np.float32(data)) if isinstance(data, float) else data


@each_exercise
def test_an_answer_in_single_precision_passes(unit, name):
    exercise = exercises(unit)[name]
    entry = cases(unit, "public")["exercises"][name]
    for test, asked in entry["tests"].items():
        outputs = [
            in_float32(
                adapter.call(
                    exercise.reference, kind=entry["kind"], call=c["call"], wrt=entry["wrt"]
                )
            )
            for c in asked["cases"]
        ]
        verdict = judge.judge_outputs(outputs, asked, exercise=entry, show_values=True)
        assert verdict.right, f"{test}: {verdict.says}"


@each_unit
def test_hidden_diagnoses_show_no_values(unit):
    for exercise in exercises(unit).values():
        for answer in catalogue.answers(exercise):
            verdicts = catalogue.score(
                exercise, answer.answer, cases(unit, "development"), show_values=False
            )
            for verdict in verdicts.values():
                said = verdict.says.replace(verdict.mistake or "", "")
                assert not re.search(r"\d\.\d|entry .* is [^w]|expected [^aN]", said), said


# -- through a kernel ------------------------------------------------------------------------


@functools.cache
def composites(unit):
    return {c.name: c for c in catalogue.composites(COURSE, unit)}


@pytest.mark.kernel
@each_unit
@pytest.mark.parametrize("name", ["right-2", "wrong-1", "wrong-2"])
def test_answers_score_what_they_deserve_in_the_release(unit, name, tmp_path):
    made = composites(unit)[name]
    path = tmp_path / f"{unit}_homework.ipynb"
    nbformat.write(made.notebook, path)
    right = {f"test-{r.exercise}-{r.test}": r.right for r in check_notebook(path).rows}
    public = {}
    for answer in made.chosen.values():
        verdicts = catalogue.score(answer.exercise, answer.answer, cases(unit, "public"))
        public |= {f"test-{answer.exercise.id}-{t}": v.right for t, v in verdicts.items()}
    assert right == public


@pytest.mark.kernel
@each_unit
def test_the_untouched_release_scores_nothing_and_breaks_nothing(unit):
    sheet = check_notebook(COURSE.released(unit, "homework"))
    assert sheet.points == 0
    assert {row.says for row in sheet.rows} == {"not answered yet"}
    assert sheet.notes == []


@pytest.mark.kernel
@each_notebook
@pytest.mark.timeout(400)
def test_an_instructor_s_notebook_runs_within_its_budget(unit, part, tmp_path, monkeypatch):
    if unit in HOMEWORKS:
        hidden = tmp_path / "hidden.json"
        hidden.write_text(dumps(cases(unit, "development")))
        monkeypatch.setenv("GENCOURSE_HIDDEN", str(hidden))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
    command += ["--nbval-lax", "--nbval-kernel-name", "python3", "--nbval-cell-timeout", "120"]
    began = time.monotonic()
    done = subprocess.run(
        [*command, str(COURSE.built(unit, part))], cwd=tmp_path, capture_output=True, text=True
    )
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout[-3000:]
    assert seconds < BUDGET[part], f"{seconds:.0f} s, more than {BUDGET[part]} s"


@each_unit
def test_the_solution_of_a_homework_runs_in_two_seconds_after_imports(unit, development, capsys):
    import torch

    path = COURSE.source(unit, "homework")
    declared = list(exercises(unit).values())
    nb = instructor_notebook(path, unit=unit, part="homework", exercises=declared)
    code = [compile(c.source, c.id, "exec") for c in nb.cells if c.cell_type == "code"]
    namespace = {"__name__": "homework"}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    exec(code[0], namespace)  # the set-up cell
    began = time.process_time()
    for cell in code[1:]:
        exec(cell, namespace)
    seconds = time.process_time() - began
    torch.set_num_threads(threads)
    assert seconds < REFERENCE_BUDGET, f"{seconds:.1f} s"
