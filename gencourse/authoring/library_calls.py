"""Finds calls of discouraged library functions in an answer: a flag for a person, never a mark.

An exercise asks for what the library does not hand out, but a student may still go round it. The
answer's source is only parsed, never run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LibraryCall:
    """A use of a discouraged name: its line in the answer and its full dotted name."""

    line: int
    name: str


def library_calls(
    answer: str, discouraged: Sequence[str], *, setup: Iterable[str] = ()
) -> list[LibraryCall]:
    """Return the uses of discouraged names in the source of an answer, in order of lines.

    Args:
        answer: source of the solution cell.
        discouraged: full names such as `torch.logsumexp`, whole modules such as
            `gencourse.graphical`, or methods of any object such as `.logsumexp`.
        setup: sources of cells that run before, for the names that they import.

    Returns:
        Nothing where the source cannot be parsed: it will not run either.
    """
    finder = _Finder(discouraged)
    for source in setup:
        tree = _parse(source)
        if tree is not None:
            finder.visit(tree)
    finder.found.clear()
    tree = _parse(answer)
    if tree is None:
        return []
    finder.visit(tree)
    return sorted(set(finder.found), key=lambda call: (call.line, call.name))


def _parse(source: str) -> ast.AST | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Finder(ast.NodeVisitor):
    """Follows imports and plain aliases, and notes each use of a discouraged name."""

    def __init__(self, discouraged: Sequence[str]) -> None:
        self.full = [d for d in discouraged if not d.startswith(".")]
        self.methods = {d[1:] for d in discouraged if d.startswith(".")}
        self.aliases: dict[str, str] = {}
        self.found: list[LibraryCall] = []

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            root = alias.name.split(".")[0]
            self.aliases[alias.asname or root] = alias.name if alias.asname else root

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            name = f"{node.module or ''}.{alias.name}"
            self.aliases[alias.asname or alias.name] = name
            self._note(node, name)

    def visit_Assign(self, node: ast.Assign) -> None:
        name = self._dotted(node.value)
        for target in node.targets:
            if name and isinstance(target, ast.Name):
                self.aliases[target.id] = name
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id in self.aliases:
            self._note(node, self.aliases[node.id])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self._dotted(node)
        if name:
            self._note(node, name)
        if node.attr in self.methods:
            self.found.append(LibraryCall(node.lineno, f".{node.attr}"))
        if not name:
            self.generic_visit(node)

    def _dotted(self, node: ast.AST) -> str | None:
        """Return the full name of a chain of attributes that begins at an imported name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.aliases:
            return None
        return ".".join([self.aliases[node.id], *reversed(parts)])

    def _note(self, node: ast.AST, name: str) -> None:
        if any(_matches(name, wanted) for wanted in self.full):
            self.found.append(LibraryCall(node.lineno, name))


def _matches(name: str, wanted: str) -> bool:
    """A name matches itself, what is inside it, and the same elsewhere in its package."""
    if name == wanted or name.startswith(f"{wanted}."):
        return True
    package, last = wanted.split(".")[0], wanted.rsplit(".", 1)[-1]
    parts = name.split(".")
    return parts[0] == package and parts[-1] == last
