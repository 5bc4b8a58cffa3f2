"""Tells copies, pieces and strays of an answer apart by what a cell's text defines.

Everything works line by line, so it does so for text that is not valid Python too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

DEFINITION = re.compile(r"(?:(?:async\s+)?def|class)\s+(\w+)|(\w+)\s*(?::[^=]+)?=(?!=)")
LEADING = re.compile(r"[@#]")  # a decorator or comment above a definition belongs to it
MAGIC = re.compile(r"^(\s*)[%!?].*$", re.MULTILINE)
ALIKE = 0.6  # copies of one text share more than this, pieces of one text less
COMPARED, COMPILED = 4000, 100_000  # characters
PIECES = 8


def definitions(text: str) -> set[str]:
    """Return the names that a text defines at its top level."""
    return {name for name, _ in _lines(text)}


def cut(text: str, names: Collection[str], others: Collection[str]) -> tuple[str, str]:
    """Split a text into the last definition of one of `names` and the rest.

    The definition ends where one of `others` begins.
    """
    lines = text.split("\n")
    marks = [(name, _above(lines, at)) for name, at in _lines(text) if {name} & {*names, *others}]
    wanted = [i for i, (name, _) in enumerate(marks) if name in names]
    if not wanted:
        return "", text
    i = wanted[-1]
    start = marks[i][1]
    stop = next((at for name, at in marks[i + 1 :] if name in others), len(lines))
    rest = "\n".join(lines[:start] + lines[stop:])
    return "\n".join(lines[start:stop]).strip("\n"), rest.strip("\n")


def joined_code(
    copies: Sequence[str], names: Collection[str], *, adjacent: bool
) -> tuple[str, str]:
    """Return the text that several different copies of a code cell stand for, and what was done.

    Neighbours of which one alone holds the definition are pieces of one answer and are joined. Of
    several whole answers the last counts.
    """
    whole = [text for text in copies if definitions(text) & set(names)]
    if len(whole) == 1:
        text = "\n".join(copies)
        if adjacent and (_compiles(text) or not _compiles(whole[0])):
            return text, f"was split into {len(copies)} cells, joined"
        return whole[0], f"there were {len(copies)} such cells, the one that defines it is used"
    return (whole or copies)[-1], _last(len(copies))


def joined_words(copies: Sequence[str], *, adjacent: bool) -> tuple[str, str]:
    """Return the same for a written answer: neighbours that say different things are joined."""
    few = adjacent and len(copies) <= PIECES
    if few and not any(_alike(a, b) for a, b in pairwise(copies)):
        return "\n\n".join(copies), f"was split into {len(copies)} cells, joined"
    return copies[-1], _last(len(copies))


def _last(count: int) -> str:
    return f"there were {count} different copies, the last that is not empty is used"


def _lines(text: str) -> list[tuple[str, int]]:
    found = [(DEFINITION.match(line), at) for at, line in enumerate(text.split("\n"))]
    return [(match[1] or match[2], at) for match, at in found if match]


def _above(lines: list[str], at: int) -> int:
    while at and LEADING.match(lines[at - 1]):
        at -= 1
    return at


def _compiles(text: str) -> bool:
    if len(text) > COMPILED:
        return False
    try:
        compile(MAGIC.sub(r"\1pass", text), "<cell>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


def _alike(first: str, second: str) -> bool:
    matcher = SequenceMatcher(None, first[:COMPARED], second[:COMPARED])
    return matcher.quick_ratio() > ALIKE and matcher.ratio() > ALIKE
