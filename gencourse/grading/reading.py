"""Reads the bytes of a submission as a notebook, through whatever has happened to the file.

Other encodings, the older formats and git conflict markers are mended, each with a note. What is
no notebook at all is named in words.
"""

from __future__ import annotations

import codecs
import difflib
import json
import re
from collections.abc import Iterable
from typing import Any

MAX_CELLS = 2000
MARKERS = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?: .*)?$")
BYTE_MARKS = (
    (codecs.BOM_UTF8, "utf-8", None),  # harmless, and nobody's fault
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
OTHER_FILES = (
    (b"PK\x03\x04", "is a zip archive"),
    (b"%PDF", "is a PDF"),
    (b"<", "is a web page"),
    (b"version https://git-lfs", "is a pointer of Git LFS, the notebook itself was not handed in"),
    (b"\x1f\x8b", "is a gzip archive"),
)
UNREADABLE = "the file is not readable as a notebook ({})"
NO_CELLS = "the file is JSON, but not a notebook: it has no list of cells"


class NotGradable(Exception):
    """A submission of which nothing can be graded; the message is for the student."""


def text_of(data: bytes, notes: list[str]) -> str:
    """Return the text of a file, noting an encoding other than UTF-8.

    Raises:
        NotGradable: it is empty, another kind of file, or in no known encoding.
    """
    if not data.strip(b"\0 \t\r\n"):
        raise NotGradable("the file is empty")
    for mark, encoding, name in BYTE_MARKS:
        if data.startswith(mark):
            return _decode(data.removeprefix(codecs.BOM_UTF8), encoding, name, notes)
    for start, words in OTHER_FILES:
        if data.lstrip().startswith(start) and not data.startswith(b"<<<<<<<"):
            raise NotGradable(f"the file {words}, not a notebook")
    if data[:2] in (b"{\0", b"\0{"):
        return _decode(data, "utf-16-le" if data[1] == 0 else "utf-16-be", "UTF-16", notes)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        if not data.lstrip().startswith(b"{"):
            raise NotGradable(UNREADABLE.format("not UTF-8 text")) from None
        return _decode(data, "cp1252", "Windows-1252", notes)


def notebook_of(text: str, notes: list[str]) -> dict[str, Any]:
    """Return the notebook in a text as plain JSON values with a list of cells of format 4.

    Raises:
        NotGradable: it is no notebook that can be read.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if any(MARKERS.match(line) and line[0] == "<" for line in lines):
        return _merged(_sides(lines), notes)
    return _with_cells(_json(text), notes)


def source(cell: dict) -> str:
    """Return a cell's text, which the format stores as a string or as a list of lines."""
    text = cell.get("source")
    if isinstance(text, list):
        text = "".join(t for t in text if isinstance(t, str))
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def resolved(text: str) -> str | None:
    """Return a cell's text with git conflicts in it resolved, None when it holds none.

    Of two versions the last that is not empty stays.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    kinds = [line[0] for line in lines if MARKERS.match(line)]
    if "<" not in kinds or "=" not in kinds or ">" not in kinds:
        return None
    first, last = _sides(lines)
    return last if last.strip() else first


def _decode(data: bytes, encoding: str, name: str | None, notes: list[str]) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise NotGradable(UNREADABLE.format(f"not {name or 'UTF-8'} text")) from None
    if name:
        notes.append(f"the file was {name} text, read as such")
    return text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
        if re.match(r"(import|from|def|#|\"\"\")", text.lstrip()):
            why = "it is a Python script"
        raise NotGradable(UNREADABLE.format(why)) from None


def _sides(lines: list[str]) -> tuple[str, str]:
    """Return both versions of a text with conflict markers; a common ancestor is in neither."""
    sides: tuple[list[str], list[str]] = ([], [])
    inside = ""
    for line in lines:
        marker = MARKERS.match(line)
        if marker and (inside or line[0] == "<"):
            inside = "" if line[0] == ">" else line[0]
            continue
        if inside in ("", "<"):
            sides[0].append(line)
        if inside in ("", "="):
            sides[1].append(line)
    return "\n".join(sides[0]), "\n".join(sides[1])


def _merged(sides: Iterable[str], notes: list[str]) -> dict[str, Any]:
    """Return one notebook with the cells of both versions, the second's last."""
    read = []
    for side in sides:
        try:
            read.append(_with_cells(_json(side), notes))
        except NotGradable:
            continue
    if not read:
        raise NotGradable("the file holds git conflict markers, and neither version is a notebook")
    if len(read) == 1:
        notes.append("the file held git conflict markers; the version that can be read is used")
        return read[0]
    notes.append("the file held git conflict markers; the cells of both versions are taken")
    first, second = (notebook["cells"] for notebook in read)
    keys = [[_key(c) for c in cells] for cells in (first, second)]
    cells = []
    matcher = difflib.SequenceMatcher(None, *keys, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        cells += second[k:m] if kind == "equal" else first[i:j] + second[k:m]
    return _bounded({**read[1], "cells": cells})


def _key(cell: dict) -> str:
    return f"{cell.get('cell_type') == 'code'} {source(cell)}"


def _with_cells(notebook: Any, notes: list[str]) -> dict[str, Any]:
    if not isinstance(notebook, dict):
        raise NotGradable(NO_CELLS)
    cells = notebook.get("cells")
    sheets = notebook.get("worksheets")
    if not isinstance(cells, list) and isinstance(sheets, list):
        cells = [c for s in sheets if isinstance(s, dict) for c in _list(s.get("cells"))]
        cells = [_from_format_3(c) if isinstance(c, dict) else c for c in cells]
        notes.append("the notebook was in format 3, converted to format 4")
    if not isinstance(cells, list):
        raise NotGradable(NO_CELLS)
    kept = [c for c in cells if isinstance(c, dict)]
    if dropped := len(cells) - len(kept):
        notes.append(f"{dropped} entries in the list of cells are no cells, ignored")
    _note_format(notebook, notes)
    return _bounded({**notebook, "cells": kept})


def _bounded(notebook: dict[str, Any]) -> dict[str, Any]:
    count = len(notebook["cells"])
    if count > MAX_CELLS:
        raise NotGradable(f"the notebook has {count} cells; expected at most {MAX_CELLS}")
    return notebook


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _from_format_3(cell: dict) -> dict:
    """Return a cell of format 3 as one of format 4: `input` is `source`, headings are Markdown."""
    new = {k: v for k, v in cell.items() if k not in ("input", "prompt_number", "level")}
    if cell.get("cell_type") == "code":
        new["source"] = cell.get("input", "")
    elif cell.get("cell_type") == "heading":
        level = cell["level"] if cell.get("level") in range(1, 7) else 1
        new |= {"cell_type": "markdown", "source": f"{'#' * level} {source(cell)}"}
    return new


def _note_format(notebook: dict, notes: list[str]) -> None:
    major, minor = notebook.get("nbformat"), notebook.get("nbformat_minor")
    if major == 3 and "worksheets" in notebook:
        return
    if major != 4:
        words = "no format" if major is None else f"format {str(major)[:20]!r}"
        notes.append(f"the file names {words}, read as format 4")
    elif not isinstance(minor, int):
        notes.append("the file names no minor format, read as format 4")
