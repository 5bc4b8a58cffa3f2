"""The templates of the report and the feedback: everything that a student controls is escaped."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gencourse.exercises.words import shown


@functools.cache
def templates() -> Environment:
    """Return the templates, with escaping on for every file."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_spelt_out,
    )
    environment.filters["points"] = points
    return environment


def _spelt_out(value: Any) -> Any:
    """Return a text with what would not show as itself spelt out; all else as it is."""
    plain = isinstance(value, str) and not isinstance(value, Markup)
    return shown(value, len(value)) if plain else value


def points(value: float | None) -> str:
    """Return points as text, a dash where there are none."""
    return "–" if value is None else f"{value:g}"


def histogram(values: Sequence[float], top: float, *, bins: int = 10) -> list[dict[str, float]]:
    """Return the counts of marks in equal bins from 0 to `top`; the last bin holds `top` itself.

    Each bin is a dict of `low`, `high` and `count`.
    """
    width = top / bins if top else 1.0
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int(value / width)))] += 1
    return [{"low": i * width, "high": (i + 1) * width, "count": n} for i, n in enumerate(counts)]
