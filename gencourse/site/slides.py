"""`gencourse slides`: a walkthrough as reveal.js slides in one folder, for a room without network.

Cells say in their metadata where a slide begins, as JupyterLab's property inspector sets it. What
is too tall for the screen is divided when the page is opened, where heights are known: a slide
goes on below, and a single cell that is still too tall is made smaller.
"""

from __future__ import annotations

import html
import shutil
from importlib.metadata import files as files_of
from importlib.resources import files
from pathlib import Path

from nbformat import NotebookNode

from gencourse.course import Course, CourseError
from gencourse.site.build import mathjax, require
from gencourse.site.executed import executed
from gencourse.site.figures import with_figures_in_files
from gencourse.site.syllabus import units_of

NEEDS_REVEAL = "sphinx-revealjs"
NEEDS = {
    "sphinx_revealjs": NEEDS_REVEAL,
    "nbconvert": "nbconvert",
    "sphinx-mathjax-offline": "sphinx-mathjax-offline",
}
REVEAL = ("dist/reveal.js", "dist/reveal.css", "dist/reset.css", "plugin/notes/notes.js")


def build_slides(course: Course, unit: str, *, out: Path | None = None) -> Path:
    """Write the slides of a unit's walkthrough, and return the page to open.

    Args:
        course: the course folder.
        unit: full name of a unit.
        out: folder, `build/slides/UNIT` of the course by default.

    Raises:
        CourseError: a package is missing, there is no walkthrough, a cell fails, or the folder
            cannot be written.
    """
    require(NEEDS)
    known = {u.name: u for u in units_of(course)}
    if unit not in known:
        raise CourseError(f"{unit} has no walkthrough in {course.notebooks}; gencourse build")
    out = out or course.root / "build" / "slides" / unit
    done = executed(known[unit].walkthrough, course.root / "build" / "pages" / "executed")
    try:
        out.mkdir(parents=True, exist_ok=True)
        notebook = with_figures_in_files(done.notebook, out / "figures", "figures")
        _copy_scripts(out)
        page = out / "index.html"
        page.write_text(_page(known[unit].title, notebook), encoding="utf-8")
    except PermissionError as error:
        raise CourseError(f"{error.filename} cannot be written: choose another --out") from error
    return page


def sections(notebook: NotebookNode) -> list[list[list[NotebookNode]]]:
    """Return the cells by slide, and by sub-slide below it.

    A cell marked "slide" begins a slide, "subslide" one below it; "skip" and "notes" are left out;
    every other cell goes on where the one before ended.
    """
    found: list[list[list[NotebookNode]]] = []
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if kind in ("skip", "notes") or not cell.source.strip():
            continue
        if kind == "slide" or not found:
            found.append([[]])
        elif kind == "subslide":
            found[-1].append([])
        found[-1][-1].append(cell)
    return found


def _page(title: str, notebook: NotebookNode) -> str:
    from jinja2 import Environment

    template = (files("gencourse.site") / "templates" / "slides.html.j2").read_text("utf-8")
    shown = [[[_block(c) for c in part] for part in slide] for slide in sections(notebook)]
    return Environment(autoescape=True).from_string(template).render(title=title, slides=shown)


def _block(cell: NotebookNode) -> list[tuple[str, str]]:
    """Return the pieces of a cell as (kind, HTML): text, or code and each output."""
    from nbconvert.filters import Highlight2HTML, markdown2html_mistune

    if cell.cell_type != "code":
        return [("text", markdown2html_mistune(cell.source))]
    pieces = [("code", Highlight2HTML(pygments_lexer="python")(cell.source))]
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if "text/html" in data:
            pieces.append(("output", data["text/html"]))
        elif text := data.get("text/plain") or output.get("text"):
            pieces.append(("output", f"<pre>{html.escape(text)}</pre>"))
    return pieces


def _copy_scripts(out: Path) -> None:
    templates = files("gencourse.site") / "templates"
    for name in ("slides.css", "slides.js"):
        (out / name).write_text((templates / name).read_text("utf-8"), encoding="utf-8")
    shutil.copyfile(mathjax(), out / "tex-svg.js")
    for found in files_of(NEEDS_REVEAL) or ():
        if str(found).endswith(tuple(f"static/revealjs/{name}" for name in REVEAL)):
            shutil.copyfile(Path(str(found.locate())), out / found.name)
