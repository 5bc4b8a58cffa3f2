"""Broken and hostile submissions, each with what it must end as.

Every one is the solved homework with a part replaced, so an attack that costs another exercise its
points is seen too. Attacks that need no interpreter of their own share a notebook, one an
exercise.
"""

import copy
import io
import json
import zipfile
from dataclasses import dataclass, field

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from ..conftest import SMALL_UNIT
from . import attacks as a

KL = {"test-kl-normal-values": 0.0, "test-kl-normal-scale": 0.0}
DEAD = dict.fromkeys(KL)  # no fair mark: a person has to look
COUNTER = {"test-counting-counts": 0.0, "test-counting-smoothing": 0.0}
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
KL_RIGHT = "0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(-1)"
MARKUP, DAEMON_SECONDS, TOKEN = a.MARKUP, a.DAEMON_SECONDS, a.TOKEN


@dataclass
class Case:
    """A submission and its end.

    Args:
        cells: solution cells to replace, by exercise id.
        extra: a code cell put before the first exercise, or several.
        last: a code cell put at the end.
        scores: scores that differ from full marks.
        status: `graded`, `flagged` or `not gradable`.
        says: words in the diagnosis of tests; a string is for `test-kl-normal-values`.
        reasons: words among the reasons of a flag.
        change: changes the notebook in place.
    """

    cells: dict = field(default_factory=dict)
    extra: str | list = ""
    last: str = ""
    scores: dict = field(default_factory=dict)
    status: str = "graded"
    says: str | dict = ""
    reasons: tuple = ()
    change: object = None


def kl(body, head=""):
    return {"kl-normal": define("kl", body, head)}


def define(name, body, head=""):
    """Return the source of a function `name` that takes anything."""
    signature = "mu, logvar" if name == "kl" else "*args, **kwargs"
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"{head}\ndef {name}({signature}):\n{lines}\n"


def tampered(patch, *names, scores=KL, **more):
    """Return a wrong answer whose patch hides nothing and is seen."""
    return Case(kl("return mu", patch), scores=scores, status="flagged", reasons=names, **more)


def cases(course, public=()):
    """Return the submissions by name.

    Args:
        course: where the files are that they try to reach.
        public: the first number of each public case of `kl-normal`, which students know.
    """
    gradebook, reference = course.gradebook, course.source(SMALL_UNIT, "exercises")
    return interpreter() | host(course) | answers(gradebook, reference, list(public)) | notebooks()


def interpreter():
    """Return attacks on what runs and judges in the kernel."""
    return {
        "drops-asserts": tampered(a.DROP_ASSERTS, "ast_transformers"),
        "patches-ast-parse": tampered(a.PATCH_AST_PARSE, "compile.ast_parse"),
        "silences-the-shell": tampered(a.PATCH_SHELL, "run_cell", "showtraceback"),
        "patches-torch-and-numpy": tampered(
            a.PATCH_LIBRARIES, "torch.allclose", "torch.Tensor.__eq__", "numpy.allclose"
        ),
        "patches-json": Case(kl("return mu", a.PATCH_JSON), scores=KL),  # the kernel falls silent
        "patches-json-politely": tampered(a.PATCH_JSON_POLITELY, "json.dumps", scores=NOTHING),
        "patches-the-judge": tampered(a.PATCH_JUDGE, "judge.judge"),
        "patches-the-adapter": tampered(a.PATCH_ADAPTER, "adapter.reply", scores=NOTHING),
        "swaps-code": tampered(a.SWAP_CODE, "adapter.reply", scores=NOTHING),
        "replaces-modules": tampered(a.REPLACE_MODULES, "tampered with", scores=NOTHING),
        "patches-encode": tampered(a.PATCH_ENCODE, "adapter.encode", scores=NOTHING),
        "patches-user-expressions": tampered(a.PATCH_EXPRESSIONS, "tampered with", scores=NOTHING),
        "patches-the-kernel": tampered(a.PATCH_KERNEL, "tampered with", scores=NOTHING),
        "patches-the-display": tampered(a.PATCH_DISPLAY, "tampered with", scores=NOTHING),
        "busy-but-honest": Case(extra=a.BUSY),
    }


def host(course):
    """Return attacks on the machine, the grader's process and other submissions."""
    write = a.WRITE_EVERYWHERE.replace("WRITE_TO", repr(str(course.root)))
    return {
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
        "loops-in-c": Case(
            {**kl(a.REGEX_LOOP), "inverse-cdf": define("draw", a.C_LOOP)},
            scores={**KL, "test-inverse-cdf-states": 0.0},
            says="stopped after 3 s",
        ),
        "ignores-interrupts": Case(
            extra="import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
        ),
        "prints-200-mb": Case(extra="print('x' * 200_000_000)"),
        "sends-a-million-messages": Case(
            extra="from IPython.display import display\nfor i in range(10**6): display(i)"
        ),
        "prints-in-every-cell": Case(extra=["print('\\U0001f600' * 240_000)"] * 40),
        "sends-large-messages": Case(extra=a.LARGE_MESSAGES),
        "forges-messages": Case(extra=a.FORGED_MESSAGES),
        "shadows-numpy": Case(extra="open('numpy.py', 'w').write('raise RuntimeError')"),
        "forks-and-forks": Case(extra=a.FORK_BOMB),
        "fills-the-shared-folder": Case(extra=a.FILL_SHARED_FOLDER),
        "leaves-things-behind": Case(
            extra=[a.DAEMON, write, a.SHELL_ESCAPES, a.BASH, a.LINKS_OUT, a.ODDITIES],
        ),
    }


def answers(gradebook, reference, public):
    """Return attacks by what an answer does or returns, one an exercise."""
    steal = f"import runpy\nreturn runpy.run_path({str(reference)!r})"
    edit = f"import sqlite3\nsqlite3.connect({str(gradebook)!r}).execute('delete from grade')"
    head, body, later = a.leak(public, KL_RIGHT)
    return {
        "honest": Case(),
        "looks-around": Case(
            {
                **kl(a.READ_DISK),
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
        "looks-at-frames-and-neighbours": Case(
            {
                **kl(a.LOOK_AT_FRAMES),
                "counting": define("Counter", "return input('the answer, please: ')"),
                "log-normaliser": define("log_normaliser", "import getpass\ngetpass.getpass()"),
                "inverse-cdf": define("draw", a.PEEK),
                "logistic": define("train", "import sys\nreturn sys.stdin.read()"),
            },
            scores=NOTHING,
            says={
                "test-kl-normal-values": "no expected output in sight",
                "test-inverse-cdf-states": "nobody is here",
            },
        ),
        "lies-about-equality": Case(
            {
                **kl("return mu.sum(-1).as_subclass(Liar)", a.LYING_TENSOR),
                "counting": define("Counter", "return Table()", a.LYING_SCALARS),
                "log-normaliser": define("log_normaliser", "return Word('0')", a.LYING_SCALARS),
                "inverse-cdf": define("draw", "return np.zeros(20).view(Liar)", a.LYING_ARRAY),
                "logistic": define("train", "return Table(weight=1)", a.LYING_SCALARS),
            },
            scores=NOTHING,
        ),
        "knows-the-public-cases": Case(
            {
                **kl(a.memorise(public, KL_RIGHT) + "return mu.sum(-1)"),
                "counting": "calls = []\n" + define("Counter", "calls.append(1)\nreturn calls"),
            },
            scores=KL | COUNTER,
            says="wrong on a hidden case",
        ),
        "tells-hidden-inputs": Case(
            kl(body, head),
            last=later,
            scores=KL,
            says="wrong on a hidden case: your answer raises an exception",
        ),
        "kills-on-hidden-cases": Case(
            kl(a.memorise(public, KL_RIGHT) + "import os\nos._exit(1)"),
            scores=DEAD,
            status="flagged",
            says="wrong on a hidden case: a call of kl ended the kernel",
        ),
        "goes-round-the-flag": Case(
            kl("return mine(mu, logvar)"),
            extra="from torch.distributions import Normal, kl_divergence as helper\n"
            "def mine(mu, logvar):\n"
            "    q = Normal(mu, (logvar / 2).exp())\n"
            "    return helper(q, Normal(0 * mu, 1 + 0 * mu)).sum(-1)",
            status="flagged",
            reasons=("its helper mine uses torch.distributions",),
        ),
        "checks-itself-by-the-library": Case(
            extra="from torch.distributions import Normal, kl_divergence\n"
            "q = Normal(torch.ones(2), torch.ones(2))\n"
            "assert kl_divergence(q, q).sum() == 0"
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
        "stranger-values": Case(
            {
                **kl("return {'float': 'nan'}"),
                "counting": define("Counter", f"raise type({a.SPOOF!r}, (Exception,), {{}})('x')"),
                "log-normaliser": define("log_normaliser", f"raise ValueError({a.SPOOF!r})"),
                "inverse-cdf": define("draw", "return ['nan', 10 ** 5000, float('inf')] * 9"),
                "logistic": define("train", f"return {{{a.SPOOF!r} * 50_000: 1.0}}"),
            },
            scores=NOTHING,
            says={"test-log-normaliser-gradient": r"\x1b[31m\u202eright\u202c\x00"},
        ),
        "forges-replies": Case(
            extra=a.FORGE_REPLIES,
            scores=NOTHING,
            status="flagged",
            reasons=("adapter.reply",),
        ),
    }


def notebooks():
    """Return honest answers in notebooks that were tampered with or damaged."""
    return {
        "forged-metadata": Case(change=forge_metadata),
        "duplicated-ids": Case(change=lambda nb: [setattr(c, "id", "same") for c in nb.cells]),
        "unicode-and-nul": Case(change=odd_text),
        "large-metadata": Case(change=lambda nb: nb.metadata.update(x=[["a", 1]] * 60_000)),
    }


def forge_metadata(nb):
    for cell in nb.cells:
        ours = cell.metadata.get("nbgrader")
        if ours:
            ours.update(points=1000, locked=False, grade=True, checksum="0" * 32)
        if ours and cell.id.startswith("test-"):
            cell.source = "pass"
    nb.metadata["celltoolbar"] = nb.metadata["widgets"] = {"x": 10**4000}
    nb.metadata["kernelspec"] = {"name": "bash", "language": "bash", "display_name": "evil"}
    nb.metadata["nbgrader"] = {"score": 1000, "extra_credit": 5}


def odd_text(nb):
    nb.cells.insert(2, new_code_cell(f"'''{a.SPOOF[:-1]} \ud800'''"))
    nb.cells.insert(2, new_markdown_cell(f"{a.SPOOF} \udfff {MARKUP} [x](java&#115;cript:y)"))
    nb.cells.append(new_code_cell("x = '\x00'"))


NAMES = {  # of students; nothing of theirs needs a kernel
    "markup": f"<b onclick='alert(1)'>{MARKUP[:-9]}",
    "formula": "=cmd()",
    "turned": "\u202egnp.exe\u202c",
    "escape": "\x1b]0;owned\x07\x1b[2J",
    "homoglyph": "h\u043enest",  # with a Cyrillic o
    "upper": "SWAPS-CODE",
    "dots": "...",
    "bytes": "not-\udcff-utf8",  # a byte of a file name that is no UTF-8
    "long": "n" * 200,
}


def hand_in(folder, solved, course, public=()):
    """Write every submission in nbgrader's layout."""
    for name, case in cases(course, public).items():
        nb = copy.deepcopy(solved)
        for cell in nb.cells:
            cell.source = case.cells.get(cell.id, cell.source)
        extra = [case.extra] if isinstance(case.extra, str) else case.extra
        for source in reversed([s for s in extra if s]):
            nb.cells.insert(3, new_code_cell(source))
        if case.last:
            nb.cells.append(new_code_cell(case.last))
        if case.change:
            case.change(nb)
        write(folder, name, json.dumps(nb))
    write(folder, NAMES["markup"], nbformat.writes(solved, version=4))
    for name in list(NAMES.values())[1:]:
        write(folder, name, "[1, 2]")
    (folder / "shadows-numpy" / SMALL_UNIT / "numpy.py").write_text("raise RuntimeError")
    for name, data in unreadable(solved).items():
        write(folder, name, data)
    for name, data in zips().items():
        (folder / name).mkdir()
        (folder / name / "homework.zip").write_bytes(data)
    link = folder / "links" / SMALL_UNIT
    link.mkdir(parents=True)
    (link / f"{SMALL_UNIT}_homework.ipynb").symlink_to(course.built(SMALL_UNIT, "homework"))


def unreadable(solved):
    """Return files that cannot be graded."""
    text = nbformat.writes(solved, version=4)
    stranger = copy.deepcopy(solved)
    stranger.metadata["gencourse"]["release"] = "0123456789ab"
    spoof = copy.deepcopy(solved)
    spoof.metadata["gencourse"]["release"] = a.SPOOF
    other = nbformat.v4.new_notebook(cells=[new_code_cell("print('my essay')")])
    bomb = '{"cells": [], "metadata": {"x": [' + "[]," * 5_000_000 + "[]]}}"
    wordy = copy.deepcopy(solved)
    wordy.cells.insert(3, new_code_cell("# " + "x" * 3_000_000))
    crowd = {"cells": [new_code_cell("1")] * 5000, "metadata": {}, "nbformat": 4}
    return {
        "truncated": text[: len(text) // 2],
        "a-list": "[1, 2]",
        "deep": "[" * 200_000,
        "binary": b"\xff\xfe\x00\x01",
        "another-release": nbformat.writes(stranger, version=4),
        "spoofed-release": nbformat.writes(spoof, version=4),
        "another-notebook": nbformat.writes(other, version=4),
        "no-cells": json.dumps({"cells": "none"}),
        "gigantic": b" " * (17 << 20),
        "many-lists": bomb,
        "long-cells": nbformat.writes(wordy, version=4),
        "many-cells": json.dumps(crowd),
    }


def zips():
    """Return zips that hold no notebook to be graded."""
    name = f"{SMALL_UNIT}_homework.ipynb"
    link = zipfile.ZipInfo(name)
    link.external_attr = 0o120777 << 16
    return {
        "zip-that-climbs": zipped({f"../../../{name}": "{}"}),
        "zip-with-a-root": zipped({f"/etc/{TOKEN}.ipynb": "{}"}),
        "zip-with-a-link": zipped({link: "/etc/passwd"}),
        "zip-bomb": zipped({name: b" " * (300 << 20)}),
        "zip-in-a-zip": zipped({"a.zip": zipped({"b.zip": zipped({name: "{}"})})}),
        "zip-of-many": zipped({f"{i}.txt": "x" for i in range(1000)}),
        "zip-with-an-escape": zipped({"\x1b[2J\u202e.ipynb": "{", "b.ipynb": "{"}),
        "zip-cut-short": zipped({name: "{}"})[:60],
        "zip-of-a-dot": zipped({".": "x"}),
        "zip-without-a-name": zipped({"QQ": "x"}).replace(b"QQ", b"\0x"),
    }


def zipped(files):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return memory.getvalue()


def write(folder, name, data):
    path = folder / name / SMALL_UNIT / f"{SMALL_UNIT}_homework.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
