"""The text of the site's pages, from the syllabus, the notebooks and the library."""

from __future__ import annotations

import itertools
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import gencourse
from gencourse.site.executed import Executed
from gencourse.site.models import Row
from gencourse.site.syllabus import Unit

PARTS_OF_THE_LIBRARY = {
    "data": "Data sets, bundled or rendered",
    "protocols": "What a model has to have",
    "densities": "Log-densities and divergences",
    "losses": "Losses that several families use",
    "nets": "Networks that several families use",
    "graphical": "Unit 01, graphical models",
    "autoregressive": "Unit 02, autoregressive models",
    "vae": "Unit 03, autoencoders and VAEs",
    "gan": "Unit 04, GANs",
    "pretext": "Unit 05, pretext tasks",
    "train": "Training loops",
    "evaluate": "Measures of a model",
    "plots": "Pictures",
    "widgets": "Pictures with controls",
    "exercises": "Checks of the homework",
    "grading": "Grading of a class",
}


def index(units: Iterable[Unit], thumbnails: Mapping[str, str], guides: Iterable[Path]) -> str:
    """Return the front page.

    Args:
        units: of the course.
        thumbnails: unit -> an `<img>` element of its walkthrough.
        guides: Markdown files.
    """
    cards = "\n".join(
        f'<a href="units/{u.name}.html">{thumbnails.get(u.name, "")}'
        f"<h3>{u.number} {u.title}</h3><p>{u.question}</p></a>"
        for u in units
    )
    tree = "\n".join(f"units/{u.name}" for u in units)
    listed = "\n".join(f"guides/{path.stem}" for path in guides)
    return f"""# Deep generative models

A course in notebooks: models that run and are proved right against something that is true without
them, walkthroughs to show in a lecture, and homework that says what went wrong. Everything here
works offline.

<div class="units">
{cards}
</div>

- [Syllabus](syllabus.md): what each unit teaches, what it needs, and how long it takes.
- [Models](models.md): which model has a likelihood, a bound, samples, a code.
- [Library](library/index.md): every public class and function.

```{{toctree}}
:hidden:
:caption: Units

{tree}
```

```{{toctree}}
:hidden:
:caption: Course

syllabus
models
glossary
library/index
```

```{{toctree}}
:hidden:
:caption: Guides

{listed}
```
"""


def syllabus(units: Iterable[Unit], ran: Mapping[str, Executed]) -> str:
    """Return the page of all units: goals, needs, time."""
    units = list(units)
    rows = "\n".join(
        f"| [{u.number} {u.title}](units/{u.name}.md) | {u.lecture_hours:g} h | "
        f"{u.homework_hours:g} h | {len(u.exercises)} | {u.points:g} | "
        f"{ran[u.name].seconds:.0f} s |"
        for u in units
    )
    parts = "\n\n".join(
        f"## {u.number} {u.title}\n\n{u.question}\n\nNeeds {u.needs}.\n\n{_goals(u)}"
        for u in units
    )
    return f"""# Syllabus

| unit | lecture | homework | parts of the homework | points | walkthrough runs in |
|---|---|---|---|---|---|
{rows}

The last column was measured when this page was made, on the machine that made it; hours of people
are what we plan with.

{parts}
"""


def unit_page(unit: Unit, ran: Executed) -> str:
    """Return the page of one unit, with its executed walkthrough below it."""
    sections = "\n".join(f"- {section}" for section in unit.sections)
    exercises = "\n".join(f"- {exercise}" for exercise in unit.exercises)
    name = unit.name
    return f"""# {unit.number} {unit.title}

{unit.question}

**[Read the walkthrough]({name}_walkthrough.ipynb)**, with every figure
({unit.lecture_hours:g} hours of lecture; it runs in {ran.seconds:.0f} seconds), or open
`notebooks/{name}/{name}_walkthrough.ipynb` in JupyterLab.

## After this unit you can

{_goals(unit)}

It needs {unit.needs}.

## The walkthrough

{sections}

## The homework

`notebooks/{name}/{name}_homework.ipynb`, {unit.points:g} points, about {unit.homework_hours:g}
hours:

{exercises}

```{{toctree}}
:hidden:

{name}_walkthrough
```
"""


def models(rows: Iterable[Row], known: Iterable[str]) -> str:
    """Return the tables of models, one for each family, each model with a link to its reference.

    Args:
        rows: of all models, family by family.
        known: parts of the library that have a page.
    """
    known = set(known)
    tables = "\n\n".join(
        f"## {PARTS_OF_THE_LIBRARY.get(family, family)}\n\n"
        "| model | log_prob | bound | sample | encode | |\n|---|---|---|---|---|---|\n"
        + "\n".join(_line(row, linked=family in known) for row in group)
        for family, group in itertools.groupby(rows, key=lambda row: row.family)
    )
    return f"""# Models

What a model can do decides what it may be compared with: only an exact `log_prob` gives a
likelihood, a bound says how low it can be at worst, and a sampler without either is judged by its
samples. The table is read off the classes.

{tables}
"""


def _line(row: Row, *, linked: bool) -> str:
    name = f"{{py:class}}`{row.name} <{row.reference}>`" if linked else f"`{row.name}`"
    marks = " | ".join(
        "yes" if has else "–" for has in (row.log_prob, row.bound, row.sample, row.encode)
    )
    what = row.what.replace("|", "\\|")
    return f"| {name} | {marks} | {what} |"


def library_index() -> str:
    """Return the list of the library's parts."""
    lines = "\n".join(
        f"- [gencourse.{part}]({part}.md): {what}" for part, what in present_parts().items()
    )
    tree = "\n".join(present_parts())
    return f"""# Library

{lines}

```{{toctree}}
:hidden:

{tree}
```
"""


def library_page(part: str) -> str:
    """Return the reference of one part: all its public names, from their documentation."""
    return f"""# gencourse.{part}

```{{eval-rst}}
.. automodule:: gencourse.{part}
   :members:
   :imported-members:
   :show-inheritance:
```
"""


def present_parts() -> dict[str, str]:
    """Return the parts of the library that there are, and what each one is for."""
    found = {module.name for module in pkgutil.iter_modules(gencourse.__path__)}
    return {part: what for part, what in PARTS_OF_THE_LIBRARY.items() if part in found}


def _goals(unit: Unit) -> str:
    return "\n".join(f"- {goal}" for goal in unit.goals)
