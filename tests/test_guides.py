"""The guides: every command in them exists, with its arguments, and every file that they name."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from gencourse.cli import app
from gencourse.course import UNITS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
MAKE = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def commands(page):
    """Yield the lines of the page's shell blocks, without comments and continued lines joined."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


LINES = [(page.name, words) for page in PAGES for words in commands(page)]
OWN = [(name, words) for name, words in LINES if Path(words[0]).name == "gencourse"]


def test_there_is_a_guide_for_everybody_and_each_is_short():
    assert {p.stem for p in PAGES} == {"README", "student", "lecturer", "instructor", "maintainer"}
    assert len(OWN) > 30
    for page in PAGES[1:]:
        assert len(page.read_text().splitlines()) < 120, page


@pytest.mark.parametrize(
    ("page", "words"), OWN, ids=lambda v: v if isinstance(v, str) else " ".join(v)
)
def test_a_command_parses(page, words):
    command = get_command(app)
    context = command.make_context("gencourse", [], resilient_parsing=True)
    name, chosen, rest = command.resolve_command(context, list(words[1:]))
    made = chosen.make_context(name, rest, parent=context)  # raises on an unknown option
    unit = made.params.get("unit")
    assert unit is None or any(u.startswith(unit.zfill(2)) for u in UNITS), unit


def test_make_knows_its_targets():
    for page, words in LINES:
        if words[0] == "make":
            assert words[1] in MAKE, (page, words)


def test_files_that_are_named_are_there():
    for page in PAGES:
        text = page.read_text()
        for link in re.findall(r"\]\(((?!http|#)[^)]+)\)", text):
            assert (page.parent / link.partition("#")[0]).exists(), (page.name, link)
        for path in re.findall(
            r"`((?:tests|gencourse|docs)/[\w/.]+\.(?:py|md|toml))`", text
        ):
            assert "NN" in path or (ROOT / path).exists(), (page.name, path)


def test_the_syllabus_has_a_part_for_every_unit():
    assert set(tomllib.loads((ROOT / "docs" / "syllabus.toml").read_text())) == set(UNITS)


def test_the_glossary_is_in_order():
    text = (ROOT / "docs" / "glossary.md").read_text()
    terms = [term.lower() for term in re.findall(r"^(\S.*)\n: ", text, re.MULTILINE)]
    assert len(terms) > 20 and terms == sorted(terms, key=lambda t: re.sub("[^a-z]", "", t))
