"""Library calls are found through imports and aliases, and nothing else is."""

import pytest

from gencourse.authoring.library_calls import LibraryCall, library_calls

SETUP = ["import torch\nimport torch.nn.functional as F\nfrom gencourse import graphical as g"]


@pytest.mark.parametrize(
    ("answer", "discouraged", "found"),
    [
        (
            "def f(x):\n    return torch.logsumexp(x, 0)",
            "torch.logsumexp",
            [(2, "torch.logsumexp")],
        ),
        ("y = F.softmax(x)", "torch.softmax", [(1, "torch.nn.functional.softmax")]),
        ("lse = torch.logsumexp\ny = lse(x)", "torch.logsumexp", [(1, None), (2, None)]),
        ("from torch import logsumexp as l\ny = l(x)", "torch.logsumexp", [(1, None), (2, None)]),
        ("import torch as t\ny = t.logsumexp(x)", "torch.logsumexp", [(2, None)]),
        ("y = x.logsumexp(0)", ".logsumexp", [(1, ".logsumexp")]),
        ("y = g.BayesNet(c).query(['a'])", "gencourse.graphical.BayesNet", [(1, None)]),
        ("y = g.BayesNet(c).query(['a'])", ".query", [(1, ".query")]),
        (
            "from gencourse.graphical.bayes_net import BayesNet",
            "gencourse.graphical.BayesNet",
            [(1, None)],
        ),
        ("y = g.variable_elimination(f)", "gencourse.graphical", [(1, None)]),
        ("y = torch.exp(x).sum()", "torch.logsumexp", []),
        ("def logsumexp(x):\n    return x\ny = logsumexp(x)", "torch.logsumexp", []),
        ("# torch.logsumexp\ny = 'torch.logsumexp'", "torch.logsumexp", []),
        ("def f(:", "torch.logsumexp", []),
    ],
)
def test_library_calls(answer, discouraged, found):
    calls = library_calls(answer, [discouraged], setup=SETUP)
    assert [
        (c.line, c.name if name else None) for c, (_, name) in zip(calls, found, strict=True)
    ] == found


def test_the_set_up_cell_itself_is_not_flagged():
    setup = [*SETUP, "torch.logsumexp"]
    assert library_calls("x = 1", ["torch.logsumexp"], setup=setup) == []
    assert library_calls("torch.logsumexp", ["torch.logsumexp"], setup=setup) == [
        LibraryCall(1, "torch.logsumexp")
    ]


def test_a_hostile_source_is_only_parsed():
    assert library_calls("(" * 100_000, ["torch"]) == []
    assert library_calls("x = " + "-" * 50_000 + "1", ["torch"]) == []
    assert library_calls("import os; os._exit(1)", ["os._exit"]) == [LibraryCall(1, "os._exit")]
