"""The catalogue of answers by which exercises, graders and the demonstration are tested.

Every declared answer can be scored here in-process, or written into the release as a student would
hand it in.
"""

from __future__ import annotations

import ast
import copy
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from gencourse.authoring.build import student_release
from gencourse.authoring.cases import hidden_cases, make_cases
from gencourse.authoring.contract import Exercise, grade_id, load_exercises
from gencourse.authoring.percent import instructor_notebook
from gencourse.authoring.variants import variant_source
from gencourse.course import Course, CourseError
from gencourse.exercises import adapter, judge


@dataclass(frozen=True)
class Answer:
    """One declared answer: right, or wrong and meant for one test, perhaps with its words."""

    exercise: Exercise
    answer: Callable
    right: bool
    test: str | None = None
    says: str | None = None

    @property
    def name(self) -> str:
        """The name in the exercises file."""
        return self.answer.__name__


def answers(exercise: Exercise) -> Iterator[Answer]:
    """Yield the declared answers: the reference, the right ones, the mistakes, the wrong ones."""
    for right in (exercise.reference, *exercise.right):
        yield Answer(exercise, right, True)
    for m in exercise.mistakes:
        yield Answer(exercise, m.answer, False, m.test, m.says)
    for w in exercise.wrong:
        yield Answer(exercise, w.answer, False, w.test)


def score(
    exercise: Exercise, answer: Callable, cases: Mapping[str, Any], *, show_values: bool = True
) -> dict[str, judge.Verdict]:
    """Return the verdict on each test of an exercise, judged in this process.

    Args:
        exercise: the exercise.
        answer: any answer to it.
        cases: a case file.
        show_values: whether the diagnosis may hold values.
    """
    entry = cases["exercises"][exercise.id]
    verdicts = {}
    for name, test in entry["tests"].items():
        outputs = []
        try:
            for case in test["cases"]:
                outputs.append(
                    adapter.call(answer, kind=entry["kind"], call=case["call"], wrt=entry["wrt"])
                )
        except Exception as error:
            words = judge.in_words(
                type(error).__name__, adapter.message_of(error), show_values=show_values
            )
            verdicts[name] = judge.Verdict(False, words)
            continue
        verdicts[name] = judge.judge_outputs(
            outputs, test, exercise=entry, show_values=show_values
        )
    return verdicts


def deserved(
    exercise: Exercise, answer: Callable, case_files: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    """Return the points deserved on each test: all of them where every case is right."""
    results = [score(exercise, answer, cases) for cases in case_files]
    return {
        t.name: t.points if all(r[t.name].right for r in results) else 0 for t in exercise.tests
    }


def source_of(obj: Callable) -> str:
    """Return the source of a top-level function or class with all of its file that it needs.

    That is every top-level function, class, constant and import that it reaches, in the order of
    the file, and at the end the object itself where `variant` made it.

    Raises:
        CourseError: `obj` is not defined at the top level of a file.
    """
    module = sys.modules.get(obj.__module__)
    path = getattr(module, "__file__", None) or getattr(
        getattr(module, "__spec__", None), "origin", None
    )
    if path is None:
        raise CourseError(f"{obj!r} comes from no file")
    text = Path(path).read_text(encoding="utf-8")
    defined = _definitions(text)
    edited = variant_source(obj)
    if edited is None and obj.__name__ not in defined:
        raise CourseError(f"{obj.__name__} is not defined at the top level of {path}")
    needed: set[ast.stmt] = set()
    waiting = [obj.__name__] if edited is None else _names(ast.parse(edited))
    while waiting:
        for node in defined.get(waiting.pop(), ()):
            if node not in needed:
                needed.add(node)
                waiting += _names(node)
    lines = text.splitlines()
    parts = [
        "\n".join(lines[_first_line(node) - 1 : node.end_lineno])
        for node in sorted(needed, key=_first_line)
    ]
    return "\n\n".join(parts if edited is None else [*parts, edited])


def _names(tree: ast.AST) -> list[str]:
    return [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)]


def _first_line(node: ast.stmt) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])


@functools.lru_cache(maxsize=16)
def _definitions(text: str) -> dict[str, list[ast.stmt]]:
    defined: dict[str, list[ast.stmt]] = {}
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.asname or a.name.split(".")[0] for a in node.names]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        else:
            names = []
        for name in names:
            defined.setdefault(name, []).append(node)
    return defined


def as_cell(exercise: Exercise, answer: Callable) -> str:
    """Return the source of a solution cell that gives `answer`.

    The answer's own helpers live inside a function, because one of them may bear the name that the
    student defines.
    """
    body = ast.parse(source_of(answer)).body
    body = [n for n in body if not (isinstance(n, ast.ImportFrom) and n.module == "__future__")]
    make = ast.parse("def make(): pass").body[0]
    make.body = [*body, ast.Return(ast.Name(answer.__name__, ast.Load()))]
    module = ast.Module([make], type_ignores=[])
    return f"{ast.unparse(ast.fix_missing_locations(module))}\n\n\n{exercise.answer} = make()"


def composite(release: NotebookNode, cells: Mapping[str, str]) -> NotebookNode:
    """Return a copy of the release with the solution cells of some exercises filled in.

    Args:
        release: a student's notebook.
        cells: exercise id to the source of its solution cell.
    """
    notebook = copy.deepcopy(release)
    by_id = {c.metadata.get("nbgrader", {}).get("grade_id"): c for c in notebook.cells}
    for exercise, source in cells.items():
        by_id[exercise].source = source
    return notebook


@dataclass
class Composite:
    """A notebook as a student would hand it in.

    Args:
        name: such as `right-1` or `wrong-2`.
        notebook: the release, filled in.
        chosen: exercise id to the answer in it.
        files: the case files on which its points are computed.
    """

    name: str
    notebook: NotebookNode
    chosen: dict[str, Answer]
    files: Sequence[Mapping[str, Any]]

    @functools.cached_property
    def points(self) -> dict[str, int]:
        """Id of each test cell to the points that it deserves."""
        points = {}
        for answer in self.chosen.values():
            exercise = answer.exercise
            if answer.right:
                scores = {t.name: t.points for t in exercise.tests}
            else:
                scores = deserved(exercise, answer.answer, self.files)
            points |= {grade_id(exercise.id, test): n for test, n in scores.items()}
        return points


def composites(
    course: Course, unit: str, *, hidden: Mapping[str, Any] | None = None
) -> list[Composite]:
    """Return a few notebooks that together hold every declared answer of a unit.

    Args:
        course: the course folder.
        unit: the unit.
        hidden: the hidden cases on which the points are computed, default those of the
            development seed.
    """
    exercises = load_exercises(course, unit)
    path = course.source(unit, "homework")
    release = student_release(
        instructor_notebook(path, unit=unit, part="homework", exercises=exercises)
    )
    files = [
        make_cases(course, unit, "public"),
        hidden or hidden_cases(course, unit, dev_seed=True),
    ]
    listed = {e.id: list(answers(e)) for e in exercises}
    made = []
    for kind, right in (("right", True), ("wrong", False)):
        columns = {k: [a for a in v if a.right == right] for k, v in listed.items()}
        for i in range(max(map(len, columns.values()))):
            chosen = {k: (v[i] if i < len(v) else listed[k][0]) for k, v in columns.items()}
            cells = {k: as_cell(a.exercise, a.answer) for k, a in chosen.items()}
            made.append(Composite(f"{kind}-{i + 1}", composite(release, cells), chosen, files))
    return made


def notebook_answers(course: Course, unit: str) -> dict[str, Any]:
    """Return what the homework's own solution cells define: exercise id to function or class.

    All code cells but the tests run in one fresh namespace of this process.

    Raises:
        CourseError: a cell raises.
    """
    exercises = load_exercises(course, unit)
    path = course.source(unit, "homework")
    notebook = instructor_notebook(path, unit=unit, part="homework", exercises=exercises)
    namespace: dict[str, Any] = {"__name__": "homework"}
    found = {}
    by_id = {e.id: e for e in exercises}
    for cell in notebook.cells:
        if cell.cell_type != "code" or cell.metadata["nbgrader"]["grade"]:
            continue
        try:
            exec(compile(cell.source, f"{path.name}:{cell.id}", "exec"), namespace)
        except Exception as error:
            raise CourseError(
                f"{path.name}, cell {cell.id}: {type(error).__name__}: {error}"
            ) from error
        if cell.id in by_id:
            found[cell.id] = namespace[by_id[cell.id].answer]
    return found
