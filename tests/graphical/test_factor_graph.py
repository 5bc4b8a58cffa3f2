"""Factor graphs against the lecture's numbers and enumeration."""

import itertools
import math

import pytest
import torch

from gencourse.graphical.examples import lunch_graph, random_bayes_net, red_blue_network
from gencourse.graphical.factor import Factor
from gencourse.graphical.factor_graph import FactorGraph, frustrated_cycle

from .random_graphs import assert_same, by_enumeration, enumerate_states, grid, random_tree


def test_lunch_of_the_lecture():
    lunch = lunch_graph()
    assert lunch.log_partition().exp().item() == pytest.approx(399.43, rel=1e-12)
    assert lunch.product()[{"first": "tuna", "second": "ice cream"}].item() == pytest.approx(4.2)
    right = lunch.log_prob(torch.tensor([[3, 2]])).exp().item()
    assert right == pytest.approx(4.2 / 399.43, rel=1e-12) and round(right, 6) == 0.010515
    joint = lunch.joint()
    assert joint[{"first": "tuna", "second": "ice cream"}].item() == pytest.approx(right)
    assert joint.values.sum().item() == pytest.approx(1.0)
    assert lunch.is_tree()


def test_lunch_and_the_mistakes_that_students_make():
    """The wrong answers really come out as the ones that reveal them."""
    first, second, pair = (factor.values for factor in lunch_graph().factors())
    forgotten = first / first.sum(), second / second.sum()
    assert (forgotten[0][3] * forgotten[1][2]).item() == pytest.approx(0.1578, abs=5e-5)
    local = pair[3] * second / (pair[3] * second).sum()
    chosen = first[3] / first.sum()
    assert (chosen * local[2]).item() == pytest.approx(0.0399, abs=5e-5)


GRAPHS = [lunch_graph, lambda: random_tree(0), lambda: random_tree(1, zeros=True, parts=2, num=4)]
GRAPHS += [lambda: grid(2, 4), frustrated_cycle]


@pytest.mark.parametrize("make", GRAPHS)
def test_exact_inference_by_enumeration(make):
    graph = make()
    last = graph.variables[-1]
    for evidence in (None, {last: 0}, {graph.variables[0]: 1}):
        marginals, log_z, log_max = by_enumeration(graph, evidence)
        assert_same(graph.marginals(evidence), marginals)
        torch.testing.assert_close(graph.log_partition(evidence), log_z)
        best = graph.map(evidence)
        assert all(best[name] == state for name, state in (evidence or {}).items())
        x = torch.tensor([list(best[name] for name in graph.variables)])
        torch.testing.assert_close(graph.log_potential(x)[0], log_max)
    assert graph.log_prob(enumerate_states(graph)).exp().sum().item() == pytest.approx(1.0)


def test_query_is_the_marginal_of_the_joint():
    graph = grid(2, 3, seed=4)
    pair = graph.query(["g12", "g00"], {"g01": torch.tensor([0, 1])})
    assert pair.values.shape == (2, 2, 2)
    joint = graph.joint()
    for row in (0, 1):
        expected = joint.reduce({"g01": row}).normalize().marginal(["g12", "g00"])
        torch.testing.assert_close(pair.values[row], expected.values)
    single = graph.query("g00")
    torch.testing.assert_close(single.values, graph.marginals()["g00"])


def test_sampler_frequencies_agree_with_log_prob():
    graph = grid(2, 2, seed=1)
    n = 20_000
    x = graph.sample(n, generator=torch.manual_seed(0))
    assert x.shape == (n, 4) and x.dtype == torch.long
    weights = torch.tensor([8, 4, 2, 1])
    counts = torch.bincount((x * weights).sum(1), minlength=16)
    expected = n * graph.log_prob(enumerate_states(graph)).exp()
    statistic = ((counts - expected).square() / expected).sum().item()
    assert statistic < 15 + 5 * math.sqrt(30)  # chi-squared with 15 degrees of freedom
    given = graph.sample(500, condition={"g01": 1}, generator=torch.manual_seed(0))
    assert (given[:, 1] == 1).all()


def test_bayes_net_becomes_a_factor_graph():
    net = red_blue_network()
    graph = FactorGraph.from_bayes_net(net)
    assert graph.factor_names == ("p(x1)", "p(x2|x1)", "p(x3)", "p(x4|x2,x3)", "p(x5|x3)")
    assert graph.log_partition().item() == pytest.approx(0.0, abs=1e-12)
    x = torch.tensor(list(itertools.product([0, 1], repeat=5)))
    torch.testing.assert_close(graph.log_prob(x), net.log_prob(x))
    assert graph.states == net.states and graph.is_tree()
    evidence = {"x4": "red", "x2": "blue"}
    assert_same(graph.marginals(evidence), net.marginals(evidence))
    explaining = graph.marginals(evidence)["x3"][0].item()
    assert explaining == pytest.approx(0.75)
    loopy = random_bayes_net(6, max_parents=3, seed=3)
    columns = list(loopy.variables)
    graph = FactorGraph.from_bayes_net(loopy)
    x = loopy.sample(20, generator=torch.manual_seed(0))
    order = [columns.index(name) for name in graph.variables]
    torch.testing.assert_close(graph.log_prob(x[:, order]), loopy.log_prob(x))
    assert not graph.is_tree()


def test_mrf_becomes_a_factor_graph():
    """Local and global normalisation differ: the potentials sum to 1, the product does not."""
    table = [[0.4, 0.1], [0.2, 0.3]]
    graph = FactorGraph.from_mrf({"a": [0.5, 0.5], ("a", "b"): table, ("b", "c"): table})
    assert graph.factor_names == ("psi(a)", "psi(a,b)", "psi(b,c)")
    z = sum(0.5 * table[a][b] * table[b][c] for a, b, c in itertools.product([0, 1], repeat=3))
    assert graph.log_partition().exp().item() == pytest.approx(z) and abs(z - 1) > 0.5
    named = FactorGraph.from_mrf({"a": [1.0, 3.0]}, states={"a": ("no", "yes")})
    assert named.map({}) == {"a": 1} and named.marginals({"a": "no"})["a"].tolist() == [1, 0]


def test_structure():
    lunch = lunch_graph()
    graph = lunch.graph
    assert graph.nodes["first"]["kind"] == "variable" and graph.nodes["f3"]["kind"] == "factor"
    assert sorted(graph.neighbors("f3")) == ["first", "second"]
    assert lunch.event_shape == (2,) and lunch.num_parameters() == 4 + 4 + 16
    assert lunch.factor("f1").variables == ("first",)
    twice = FactorGraph([Factor(scope, torch.ones(2, 2)) for scope in (("a", "b"), ("b", "a"))])
    assert not twice.is_tree()  # two factors over one pair make a cycle
    assert not frustrated_cycle().is_tree() and random_tree(0, parts=3).is_tree()
    single = FactorGraph([Factor(["a"], torch.ones(2, dtype=torch.float32))])
    assert single.log_partition().dtype == torch.float32


def test_log_partition_differentiates_to_the_marginals():
    """d log Z / d log psi(x) is the probability of the factor's states."""
    log_table = torch.randn(2, 3, dtype=torch.float64, generator=torch.manual_seed(0))
    log_table.requires_grad_()
    graph = FactorGraph(
        [Factor(["a", "b"], log_table.exp()), Factor(["b", "c"], [[1, 2], [3, 1], [0.5, 4]])]
    )
    (gradient,) = torch.autograd.grad(graph.log_partition(), log_table)
    torch.testing.assert_close(gradient, graph.query(["a", "b"]).values.detach())


def test_a_long_product_does_not_underflow():
    factors = [Factor([f"x{i}", f"x{i + 1}"], torch.full((2, 2), 1e-9)) for i in range(400)]
    graph = FactorGraph(factors)
    expected = 401 * math.log(2) + 400 * math.log(1e-9)
    assert graph.log_partition().item() == pytest.approx(expected, rel=1e-6)
    assert graph.log_prob(torch.zeros(1, 401, dtype=torch.long)).item() == pytest.approx(
        -401 * math.log(2), rel=1e-3
    )


@pytest.mark.parametrize("num", [3, 4, 5])
def test_frustrated_cycle_in_closed_form(num):
    """x1 is sigmoid(field) whatever the coupling, and Z = 2 cosh(h/2) (trace of the ring) / 2."""
    coupling, field = 0.8, 1.3
    graph = frustrated_cycle(num, coupling=coupling, field=field)
    assert graph.marginals()["x1"][1].item() == pytest.approx(1 / (1 + math.exp(-field)))
    trace = (2 * math.cosh(coupling)) ** num - (2 * math.sinh(coupling)) ** num
    assert graph.log_partition().exp().item() == pytest.approx(math.cosh(field / 2) * trace)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FactorGraph([]), "no factors"),
        (lambda: FactorGraph([Factor(["a"], [1, 1]), Factor(["a"], [1, 1, 1])]), "'a' has 2"),
        (lambda: FactorGraph([Factor(["a"], torch.ones(3, 2))]), "batch of 3"),
        (lambda: FactorGraph([Factor(["a"], [1, 1])], names=["a"]), "name 'a' is given to 2"),
        (lambda: FactorGraph([Factor(["a"], [1, 1])], names=["f", "g"]), "each of 1 factors"),
        (lambda: FactorGraph([Factor(["a"], [1, 1])], states={"b": "xy"}), "variable 'b'"),
        (lambda: FactorGraph.from_mrf({"a": [1, -1]}), "-1"),
        (lambda: frustrated_cycle(2), "num is 2"),
        (lambda: lunch_graph().marginals({"third": 0}), "'third'"),
        (lambda: lunch_graph().marginals({"first": 4}), "'first' holds state 4"),
        (lambda: lunch_graph().query(["third"]), "'third'"),
        (lambda: lunch_graph().log_prob(torch.zeros(2, 3, dtype=torch.long)), r"shape \(2, 3\)"),
        (lambda: lunch_graph().factor("f9"), "unknown factor 'f9'"),
        (lambda: FactorGraph([Factor(["a"], [1, 0])]).log_partition({"a": 1}), "a=1.*probability"),
        (lambda: FactorGraph([Factor(["a"], [0, 0])]).log_partition(), "probability 0"),
    ],
)
def test_bad_input_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
