"""Discouraged library calls are found through helpers, and not where a student only checks."""

import pytest

from gencourse.grading.library_uses import LONGEST, uses_of
from gencourse.grading.package import Release

ANSWER = {"nbgrader": {"grade_id": "kl", "solution": True, "grade": False, "locked": False}}
SETUP = "import torch\nfrom torch import distributions as D"


def code(source, metadata=None):
    return {"cell_type": "code", "metadata": metadata or {}, "source": source}


def uses(answer, *own):
    exercise = {"answer": "kl", "discouraged": ["torch.distributions"], "tests": {}}
    notebook = {"cells": [code(SETUP), code("", ANSWER)]}
    release = Release(notebook, {"exercises": {"kl": exercise}}, {})
    return uses_of([code(SETUP), *map(code, own), code(answer, ANSWER)], release)


def test_a_call_in_the_answer_is_found_by_its_line():
    assert uses("def kl(q, p):\n    return D.kl_divergence(q, p)") == [
        "kl: line 2 uses torch.distributions.kl_divergence"
    ]


@pytest.mark.parametrize(
    "own",
    [
        ["def mine(q, p):\n    return D.kl_divergence(q, p)"],
        ["mine = D.kl_divergence"],
        ["from torch.distributions import kl_divergence as k", "mine = lambda q, p: k(q, p)"],
        ["def mine(q, p):\n    return other(q, p)", "class other:\n    f = D.kl_divergence"],
    ],
)
def test_a_call_in_a_helper_of_the_answer_is_found(own):
    found = uses("def kl(q, p):\n    return mine(q, p)", *own)
    assert len(found) == 1 and "its helper" in found[0] and "kl_divergence" in found[0]


def test_a_student_may_check_an_answer_by_the_library():
    own = "def check(q, p):\n    assert kl(q, p) == D.kl_divergence(q, p)\ncheck(1, 2)"
    assert uses("def kl(q, p):\n    return q - p", own) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("kl = 1\n" + "#" * LONGEST, "too long"),
        ("kl = a" + ".a" * 700, "too deeply"),
        ("def kl(:", None),
        ("x = '\0'", None),
    ],
)
def test_what_cannot_be_searched_is_said(answer, words):
    found = uses(answer)
    assert len(found) == (words is not None)
    assert words is None or words in found[0]


def test_helpers_that_call_each_other_end():
    each_other = "def a(q): return b(q)\ndef b(q): return a(q)"
    assert uses("def kl(q):\n    return a(q)", each_other) == []
