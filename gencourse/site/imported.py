"""Which files of gencourse a piece of code imports, found by reading it, not by running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import gencourse

PACKAGE = Path(gencourse.__file__).parent


def files_behind(code: str) -> list[Path]:
    """Return the package's files that this code imports, directly or through one another.

    Imports inside functions count too. `from gencourse.vae import VAE` stands for all that
    `gencourse/vae/__init__.py` imports.
    """
    found: set[Path] = set()
    pending = list(_imported(code))
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            pending += _imported(path.read_text(encoding="utf-8"))
    return sorted(found)


def _imported(code: str) -> Iterator[Path]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            yield from _files_of(name)


def _files_of(name: str) -> Iterator[Path]:
    """Yield the files that importing a dotted name runs, packages on the way included."""
    package, *parts = name.split(".")
    if package != PACKAGE.name:
        return
    folder = PACKAGE
    yield folder / "__init__.py"
    for part in parts:
        if (module := folder / f"{part}.py").is_file():
            yield module
            return
        folder /= part
        if not (folder / "__init__.py").is_file():
            return
        yield folder / "__init__.py"
