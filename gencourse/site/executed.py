"""Executed walkthroughs, kept until the notebook, or code that it imports, changes."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from gencourse.course import CourseError
from gencourse.site.imported import PACKAGE, files_behind

SECONDS = 1800  # that one cell may take, on a machine that is busy


class Executed(NamedTuple):
    """A notebook with its outputs.

    Attributes:
        notebook: the notebook.
        seconds: how long it ran, by the clock.
        fresh: whether it ran just now.
    """

    notebook: NotebookNode
    seconds: float
    fresh: bool


def executed(source: Path, cache: Path) -> Executed:
    """Return the outputs of a notebook, from the cache if nothing that it depends on changed.

    Args:
        source: a notebook without outputs.
        cache: folder of executed notebooks; one file for each notebook.

    Raises:
        CourseError: there is no such notebook, or a cell fails; it names the cell.
    """
    if not source.is_file():
        raise CourseError(f"there is no {source}; gencourse build makes it")
    notebook = nbformat.read(source, as_version=4)
    digest, kept = _digest(notebook), cache / source.name
    if kept.is_file():
        try:
            old = nbformat.read(kept, as_version=4)
            if old.metadata["executed"]["of"] == digest:
                return Executed(old, old.metadata["executed"]["seconds"], False)
        except (OSError, ValueError, KeyError, AttributeError):
            pass  # half written or of another version: run it again
    started = time.monotonic()
    _execute(notebook, source)
    seconds = round(time.monotonic() - started, 1)
    notebook.metadata["executed"] = {"of": digest, "seconds": seconds}
    cache.mkdir(parents=True, exist_ok=True)
    part = kept.with_suffix(".part")
    nbformat.write(notebook, part)
    part.replace(kept)
    return Executed(notebook, seconds, True)


def _execute(notebook: NotebookNode, source: Path) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    # widgets keep their picture only: their live state is of no use on a page, and is large
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", record_timing=False)
    client.store_widget_state = False
    try:
        client.execute(cwd=str(source.parent))
    except CellExecutionError as error:
        name = f"{error.ename}: {error.evalue}".strip()
        raise CourseError(f"{source.name} fails at a cell with {name}") from error


def _digest(notebook: NotebookNode) -> str:
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    described = hashlib.sha256()
    for cell in notebook.cells:
        described.update(json.dumps([cell.cell_type, cell.source, cell.metadata]).encode())
    for path in files_behind(code):
        described.update(str(path.relative_to(PACKAGE)).encode() + path.read_bytes())
    versions = [platform.python_version(), *(version(p) for p in ("torch", "matplotlib"))]
    described.update(json.dumps(versions).encode())
    return described.hexdigest()[:20]
