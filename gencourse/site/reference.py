"""A small Sphinx extension, which makes Sphinx read the docstrings as they are written."""

from __future__ import annotations

import inspect
import re
from typing import Any


def setup(app: Any) -> None:
    """Join, before the docstrings' sections are read."""
    app.connect("autodoc-process-docstring", escape, priority=100)
    app.connect("autodoc-process-signature", signature_of_init)


def escape(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep the stars and bars of shapes, as in (n, *event_shape), from being read as markup."""
    for i, line in enumerate(lines):
        parts = re.split(r"(``?[^`]*``?)", line)  # code stays as it is
        lines[i] = "".join(part if part.startswith("`") else _plain(part) for part in parts)


def _plain(text: str) -> str:
    text = re.sub(r"\||[*_](?=\S)", r"\\\g<0>", text)
    return re.sub(r"(: |^)([A-Z])\.(?=\s|$)", r"\1\2\\.", text)  # "K." begins no numbered list


def signature_of_init(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str | None, Any]:
    """Show what a class is made with, where its `__new__` takes anything."""
    if what == "class" and (signature or "").startswith("(*args"):
        from sphinx.util.inspect import stringify_signature

        made = inspect.signature(obj.__init__)
        own = list(made.parameters.values())[1:]  # without self
        signature = stringify_signature(made.replace(parameters=own), unqualified_typehints=True)
    return signature, returns
