"""Makes text that somebody else has written fit to be shown on a page or in a terminal."""

from __future__ import annotations

LONGEST = 600


def shown(text: str, longest: int = LONGEST) -> str:
    """Return `text`, cut, with what would not show as itself spelt out.

    That is control characters (terminal escapes, NUL), marks that turn the direction of writing,
    invisible characters and lone surrogates; each becomes its escape in a Python string. Line
    breaks and tabs stay.
    """
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode()
        for c in text[:longest]
    )
