"""Broken and hostile submissions, each with what it must end as.

Every one is the solved homework with a part replaced, so an attack that costs another exercise its
points is seen too.
"""

import copy
import json
from dataclasses import dataclass, field

import nbformat
from nbformat.v4 import new_code_cell

from ..conftest import SMALL_UNIT

KL = {"test-kl-normal-values": 0.0, "test-kl-normal-scale": 0.0}
DEAD = dict.fromkeys(KL)  # no fair mark: a person has to look
FULL = {
    "test-kl-normal-values": 2.0,
    "test-kl-normal-scale": 1.0,
    "test-counting-counts": 1.0,
    "test-counting-smoothing": 1.0,
    "test-log-normaliser-gradient": 2.0,
    "test-inverse-cdf-states": 1.0,
    "test-logistic-likelihood": 3.0,
}
NOTHING = dict.fromkeys(FULL, 0.0)
MARKUP = "<script>alert(1)</script>"
DAEMON_SECONDS = 987654


@dataclass
class Case:
    """A submission and its end.

    Args:
        cells: solution cells to replace, by exercise id.
        extra: a code cell put before the first exercise.
        scores: scores that differ from full marks.
        status: `graded`, `flagged` or `not gradable`.
        says: words in the diagnosis of tests; a string is for `test-kl-normal-values`.
    """

    cells: dict = field(default_factory=dict)
    extra: str = ""
    scores: dict = field(default_factory=dict)
    status: str = "graded"
    says: str | dict = ""


def kl(body, head=""):
    return {"kl-normal": define("kl", body, head)}


def define(name, body, head=""):
    """Return the source of a function `name` that takes anything."""
    signature = "mu, logvar" if name == "kl" else "*args, **kwargs"
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"{head}\ndef {name}({signature}):\n{lines}\n"


PATCH_JUDGE = """
import sys
import gencourse.exercises as E
import gencourse.exercises.judge as J
for name in ("judge", "judge_test", "judge_reply", "judge_outputs"):
    setattr(J, name, lambda *a, **k: J.Verdict(True))
check = E.check = lambda *a, **k: None
sys.modules["gencourse.exercises.check"] = None
"""
PATCH_ADAPTER = """
import gencourse.exercises.adapter as A
A.reply = lambda answer, request: '{"ok": 0.0}'
"""
PATCH_JSON = """
import json
json.dumps = lambda *a, **k: '{"ok": true}'
"""
LIAR = """
import torch
class Liar(torch.Tensor):
    def __eq__(self, other): return True
    def __bool__(self): return True
"""
DROP_ASSERTS = """
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
get_ipython().ast_transformers.append(Drop())
"""
DAEMON = f"""
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{DAEMON_SECONDS}"])
    os._exit(0)
"""
FORK_BOMB = """
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(600)
    except OSError:
        break
"""
READ_DISK = """
import os
found = []
for base, folders, files in os.walk("/"):
    if base.split("/")[1:2] in (["proc"], ["usr"], ["dev"]) or "site-packages" in base:
        folders[:] = []
        continue
    found += [f for f in files if f.endswith(("_exercises.py", "_homework.ipynb", ".db"))]
    found += [f for f in folders if f in ("secret", "submitted", "autograded", "solutions")]
if found:
    raise RuntimeError(f"SAW {found}")
raise LookupError("nothing to see")
"""


def cases(course):
    """Return the submissions by name."""
    gradebook, reference = course.gradebook, course.source(SMALL_UNIT, "exercises")
    steal = f"import runpy\nreturn runpy.run_path({str(reference)!r})"
    edit = f"import sqlite3\nsqlite3.connect({str(gradebook)!r}).execute('delete from grade')"
    return {
        "honest": Case(),
        "patches-the-judge": Case(kl("return mu", PATCH_JUDGE), scores=KL, says="shape"),
        "patches-the-adapter": Case(kl("return mu", PATCH_ADAPTER), scores=NOTHING),
        "patches-json": Case(kl("return mu", PATCH_JSON), scores=KL),  # the kernel falls silent
        "lies-about-equality": Case(kl("return mu.sum(-1).as_subclass(Liar)", LIAR), scores=KL),
        "drops-asserts": Case(kl("return mu", DROP_ASSERTS), scores=KL, status="flagged"),
        "exits-in-the-answer": Case(
            kl("import os\nos._exit(0)"), scores=DEAD, status="flagged", says="ended the kernel"
        ),
        "exits-in-a-cell": Case(extra="import os\nos._exit(0)"),
        "exits-in-its-cell": Case(
            {"kl-normal": "import os\nos._exit(0)"}, scores=DEAD, status="flagged"
        ),
        "loops-in-the-answer": Case(
            kl("while True:\n    pass"), scores=KL, says="stopped after 3 s"
        ),
        "ignores-interrupts": Case(
            extra="import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
        ),
        "prints-200-mb": Case(extra="print('x' * 200_000_000)"),
        "sends-a-million-messages": Case(
            extra="from IPython.display import display\nfor i in range(10**6): display(i)"
        ),
        "shadows-numpy": Case(extra="open('numpy.py', 'w').write('raise RuntimeError')"),
        "forks-and-forks": Case(extra=FORK_BOMB),
        "leaves-a-daemon": Case(extra=DAEMON),
        "looks-around": Case(
            {
                **kl(READ_DISK),
                "counting": define("Counter", steal),
                "log-normaliser": define("log_normaliser", edit),
                "inverse-cdf": define("draw", "return bytearray(20 << 30)"),
                "logistic": define(
                    "train", "import urllib.request as u\nu.urlopen('http://1.1.1.1')"
                ),
            },
            scores=NOTHING,
            says={
                "test-kl-normal-values": "LookupError: nothing to see",
                "test-counting-counts": "FileNotFoundError",
                "test-log-normaliser-gradient": "OperationalError",
                "test-inverse-cdf-states": "MemoryError",
                "test-logistic-likelihood": "URLError",
            },
        ),
        "honest-mistakes": Case(
            {
                **kl(f"raise ValueError({MARKUP!r})"),
                "counting": "class Counter:",
                "log-normaliser": "wrong_name = 1",
                "inverse-cdf": define("draw", "raise SystemExit(0)"),
                "logistic": "raise NotImplementedError",
            },
            scores=NOTHING,
            says={
                "test-kl-normal-values": MARKUP,
                "test-counting-counts": "Counter is not defined: its cell raises",
                "test-log-normaliser-gradient": "log_normaliser is not defined",
                "test-inverse-cdf-states": "SystemExit",
                "test-logistic-likelihood": "NotImplementedError",
            },
        ),
        "strange-values": Case(
            {
                **kl("return mu.sum(-1) * float('nan')"),
                "counting": define("Counter", "return print"),
                "log-normaliser": define("log_normaliser", "return [[0.5] * 1000] * 2000"),
                "inverse-cdf": define(
                    "draw", "out = 0.0\nfor _ in range(5000): out = [out]\nreturn out"
                ),
                "logistic": define("train", "return {'weight': 'x' * 9_000_000}"),
            },
            scores=NOTHING,
            says={"test-kl-normal-values": "NaN"},
        ),
    }


def hand_in(folder, solved, course):
    """Write every submission in nbgrader's layout."""
    for name, case in cases(course).items():
        nb = copy.deepcopy(solved)
        for cell in nb.cells:
            cell.source = case.cells.get(cell.id, cell.source)
        if case.extra:
            nb.cells.insert(3, new_code_cell(case.extra))
        write(folder, name, nbformat.writes(nb, version=4))
    write(folder, f"<b onclick='alert(1)'>{MARKUP[:-9]}", nbformat.writes(solved, version=4))
    (folder / "shadows-numpy" / SMALL_UNIT / "numpy.py").write_text("raise RuntimeError")
    for name, data in unreadable(solved, course).items():
        write(folder, name, data)
    link = folder / "links" / SMALL_UNIT
    link.mkdir(parents=True)
    (link / f"{SMALL_UNIT}_homework.ipynb").symlink_to(course.built(SMALL_UNIT, "homework"))


def unreadable(solved, course):
    """Return files that cannot be graded."""
    text = nbformat.writes(solved, version=4)
    stranger = copy.deepcopy(solved)
    stranger.metadata["gencourse"]["release"] = "0123456789ab"
    other = nbformat.v4.new_notebook(cells=[new_code_cell("print('my essay')")])
    return {
        "truncated": text[: len(text) // 2],
        "a-list": "[1, 2]",
        "deep": "[" * 200_000,
        "binary": b"\xff\xfe\x00\x01",
        "another-release": nbformat.writes(stranger, version=4),
        "another-notebook": nbformat.writes(other, version=4),
        "no-cells": json.dumps({"cells": "none"}),
    }


def write(folder, name, data):
    path = folder / name / SMALL_UNIT / f"{SMALL_UNIT}_homework.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
