"""Wrong answers as small edits of a right one.

A plausible mistake is most often the right answer with one place changed. Declared as that change,
it shows a reader the mistake and nothing else, and cannot drift away from the reference.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gencourse.authoring.contract import Mistake, Wrong


def variant(of: Callable, name: str, *changes: tuple[str, str]) -> Callable:
    """Return a copy of a function or class with some places of its source changed.

    The copy is defined, under its own name, in the module of the original, where it finds the same
    helpers; what calls the original recursively, calls the copy instead.

    Args:
        of: a function or class at the top level of a file, or another variant.
        name: what the copy is called; new in the module.
        changes: pairs of old and new text. Each old text occurs exactly once at its turn.

    Raises:
        ValueError: a change that does not apply, or a name that is taken or no name.
        SyntaxError: what the changes make is no Python.
    """
    module = sys.modules[of.__module__]
    if not name.isidentifier() or hasattr(module, name):
        raise ValueError(f"name is {name!r}; expected a Python name that is not taken yet")
    text = Path(module.__file__).read_text(encoding="utf-8")
    source = variant_source(of) or _definitions(text)[of.__name__]
    for old, new in changes:
        if source.count(old) != 1:
            raise ValueError(
                f"{name}: {old!r} occurs {source.count(old)} times in {of.__name__}; expected once"
            )
        source = source.replace(old, new)
    source = re.sub(rf"\b{re.escape(of.__name__)}\b", name, source)
    exec(compile(source, f"<{name}>", "exec"), vars(module))
    made = getattr(module, name)
    made.variant_source = source
    return made


def variant_source(answer: Callable) -> str | None:
    """Return the source of an answer that `variant` made, or None for any other."""
    return vars(answer).get("variant_source")


@functools.lru_cache(maxsize=4)
def _definitions(text: str) -> dict[str, str]:
    """Return the sources of a file's functions and classes (`inspect` would parse it for each)."""
    nodes = [n for n in ast.parse(text).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    lines = text.splitlines(keepends=True)
    return {n.name: "".join(lines[n.lineno - 1 : n.end_lineno]) for n in nodes}


def mistakes(test: str, of: Callable, *rows: Sequence) -> list[Mistake]:
    """Return the known mistakes of a test, each a `variant` of one answer.

    Args:
        test: the test that they must fail.
        of: the answer that the mistakes are changes of.
        rows: for each its name, what the student reads, and pairs of old and new text.
    """
    return [Mistake(variant(of, name, *edits), says, test=test) for name, says, *edits in rows]


def slips(of: Callable, test: str, text: str) -> list[Mistake | Wrong]:
    """Return the mistakes that a text lists, one a paragraph, each a `variant` of an answer.

    A paragraph begins with the name of the variant; then come its changes, one a line, `old =>
    new` with nothing on the right where the old text is dropped; then the words that the student
    reads. Without words it is a `Wrong`, else a `Mistake`:

        DensityMean
        log_p.sum(1) => log_p.mean(1)
        You average over the variables: log p(x) is a sum.

    Args:
        of: the right answer.
        test: the test that the mistakes are meant for.
        text: the paragraphs, separated by empty lines.

    Raises:
        ValueError: a paragraph without a change, or what `variant` refuses.
    """
    made: list[Mistake | Wrong] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        name, *lines = (line.strip() for line in paragraph.split("\n"))
        changes = [re.split(r" =>(?: |$)", line, maxsplit=1) for line in lines if " =>" in line]
        words = " ".join(line for line in lines if " =>" not in line)
        if not changes:
            raise ValueError(f"{name} has no change; expected a line `old => new`")
        answer = variant(of, name, *((old, new) for old, new in changes))
        made.append(Mistake(answer, words, test=test) if words else Wrong(answer, test=test))
    return made
