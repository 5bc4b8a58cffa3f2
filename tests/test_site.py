"""The course site and the slides: what is executed when, figures in files, links, no network."""

import base64
import io
import re
import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from gencourse import plots
from gencourse.course import Course, CourseError
from gencourse.site import build_site, build_slides, pages
from gencourse.site.executed import executed
from gencourse.site.figures import with_figures_in_files
from gencourse.site.imported import PACKAGE, files_behind
from gencourse.site.models import table_of_models
from gencourse.site.slides import sections
from gencourse.site.syllabus import units_of

ROOT = PACKAGE.parent


def names(code):
    return {str(path.relative_to(PACKAGE)) for path in files_behind(code)}


def test_the_files_behind_an_import():
    assert names("import math") == set()
    assert names("import gencourse.densities") == {"__init__.py", "densities.py"}
    found = names("def later():\n    from gencourse.vae import VAE")
    assert {"vae/__init__.py", "vae/vae.py", "nets/mlp.py", "protocols.py"} <= found
    assert not any(name.startswith(("gan/", "grading/")) for name in found)
    assert names("from gencourse import data") >= {"data/__init__.py", "data/shapes.py"}


def picture_cell():
    fig, ax = plots.figure()
    ax.plot([0, 1])
    data, metadata = plots.picture(fig, 'a line, "rising"')._repr_mimebundle_()
    data["image/png"] = base64.b64encode(data["image/png"]).decode()
    output = new_output("display_data", data=data, metadata=metadata)
    return new_code_cell("draw()", outputs=[output])


def test_a_picture_becomes_a_file_with_the_same_pixels_and_its_words(tmp_path):
    cell = picture_cell()
    notebook = new_notebook(cells=[cell])
    shown = with_figures_in_files(notebook, tmp_path, "../figures")
    tag = shown.cells[0].outputs[0].data["text/html"]
    assert 'alt="a line, &quot;rising&quot;"' in tag and "base64" not in tag
    (file,) = tmp_path.iterdir()
    assert f'src="../figures/{file.name}"' in tag
    png = base64.b64decode(cell.outputs[0].data["image/png"])
    before, after = (Image.open(f).convert("RGB") for f in (io.BytesIO(png), file))
    assert before.tobytes() == after.tobytes()
    assert "image/png" in notebook.cells[0].outputs[0].data  # the notebook is left as it is


def test_text_stays_and_html_wins():
    outputs = [
        new_output("display_data", data={"text/html": "<b>x</b>", "text/plain": "x"}),
        new_output("stream", text="said"),
    ]
    notebook = new_notebook(cells=[new_code_cell("f()", outputs=outputs)])
    shown = with_figures_in_files(notebook, None, "")
    assert shown.cells[0].outputs[0].data == {"text/html": "<b>x</b>"}
    assert shown.cells[0].outputs[1].text == "said"


def test_slides_follow_the_metadata():
    def cell(source, kind):
        return new_markdown_cell(
            source, metadata={"slideshow": {"slide_type": kind}} if kind else {}
        )

    cells = [
        cell("a", "slide"), cell("b", "fragment"), cell("secret", "skip"), cell("c", None),
        cell("d", "subslide"), cell("say this", "notes"), cell("e", "slide"),
    ]  # fmt: skip
    found = sections(new_notebook(cells=cells))
    assert [[[c.source for c in part] for part in slide] for slide in found] == [
        [["a", "b", "c"], ["d"]], [["e"]],
    ]  # fmt: skip


def test_the_table_of_models_is_read_off_the_classes():
    rows = {row.name: row for row in table_of_models()}
    assert rows["NADE"][3:] == (True, False, True, False)
    assert rows["VAE"][3:] == (False, True, True, True)
    assert rows["DCGAN"][3:] == (False, False, True, False)
    assert rows["BiGAN"].encode and rows["BiGAN"].sample
    assert all(row.what for row in rows.values())
    page = pages.models(list(rows.values()), {"vae"})
    assert "{py:class}`VAE <gencourse.vae.VAE>`" in page and "`NADE`" in page


def test_the_syllabus_knows_every_unit():
    for unit in units_of(Course(ROOT)):
        assert len(unit.goals) >= 4 and unit.sections and unit.exercises
        assert unit.points == 40, unit.name


def small_course(root, *, code="1 + 1"):
    """A course of one unit with two cells."""
    (root / "nbgrader_config.py").write_text("")
    folder = root / "notebooks" / "03_vae"
    folder.mkdir(parents=True)
    cells = [
        new_markdown_cell("# A unit\n\n## Its section\n\n$x^2$ and a table."),
        new_code_cell(code),
        new_code_cell("from gencourse import plots\nfig, ax = plots.figure()\n"
                      "plots.picture(fig, 'empty axes')"),
    ]  # fmt: skip
    for cell in cells:
        cell.metadata["slideshow"] = {"slide_type": "slide"}
    nbformat.write(new_notebook(cells=cells), folder / "03_vae_walkthrough.ipynb")
    shutil.copytree(ROOT / "docs", root / "docs")
    return Course(root)


@pytest.mark.kernel
def test_only_what_has_changed_is_executed_again(tmp_path):
    course = small_course(tmp_path)
    source = course.released("03_vae", "walkthrough")
    first = executed(source, tmp_path / "cache")
    assert first.fresh and first.notebook.cells[1].outputs[0].data["text/plain"] == "2"
    second = executed(source, tmp_path / "cache")
    assert not second.fresh and second.seconds == first.seconds
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[1].source = "2 + 3"
    nbformat.write(notebook, source)
    third = executed(source, tmp_path / "cache")
    assert third.fresh and third.notebook.cells[1].outputs[0].data["text/plain"] == "5"


@pytest.mark.kernel
def test_a_cell_that_fails_is_named(tmp_path):
    course = small_course(tmp_path, code="1 / 0")
    with pytest.raises(CourseError, match=r"03_vae_walkthrough.* ZeroDivisionError"):
        executed(course.released("03_vae", "walkthrough"), tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*.ipynb"))


@pytest.mark.kernel
def test_a_site_stands_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "PARTS_OF_THE_LIBRARY", {"vae": "VAEs", "data": "Data"})
    course = small_course(tmp_path)
    made = build_site(course, out=tmp_path / "site")
    assert made.ran == ("03_vae",) and made.warnings == ()
    page = (tmp_path / "site" / "units" / "03_vae_walkthrough.html").read_text()
    assert 'alt="empty axes"' in page and r"\(x^2\)" in page
    assert "tex-svg.js" in page and (tmp_path / "site" / "_static" / "tex-svg.js").is_file()
    for path in (tmp_path / "site").rglob("*.html"):
        text = path.read_text()
        fetched = re.findall(r'(?:src|href)="(https?:[^"]*)"', text)
        loaded = re.findall(r'<(?:script|link|img)[^>]*"(https?:[^"]*)"', text)
        assert not loaded, (path.name, fetched)
        assert path.stat().st_size < 3e6
    figure = re.search(r'src="\.\./(figures/[^"]*)"', page)[1]
    assert (tmp_path / "site" / figure).is_file()
    assert "library/vae.html#gencourse.vae.VAE" in (tmp_path / "site" / "models.html").read_text()


@pytest.mark.kernel
def test_slides_stand_alone(tmp_path):
    page = build_slides(small_course(tmp_path), "03_vae", out=tmp_path / "slides")
    text = page.read_text()
    assert "http" not in re.sub(r"http-equiv", "", re.sub(r"<title>.*?</title>", "", text))
    for name in re.findall(r'(?:src|href)="([^"#]+)"', text):
        assert (tmp_path / "slides" / name).is_file(), name
    assert text.count("<section>") == 2 * 3


def test_bad_input_is_one_line(tmp_path):
    course = small_course(tmp_path)
    with pytest.raises(CourseError, match="no walkthrough of 04_gan"):
        build_site(course, units=["04_gan"])
    with pytest.raises(CourseError, match="04_gan has no walkthrough"):
        build_slides(course, "04_gan")
    (tmp_path / "docs" / "syllabus.toml").write_text("= nothing")
    with pytest.raises(CourseError, match="is no TOML"):
        units_of(course)
    (tmp_path / "docs" / "syllabus.toml").unlink()
    with pytest.raises(CourseError, match=r"there is no .*syllabus"):
        units_of(course)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    from gencourse.site import build

    monkeypatch.setattr(build, "NEEDS", {"no_such_module": "sphinx"})
    with pytest.raises(CourseError, match=r"sphinx not installed: pip install -e '.\[site\]'"):
        build_site(small_course(tmp_path))
