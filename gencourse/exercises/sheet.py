"""`gencourse check`: runs a homework in a fresh kernel and says what its visible tests say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from gencourse.course import CourseError
from gencourse.exercises import store

TIMED_OUT, NOT_RUN = "not finished", "not run"
MAX_TIMEOUTS = 3


@dataclass(frozen=True)
class Row:
    """One test: its points, whether the answer is right, and the diagnosis where it is not."""

    exercise: str
    test: str
    points: int
    right: bool
    says: str


@dataclass(frozen=True)
class ScoreSheet:
    """The visible tests of a notebook, one row each, and what went wrong in other cells."""

    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    @property
    def points(self) -> int:
        """Points of the tests that the answers pass."""
        return sum(row.points for row in self.rows if row.right)

    @property
    def possible(self) -> int:
        """Points of all tests."""
        return sum(row.points for row in self.rows)


def check_notebook(path: Path | str, *, timeout: float = 30.0) -> ScoreSheet:
    """Run every cell of a homework in a fresh kernel and return its score sheet.

    A cell that fails, hangs or kills the kernel costs what depends on it; there is a sheet in any
    case.

    Args:
        path: the notebook.
        timeout: seconds for a cell.

    Raises:
        CourseError: the file cannot be read as a notebook, or is no homework of the course.
    """
    path = Path(path)
    notebook = read_homework(path)
    cases = store.public(notebook.metadata["gencourse"]["unit"])
    said = asyncio.run(_run(notebook, path.resolve().parent, timeout))
    rows, notes = [], []
    for exercise, test, points in _tests(cases):
        says = said.pop(f"test-{exercise}-{test}", "this test cell is missing from the notebook")
        rows.append(
            Row(exercise, test, points, not says, says.removeprefix(f"{exercise} / {test}: "))
        )
    own = {k: says for k, says in said.items() if says and not says.startswith(NOT_RUN)}
    notes += [f"cell {name}: {says}" for name, says in own.items()]
    return ScoreSheet(rows, notes)


def read_homework(path: Path) -> Any:
    """Return the notebook of a homework, of format 4.

    Raises:
        CourseError: the file cannot be read as a notebook, or is no homework of the course.
    """
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        store.public(notebook.metadata["gencourse"]["unit"])
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, store.CasesNotFound):
        raise CourseError(f"{path} is not a homework of this version of gencourse") from None
    except Exception as error:
        first = (str(error) or type(error).__name__).split("\n")[0][:200]
        raise CourseError(f"{path} cannot be read as a notebook: {first}") from None
    return notebook


def _tests(cases: dict) -> Iterator[tuple[str, str, int]]:
    for exercise, entry in cases["exercises"].items():
        for test, asked in entry["tests"].items():
            yield exercise, test, asked["points"]


async def _run(notebook: Any, folder: Path, timeout: float) -> dict[str, str]:
    """Return for each code cell, by its id, the words of its error; empty where it has none."""
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=timeout,
        allow_errors=True,
        extra_arguments=["--IPKernelApp.log_level=40"],
        interrupt_on_timeout=True,
        error_on_timeout={"ename": "TimeoutError", "evalue": "", "traceback": []},
        resources={"metadata": {"path": str(folder)}},
    )
    client.log.disabled = True
    said: dict[str, str] = {}
    stopped, timeouts = "", 0
    async with client.async_setup_kernel():
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            name = cell.metadata.get("nbgrader", {}).get("grade_id") or cell.get("id", str(index))
            cell.outputs = []
            if stopped:
                said[name] = f"{NOT_RUN}: {stopped}"
                continue
            began = monotonic()
            try:
                await client.async_execute_cell(cell, index)
            except DeadKernelError:
                said[name] = stopped = "the kernel died"
                continue
            if monotonic() - began >= timeout:
                said[name] = f"{TIMED_OUT} after {timeout:g} s"
                timeouts += 1
                stopped = "too many cells did not finish" if timeouts >= MAX_TIMEOUTS else ""
            else:
                said[name] = _error(cell)
    return said


def _error(cell: Any) -> str:
    for output in cell.outputs:
        if output.output_type == "error":
            if output.ename == "CheckFailed":
                return output.evalue
            if output.ename == "NotImplementedError":
                return "not answered yet"
            return f"{output.ename}: {output.evalue}"[:500]
    return ""
