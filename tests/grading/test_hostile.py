"""No broken or hostile submission gets an undeserved mark, harms the host or costs another one."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gencourse.course import Course

from ..conftest import SMALL_UNIT
from .conftest import needs_sandbox
from .hostile import DAEMON_SECONDS, FULL, MARKUP, cases

pytestmark = [pytest.mark.kernel, needs_sandbox]
CASES = cases(Course(Path("/course")))


@pytest.mark.parametrize("name", CASES)
def test_it_ends_as_it_deserves(graded, name):
    case, record = cases(graded.course)[name], graded.records[name]
    scores = {cell: test["score"] for cell, test in record["tests"].items()}
    assert scores == FULL | case.scores, record
    assert record["status"] == case.status, record["reasons"]
    words = case.says if isinstance(case.says, dict) else {"test-kl-normal-values": case.says}
    for cell, said in words.items():
        assert said in record["tests"][cell]["says"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("truncated", "not readable"),
        ("a-list", "not a notebook"),
        ("deep", "nested too deeply"),
        ("binary", "not UTF-8"),
        ("another-release", "does not know"),
        ("another-notebook", "no cell of this homework"),
        ("no-cells", "no list of cells"),
        ("links", "is a link"),
    ],
)
def test_what_cannot_be_read_is_not_gradable_and_no_zero(graded, name, reason):
    record = graded.records[name]
    assert record["status"] == "not gradable"
    assert reason in record["reasons"][0]
    assert record["score"] is None and record["tests"] == {}


def test_nothing_is_left_running_on_the_host(graded):
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(path.read_bytes())
        except OSError:
            continue
    assert not any(str(DAEMON_SECONDS).encode() in command for command in commands)


def test_a_worker_stays_small_and_never_imports_torch(graded):
    assert max(r["peak_mib"] or 0 for r in graded.records.values()) < 250


def test_cells_that_did_harm_are_named(graded):
    for name in ("exits-in-a-cell", "ignores-interrupts", "sends-a-million-messages"):
        assert any("left out" in note for note in graded.records[name]["notes"]), name
    assert "not used: numpy.py" in graded.records["shadows-numpy"]["notes"]


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


def test_feedback_holds_no_value_of_a_hidden_case(graded, package):
    hidden = package.releases[package.current].hidden["exercises"]
    numbers = set(re.findall(r"\d\.\d{6,}", json.dumps(hidden)))
    assert numbers
    for path in graded.feedback:
        assert not numbers & set(re.findall(r"\d\.\d{6,}", path.read_text()))


def test_graded_notebooks_hold_no_hidden_case_and_show_the_diagnosis(graded):
    student = graded.records["honest-mistakes"]["student"]
    path = graded.course.autograded / student / SMALL_UNIT / f"{SMALL_UNIT}_homework.ipynb"
    cells = {c["id"]: c for c in json.loads(path.read_text())["cells"] if "id" in c}
    assert cells["test-kl-normal-values"]["outputs"][0]["ename"] == "CheckFailed"
    assert "HIDDEN" not in path.read_text()
