"""`gencourse site`: one static site of the executed walkthroughs, the syllabus and the reference.

Sphinx makes the pages. This module executes what has changed, puts the pictures into files and
writes the source folder that Sphinx reads. Nothing in the site is fetched from elsewhere.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import files as files_of
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import nbformat

from gencourse.course import Course, CourseError
from gencourse.site import pages
from gencourse.site.executed import Executed, executed
from gencourse.site.figures import with_figures_in_files
from gencourse.site.models import table_of_models
from gencourse.site.syllabus import Unit, units_of

NEEDS_MATHJAX = "sphinx-mathjax-offline"
NEEDS = {
    "sphinx": "sphinx",
    "myst_nb": "myst-nb",
    "furo": "furo",
    NEEDS_MATHJAX: NEEDS_MATHJAX,
}


class Site(NamedTuple):
    """What was built.

    Attributes:
        index: the front page.
        ran: the notebooks that had to be executed.
        kept: those that had not changed.
        warnings: what Sphinx complained about.
    """

    index: Path
    ran: tuple[str, ...]
    kept: tuple[str, ...]
    warnings: tuple[str, ...]


def build_site(
    course: Course,
    *,
    units: Iterable[str] | None = None,
    out: Path | None = None,
    jobs: int = 2,
    say: Callable[[str], None] = lambda line: None,
) -> Site:
    """Build the site; what has not changed since the last time is not executed again.

    Args:
        course: the course folder.
        units: names of units; all that have a walkthrough by default.
        out: folder of the site, `build/site` of the course by default.
        jobs: walkthroughs that run at a time.
        say: told about each walkthrough that is ready.

    Raises:
        CourseError: a package is missing, there is nothing to show, a walkthrough fails, or the
            folder cannot be written.
    """
    require(NEEDS)
    wanted = set(units or ())
    chosen = [u for u in units_of(course) if not wanted or u.name in wanted]
    if not chosen:
        raise CourseError(f"no walkthrough of {', '.join(sorted(wanted)) or 'any unit'} is built")
    work = course.root / "build" / "pages"
    out = out or course.root / "build" / "site"
    try:
        ran = _executed(chosen, work / "executed", jobs=jobs, say=say)
        source = _source(course, chosen, ran, work / "source")
        complaints = _sphinx(source, out, work / "doctrees")
    except PermissionError as error:
        raise CourseError(f"{error.filename} cannot be written: choose another --out") from error
    names = {unit.name: ran[unit.name].fresh for unit in chosen}
    return Site(
        out / "index.html",
        tuple(name for name, fresh in names.items() if fresh),
        tuple(name for name, fresh in names.items() if not fresh),
        complaints,
    )


def require(packages: dict[str, str]) -> None:
    """Refuse to begin without these packages.

    Args:
        packages: module -> the name under which it is installed.

    Raises:
        CourseError: naming what is missing, and how to install it.
    """
    missing = [name for module, name in packages.items() if not importlib.util.find_spec(module)]
    if missing:
        raise CourseError(
            f"{', '.join(missing)} not installed: pip install -e '.[site]' in the course's "
            "environment"
        )


def _executed(
    units: list[Unit], cache: Path, *, jobs: int, say: Callable[[str], None]
) -> dict[str, Executed]:
    def run(unit: Unit) -> Executed:
        done = executed(unit.walkthrough, cache)
        say(f"{unit.name}: {'ran' if done.fresh else 'unchanged, ran before'} in {done.seconds} s")
        return done

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        return dict(zip((u.name for u in units), pool.map(run, units), strict=True))


def _source(course: Course, units: list[Unit], ran: dict[str, Executed], source: Path) -> Path:
    """Write the folder that Sphinx reads; a file that would not change is left alone."""
    written: set[Path] = set()

    def write(name: str, text: str) -> None:
        path = source / name
        written.add(path)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    templates = files("gencourse.site") / "templates"
    write("conf.py", (templates / "conf.py").read_text(encoding="utf-8"))
    write("_static/course.css", (templates / "course.css").read_text(encoding="utf-8"))
    write("_static/tex-svg.js", mathjax().read_text(encoding="utf-8"))

    thumbnails = {}
    for unit in units:
        notebook = with_figures_in_files(
            ran[unit.name].notebook, source / "_extra" / "figures", "../figures"
        )
        notebook.metadata.pop("executed", None)  # seconds would make every page new
        write(f"units/{unit.name}_walkthrough.ipynb", nbformat.writes(notebook))
        write(f"units/{unit.name}.md", pages.unit_page(unit, ran[unit.name]))
        if shown := re.search(r'<img class="figure"[^>]*>', _outputs(notebook)):
            thumbnails[unit.name] = shown[0].replace("../figures", "figures")

    guides = sorted((course.root / "docs" / "guides").glob("*.md"))
    for guide in guides:
        write(f"guides/{guide.name}", guide.read_text(encoding="utf-8"))
    glossary = course.root / "docs" / "glossary.md"
    write("glossary.md", glossary.read_text(encoding="utf-8"))
    write("index.md", pages.index(units, thumbnails, guides))
    write("syllabus.md", pages.syllabus(units, ran))
    parts = pages.present_parts()
    write("models.md", pages.models(table_of_models(), parts))
    write("library/index.md", pages.library_index())
    for part in parts:
        write(f"library/{part}.md", pages.library_page(part))
    for path in (*source.rglob("*.md"), *source.rglob("*.ipynb")):
        if path not in written:
            path.unlink()
    return source


def mathjax() -> Path:
    """Return MathJax as one file that loads no other, from the package that brings it."""
    (found,) = (f for f in files_of(NEEDS_MATHJAX) or () if f.name == "tex-svg.js")
    return Path(str(found.locate()))


def _outputs(notebook: nbformat.NotebookNode) -> str:
    return "".join(
        output.get("data", {}).get("text/html", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )


def _sphinx(source: Path, out: Path, doctrees: Path) -> tuple[str, ...]:
    """Run Sphinx, and return its warnings."""
    import io

    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    complaints = io.StringIO()
    with patch_docutils(str(source)), docutils_namespace(), warnings.catch_warnings():
        for kind in (DeprecationWarning, PendingDeprecationWarning):  # of Sphinx, to extensions
            warnings.simplefilter("ignore", kind)
        app = Sphinx(
            str(source), str(source), str(out), str(doctrees), "html",
            status=None, warning=complaints,
        )  # fmt: skip
        app.build()
    if app.statuscode:
        raise CourseError(f"Sphinx failed: {complaints.getvalue().strip()[-2000:]}")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", complaints.getvalue())
    return tuple(line for line in plain.splitlines() if line.strip())
