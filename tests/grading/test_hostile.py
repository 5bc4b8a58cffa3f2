"""No broken or hostile submission gets an undeserved mark, harms the host or costs another one."""

import copy
import csv
import json
import os
import re
import tempfile
import time
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from nbconvert.filters import markdown2html_mistune
from nbformat.v4 import new_code_cell
from rich.console import Console

from gencourse.course import Course
from gencourse.grading import export, sandbox
from gencourse.grading.grade_one import grade_one
from gencourse.grading.report import table_of
from gencourse.grading.sandbox import Limits

from ..conftest import SMALL_UNIT
from .attacks import DAEMON_SECONDS, LEAK, MARKUP, TOKEN
from .conftest import needs_sandbox
from .hostile import FULL, NAMES, cases
from .test_inert import Page

pytestmark = [pytest.mark.kernel, needs_sandbox]
CASES = cases(Course(Path("/course")))
TRICKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize("name", CASES)
def test_it_ends_as_it_deserves(graded, name):
    case, record = cases(graded.course)[name], graded.records[name]
    scores = {cell: test["score"] for cell, test in record["tests"].items()}
    assert scores == FULL | case.scores, record
    assert record["status"] == case.status, record["reasons"]
    words = case.says if isinstance(case.says, dict) else {"test-kl-normal-values": case.says}
    for cell, said in words.items():
        assert said in record["tests"][cell]["says"]
    for reason in case.reasons:
        assert any(reason in r for r in record["reasons"]), record["reasons"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("truncated", "not readable"),
        ("a-list", "not a notebook"),
        ("deep", "nested too deeply"),
        ("binary", "not"),
        ("another-release", "does not know"),
        ("spoofed-release", r"\x1b[31m\u202eright"),
        ("another-notebook", "no cell of this homework"),
        ("no-cells", "no list of cells"),
        ("gigantic", "larger than 16 MiB"),
        ("many-lists", "too many values"),
        ("long-cells", "million characters"),
        ("many-cells", "5000 cells"),
        ("links", "link"),
        ("zip-that-climbs", "leads out of"),
        ("zip-with-a-root", "leads out of"),
        ("zip-with-a-link", "link"),
        ("zip-bomb", "larger than 16 MiB"),
        ("zip-in-a-zip", "no notebook"),
        ("zip-of-many", "files"),
        ("zip-with-an-escape", "notebook"),
        ("zip-cut-short", "zip"),
        ("zip-of-a-dot", "no notebook"),
        ("zip-without-a-name", "no notebook"),
        (NAMES["formula"], "not a notebook"),
        (NAMES["homoglyph"], "not a notebook"),
    ],
)
def test_what_cannot_be_read_is_not_gradable_and_no_zero(graded, name, reason):
    record = graded.records[name]
    assert record["status"] == "not gradable"
    assert reason in record["reasons"][0]
    assert record["score"] is None and record["tests"] == {}


def test_everyone_has_a_record_of_their_own(graded):
    students = [r["student"] for r in graded.result.records]
    assert len(students) == len(list(graded.folder.iterdir()))
    assert len({s.casefold() for s in students}) == len(students)
    assert all(re.fullmatch(r"[\w@+-][\w.@+-]{0,99}", s) for s in students)


def test_nothing_is_left_running_on_the_host(graded):
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(path.read_bytes())
        except OSError:
            continue
    assert not any(str(DAEMON_SECONDS).encode() in command for command in commands)


def test_nothing_on_the_host_has_changed(graded):
    assert graded.before == graded.after
    places = ["/", "/tmp", "/var/tmp", "/dev/shm", "/etc", "/root", Path.home(), os.getcwd()]
    places += [tempfile.gettempdir(), graded.course.root, sandbox.PACKAGE.parent]
    assert not [p for p in places if os.path.lexists(Path(p) / TOKEN)]
    assert not list(graded.course.root.rglob(f"*{TOKEN}*"))


def test_a_worker_stays_small_and_never_imports_torch(graded):
    peaks = {r["origin"]: r["peak_mib"] or 0 for r in graded.records.values()}
    assert max(peaks.values()) < 250, max(peaks, key=peaks.get)


def test_a_submission_that_takes_its_time_takes_no_more_than_its_own(package, solved):
    limits = Limits(cell_seconds=2, total_seconds=3)
    slow = copy.deepcopy(solved)
    slow.cells[3:3] = [new_code_cell("import time; time.sleep(1)") for _ in range(30)]
    began = time.monotonic()
    result = grade_one(json.dumps(slow).encode(), replace(package, limits=limits))
    assert time.monotonic() - began < 30
    assert {test["score"] for test in result["tests"].values()} == {0.0}
    assert "takes too long" in result["tests"]["test-kl-normal-values"]["says"]


def test_cells_that_did_harm_are_named(graded):
    for name in ("exits-in-a-cell", "ignores-interrupts", "sends-a-million-messages"):
        assert any("left out" in note for note in graded.records[name]["notes"]), name
    assert any("numpy.py" in note for note in graded.records["shadows-numpy"]["notes"])


class Tags(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_pages_hold_nothing_of_a_student_that_a_browser_would_run(graded):
    text = graded.report.read_text()
    assert "&lt;script&gt;alert(1)" in text
    for path in [graded.report, *graded.feedback]:
        text = path.read_text()
        page = Tags()
        page.feed(text)
        assert not page.tags & {"script", "b onclick", "img", "iframe", "link"}, path
        assert not any(name.startswith("on") for name in page.attributes), path
        assert MARKUP not in text
        assert not re.search(r"(src|href)\s*=", text), "a page fetches nothing"


def test_no_page_or_table_shows_what_does_not_show_as_itself(graded):
    assert not TRICKS.search(graded.report.read_text())
    shown = Console(file=StringIO(), width=300)
    shown.print(table_of(graded.result))
    assert not TRICKS.search(shown.file.getvalue())


def test_an_export_holds_no_formula_and_no_tricks(graded, tmp_path):
    made = export(graded.course, SMALL_UNIT, tmp_path / "marks.csv")
    text = Path(made).read_text(encoding="utf-8-sig", errors="surrogateescape")
    assert not TRICKS.search(text)
    for row in csv.reader(StringIO(text)):
        assert not [field for field in row if field.startswith(("=", "+", "-", "@", "\t"))]


def artefacts(graded):
    """Return every text that a student or a person is shown."""
    pages = [*graded.feedback, graded.report]
    pages += graded.course.autograded.rglob("*.ipynb")
    pages += graded.course.reports.rglob("*.json")
    return {path: path.read_text(encoding="utf-8", errors="replace") for path in pages}


def test_nothing_that_is_shown_holds_a_value_of_a_hidden_case(graded, package):
    release = package.releases[package.current]
    hidden, public = (
        set(re.findall(r"\d\.\d{6,}", json.dumps(cases["exercises"])))
        for cases in (release.hidden, release.public)
    )
    assert len(hidden - public) > 20
    for path, text in artefacts(graded).items():
        found = set(re.findall(r"\d\.\d{6,}", text.replace("_", ".")))
        assert not (hidden - public) & found, path


def test_nothing_is_told_in_the_name_of_an_exception(graded):
    record = graded.records["tells-hidden-inputs"]
    assert LEAK not in json.dumps([record["tests"], record["reasons"], record["notes"]])


def test_graded_notebooks_show_the_diagnosis_and_stay_small(graded):
    student = graded.records["honest-mistakes"]["student"]
    path = graded.course.autograded / student / SMALL_UNIT / f"{SMALL_UNIT}_homework.ipynb"
    cells = {c["id"]: c for c in json.loads(path.read_text())["cells"] if "id" in c}
    assert cells["test-kl-normal-values"]["outputs"][0]["ename"] == "CheckFailed"
    assert all("HIDDEN" not in text for text in artefacts(graded).values())
    sizes = [p.stat().st_size for p in graded.course.autograded.rglob("*.ipynb")]
    assert max(sizes) < 32 << 20


def test_formgrader_shows_nothing_that_a_browser_would_run(graded):
    student = graded.records["unicode-and-nul"]["student"]
    path = graded.course.autograded / student / SMALL_UNIT / f"{SMALL_UNIT}_homework.ipynb"
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "markdown"]
    text = "".join(markdown2html_mistune("".join(c["source"])) for c in cells)
    assert "alert(1)" in text
    assert not Page(text).found
