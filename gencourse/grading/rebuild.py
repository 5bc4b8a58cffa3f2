"""Rebuilds a submission on the pristine release.

Only the text of its answer cells is the student's.
Locked cells, tests, points, cell types and metadata come from the release, whatever was done to
them. Cells are recognised by nbgrader's `grade_id`, else by the cell id. The student's own extra
cells stay where they stood.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Any

MAX_CELLS = 2000
GRADE_ID = re.compile(r"[A-Za-z0-9_-]{1,120}")


class NotGradable(Exception):
    """A submission of which nothing can be graded; the message is for the student."""


@dataclass
class Rebuilt:
    """A notebook that can be run.

    Args:
        cells: cells in the notebook format, each answer with the student's text.
        notes: what was mended.
        answered: ids of the answer cells whose text differs from the release.
    """

    cells: list[dict]
    notes: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)


def parse(data: bytes) -> dict:
    """Return the notebook in `data` as plain JSON values.

    Raises:
        NotGradable: it is no notebook of format 4.
    """
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotGradable(f"the file is not readable as a notebook ({_why(error)})") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(c, dict) for c in cells):
        raise NotGradable("the file is JSON, but not a notebook: it has no list of cells")
    if len(cells) > MAX_CELLS:
        raise NotGradable(f"the notebook has {len(cells)} cells; expected at most {MAX_CELLS}")
    return notebook


def stamp_of(notebook: dict) -> str | None:
    """Return the stamp of the release that a notebook comes from, or None when it holds none."""
    metadata = notebook.get("metadata")
    ours = metadata.get("gencourse") if isinstance(metadata, dict) else None
    stamp = ours.get("release") if isinstance(ours, dict) else None
    return stamp if isinstance(stamp, str) else None


def rebuild(submitted: dict, release: dict) -> Rebuilt:
    """Return the release with the answers of `submitted` in it.

    Raises:
        NotGradable: no cell of the release is recognised.
    """
    own = {grade_id(c): c for c in release["cells"] if grade_id(c)}
    by_cell_id = {c["id"]: grade_id(c) for c in release["cells"] if grade_id(c) and c.get("id")}
    plain = {(c["cell_type"], source(c).strip()) for c in release["cells"] if not grade_id(c)}
    built = Rebuilt([])
    seen: dict[str, dict] = {}
    extra: dict[str | None, list[dict]] = {}
    anchor = None
    for cell in submitted["cells"]:
        name = grade_id(cell)
        if name not in own and (by_id := by_cell_id.get(_hashable(cell.get("id")))):
            built.notes.append(
                f"{by_id}: its metadata was missing or changed, recognised by the cell id"
            )
            name = by_id
        if name in own:
            if name in seen:
                built.notes.append(f"{name}: there were two such cells, the last is used")
            seen[name] = cell
            anchor = name
        elif source(cell).strip() and (cell.get("cell_type"), source(cell).strip()) not in plain:
            extra.setdefault(anchor, []).append(cell)
    if not any(name in seen for name, cell in own.items() if is_answer(cell)):
        raise NotGradable("no cell of this homework is recognised in the notebook")
    built.cells += _own_cells(extra.get(None, []))
    for cell in release["cells"]:
        name = grade_id(cell)
        cell = copy.deepcopy(cell) | {"source": source(cell)}
        if name in own:
            _fill(cell, name, seen.get(name), built)
        built.cells.append(cell)
        built.cells += _own_cells(extra.get(name, [])) if name else []
    return built


def grade_id(cell: dict) -> str | None:
    """Return a cell's id in nbgrader's metadata, or None."""
    metadata = cell.get("metadata")
    ours = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = ours.get("grade_id") if isinstance(ours, dict) else None
    return name if isinstance(name, str) and GRADE_ID.fullmatch(name) else None


def source(cell: dict) -> str:
    """Return a cell's text, which the format stores as a string or as a list of lines."""
    text = cell.get("source")
    if isinstance(text, list):
        text = "".join(t for t in text if isinstance(t, str))
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def is_answer(cell: dict) -> bool:
    """Tell whether a cell of the release is for the student to fill in."""
    return bool(cell["metadata"].get("nbgrader", {}).get("solution"))


def is_locked(cell: dict) -> bool:
    """Tell whether a cell's text is the release's own."""
    ours = cell["metadata"].get("nbgrader", {})
    return bool(ours.get("locked")) and not ours.get("solution")


def is_test(cell: dict) -> bool:
    """Tell whether a cell of the release is a test, graded without a person."""
    ours = cell["metadata"].get("nbgrader", {})
    return bool(ours.get("grade")) and not ours.get("solution") and cell["cell_type"] == "code"


def is_written(cell: dict) -> bool:
    """Tell whether a cell of the release is an answer that a person grades."""
    ours = cell["metadata"].get("nbgrader", {})
    return bool(ours.get("grade")) and bool(ours.get("solution"))


def _fill(cell: dict, name: str, handed_in: dict | None, built: Rebuilt) -> None:
    """Put the student's text into a copy of a released cell; say what else had changed."""
    released = cell["source"]
    if handed_in is None:
        built.notes.append(f"{name}: missing, restored as released")
        return
    theirs = source(handed_in)
    if handed_in.get("cell_type") != cell["cell_type"]:
        built.notes.append(f"{name}: its type had been changed, restored")
    if is_answer(cell):
        cell["source"] = theirs
        if theirs.strip() != released.strip():
            built.answered.add(name)
    elif theirs.strip() != released.strip():
        built.notes.append(f"{name}: a locked cell had been edited, restored")


def _own_cells(cells: list[dict]) -> list[dict]:
    """Return the student's own cells, reduced to type and text."""
    kept = []
    for cell in cells:
        kind = cell.get("cell_type")
        if kind not in ("code", "markdown"):
            continue
        own = {"cell_type": kind, "metadata": {}, "source": source(cell)}
        kept.append(own | ({"outputs": [], "execution_count": None} if kind == "code" else {}))
    return kept


def _hashable(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    return str(error)[:120] or type(error).__name__
