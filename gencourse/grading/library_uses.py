"""Finds discouraged library calls in an answer and in the helpers that it calls.

A student may call the library in cells of their own, to check an answer by it. It counts where
the answer reaches a function, class or name whose definition does so.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from gencourse.authoring.library_calls import library_calls
from gencourse.grading.package import Release
from gencourse.grading.rebuild import grade_id, is_answer, is_test, source

LONGEST = 100_000  # characters of a cell: a syntax tree is hundreds of times larger than its text
Definitions = dict[str, list[tuple[ast.stmt, str]]]  # name to statements and their cell's text


def uses_of(cells: Sequence[dict], release: Release) -> list[str]:
    """Return for each discouraged call where it is, in words.

    Args:
        cells: of the rebuilt notebook.
        release: says what is discouraged in which exercise.
    """
    code = [c for c in cells if c["cell_type"] == "code" and not is_test(c)]
    released = {source(c) for c in release.notebook["cells"] if not is_answer(c)}
    own = [c["source"] for c in code if c["source"] not in released]
    own = [text for text in own if len(text) <= LONGEST]
    imports = [c["source"] for c in code if c["source"] in released]
    imports += [_imports(text) for text in own]
    defined = _definitions(own)
    found = []
    for cell in filter(is_answer, code):
        exercise = grade_id(cell)
        names = release.public["exercises"].get(exercise or "", {}).get("discouraged")
        if not names:
            continue
        if len(cell["source"]) > LONGEST:
            found.append(f"{exercise}: too long to be searched for library calls")
            continue
        try:
            for call in library_calls(cell["source"], names, setup=imports):
                found.append(f"{exercise}: line {call.line} uses {call.name}")
            for helper, text in _reached(cell["source"], defined):
                for call in library_calls(text, names, setup=imports):
                    found.append(f"{exercise}: its helper {helper} uses {call.name}")
        except RecursionError:
            found.append(f"{exercise}: nested too deeply to be searched for library calls")
    return list(dict.fromkeys(found))


def _reached(answer: str, defined: Definitions) -> list[tuple[str, str]]:
    """Return name and text of each definition in another cell that an answer reaches."""
    tree = _parse(answer)
    waiting = _loaded(tree) if tree else []
    seen: set[str] = set()
    found = []
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node, text in defined.get(name, ()):
            if text != answer:
                found.append((name, ast.unparse(node)))
            waiting += _loaded(node)
    return found


def _definitions(texts: Sequence[str]) -> Definitions:
    defined: Definitions = {}
    for text in texts:
        tree = _parse(text)
        for node in tree.body if tree else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names = [node.name]
            elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
                names = [n.id for n in ast.walk(node) if _is_stored(n)]
            else:
                continue
            for name in names:
                defined.setdefault(name, []).append((node, text))
    return defined


def _imports(text: str) -> str:
    """Return the import statements of a text: aliases that other cells may use."""
    tree = _parse(text)
    nodes = ast.walk(tree) if tree else ()
    found = [n for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom))]
    return "\n".join(map(ast.unparse, found))


def _loaded(tree: ast.AST) -> list[str]:
    return [
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    ]


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _parse(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
