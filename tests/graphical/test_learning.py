"""Tables by counting: hand counts, a loop, and the likelihood of every other table."""

import pytest
import torch

from gencourse.graphical.bayes_net import BayesNet
from gencourse.graphical.learning import count_table, fit_cpds

GRAPH = {"a": (), "c": ("a", "b"), "b": ()}  # the columns' order, not a topological one


def data(rows=300):
    generator = torch.Generator().manual_seed(0)
    a = torch.randint(2, (rows,), generator=generator)
    b = torch.randint(3, (rows,), generator=generator)
    c = (a + b + torch.randint(2, (rows,), generator=generator)) % 4
    return torch.stack([a, c, b], 1)


def log_likelihood(net, x, columns):
    order = [columns.index(name) for name in net.variables]
    return net.log_prob(x[:, order]).sum()


def test_counts_are_those_of_a_loop():
    x = data(50)
    expected = torch.zeros(2, 4, 3, dtype=torch.float64)
    for row in x.tolist():
        expected[tuple(row)] += 1
    assert torch.equal(count_table(x, [2, 4, 3]), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_tables_are_ratios_of_counts(smoothing):
    x = data()
    net = fit_cpds(GRAPH, x, smoothing=smoothing)
    a, c, b = x.T
    for i in range(2):
        for j in range(3):
            here = (a == i) & (b == j)
            for k in range(4):
                count = (here & (c == k)).sum().item()
                expected = (count + smoothing) / (here.sum().item() + 4 * smoothing)
                assert net.cpd("c")[i, j, k].item() == pytest.approx(expected)
    assert net.cpd("a")[1].item() == pytest.approx(
        (a.sum().item() + smoothing) / (len(x) + 2 * smoothing)
    )


def test_no_other_tables_are_likelier():
    x = data()
    net = fit_cpds(GRAPH, x)
    best = log_likelihood(net, x, list(GRAPH))
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        cpds = {}
        for name, family in GRAPH.items():
            table = (
                net.cpd(name) * (0.3 * torch.randn(net.cpd(name).shape, generator=generator)).exp()
            )
            cpds[name] = (family, table / table.sum(-1, keepdim=True))
        assert log_likelihood(BayesNet(cpds), x, list(GRAPH)) < best


def test_recovers_the_network_that_made_the_data():
    cpds = {"a": ((), [0.3, 0.7]), "b": (("a",), [[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])}
    truth = BayesNet(cpds)
    x = truth.sample(50_000, generator=torch.Generator().manual_seed(0))
    net = fit_cpds({"a": (), "b": ("a",)}, x)
    for name in ("a", "b"):
        torch.testing.assert_close(net.cpd(name), truth.cpd(name), atol=0.02, rtol=0)


def test_a_parent_state_never_seen_gets_a_uniform_row():
    x = torch.tensor([[0, 1], [0, 1], [0, 0]])
    net = fit_cpds({"a": (), "b": ("a",)}, x, cardinalities=[2, 2])
    assert net.cpd("b")[1].tolist() == [0.5, 0.5]
    assert net.cpd("b")[0].tolist() == pytest.approx([1 / 3, 2 / 3])
    one_row = fit_cpds({"a": ()}, torch.tensor([[1.0]]))
    assert one_row.cpd("a").tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parents": {"a": (), "b": ("z",), "c": ()}}, "'z' of 'b'"),
        ({"parents": {"a": ()}}, r"x has shape \(300, 3\), expected \(B, 1\)"),
        ({"parents": {"a": ("b",), "b": ("a",), "c": ()}}, "cycl"),
        ({"smoothing": -1.0}, "smoothing is -1"),
        ({"cardinalities": [2, 3, 3]}, r"x\[:, 1\] holds 3, expected states 0..2"),
        ({"cardinalities": [2, 4]}, "cardinalities has 2 entries"),
        ({"x": torch.full((300, 3), -1)}, r"x\[0, 0\] is -1"),
        ({"x": torch.full((300, 3), 0.5)}, r"x\[0, 0\] is 0.5"),
        ({"x": torch.full((300, 3), torch.nan)}, r"x\[0, 0\] is nan"),
    ],
)
def test_bad_input_is_named(change, words):
    arguments = {"parents": GRAPH, "x": data(), **change}
    parents, x = arguments.pop("parents"), arguments.pop("x")
    with pytest.raises(ValueError, match=words):
        fit_cpds(parents, x, **arguments)
