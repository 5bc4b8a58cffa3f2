"""Bayesian networks against enumeration, the curriculum's numbers, and a class of bad inputs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gencourse.graphical import BayesNet, set_memory_limit
from gencourse.graphical.examples import (
    alarm_network,
    lunch_factors,
    random_bayes_net,
    random_chain,
    red_blue_network,
    sprinkler_network,
    student_network,
)
from tests.graphical.enumeration import clamped, joint_of, marginal_of

RED, BLUE = 0, 1
NETWORKS = [student_network, red_blue_network, sprinkler_network, alarm_network]


@pytest.fixture
def net():
    return red_blue_network()


def every_state(net):
    return torch.cartesian_prod(*(torch.arange(k) for k in net.cardinalities.values()))


# ---- the lectures' numbers ----------------------------------------------------------------------


def test_parameters_of_the_red_blue_network(net):
    assert net.num_parameters() == 10  # 31 for the joint, 20 table entries, 5 nodes
    assert student_network().num_parameters() == 1 + 1 + 8 + 2 + 3


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({"x4": "red"}, 0.5795),
        ({"x4": RED, "x2": RED}, 0.4839),
        ({"x4": RED, "x2": "blue"}, 0.75),
        ({}, 0.6),
    ],
)
def test_explaining_away(net, evidence, expected):
    assert round(float(net.query("x3", evidence).values[RED]), 4) == expected
    assert round(float(net.marginals(evidence)["x3"][RED]), 4) == expected


def test_most_probable_state_is_not_the_most_probable_of_each(net):
    assert net.map() == {"x1": BLUE, "x2": BLUE, "x3": RED, "x4": RED, "x5": RED}
    best = torch.tensor([[BLUE, BLUE, RED, RED, RED]])
    each = torch.tensor([[int(p.argmax()) for p in net.marginals().values()]])
    assert each.tolist() == [[BLUE, RED, RED, RED, RED]]
    np.testing.assert_allclose(net.log_prob(best).exp(), [0.0756], rtol=1e-12)
    np.testing.assert_allclose(net.log_prob(each).exp(), [0.0630], rtol=1e-12)


def test_both_codings_of_the_observed_slide(net):
    """Deck 002's P(x2, x5 | x1=0, x3=1, x4=1), read with 0 red and with 0 blue."""
    red_first = net.query(("x2", "x5"), {"x1": RED, "x3": BLUE, "x4": BLUE})
    np.testing.assert_allclose(red_first.marginal("x2").values[RED], 0.4, rtol=1e-12)
    np.testing.assert_allclose(red_first.marginal("x5").values[RED], 0.4, rtol=1e-12)
    blue_first = net.query(("x2", "x5"), {"x1": BLUE, "x3": RED, "x4": RED})
    np.testing.assert_allclose(blue_first.marginal("x2").values[RED], 5 / 11, rtol=1e-12)
    np.testing.assert_allclose(blue_first.marginal("x5").values[RED], 0.7, rtol=1e-12)


def test_lunch():
    """Z = 399.43 and P(tuna, ice cream) = 6 * 7 * 0.1 / Z, from the product of the potentials."""
    first, second, pair = lunch_factors()
    table = first * second * pair
    np.testing.assert_allclose(float(table.values.sum()), 399.43)
    chosen = table.normalize()[{"first": "tuna", "second": "ice cream"}]
    np.testing.assert_allclose(float(chosen), 4.2 / 399.43)


def test_burglar_alarm_of_the_textbook():
    """Russell & Norvig: P(burglary | John and Mary call) = 0.284."""
    both = alarm_network().marginals({"john": "yes", "mary": "yes"})
    assert round(float(both["burglary"][1]), 3) == 0.284


# ---- enumeration --------------------------------------------------------------------------------


@pytest.mark.parametrize("make", NETWORKS)
def test_log_prob_is_the_joint(make):
    net = make()
    x = every_state(net)
    _, joint = joint_of(net.factors())
    log_prob = net.log_prob(x)
    assert log_prob.shape == (len(x),) and log_prob.dtype == torch.float64
    np.testing.assert_allclose(log_prob.exp().sum(), 1)
    variables, _ = joint_of(net.factors())
    assert net.joint().variables == net.variables
    np.testing.assert_allclose(
        net.joint().values, marginal_of(variables, joint, net.variables), atol=1e-14
    )
    np.testing.assert_allclose(log_prob.exp(), net.joint().values.flatten(), rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 3), st.integers(2, 3), st.integers(0, 9999), st.data())
def test_random_networks_agree_with_enumeration(num, max_parents, cardinality, seed, data):
    net = random_bayes_net(num, max_parents=max_parents, cardinality=cardinality, seed=seed)
    variables, joint = joint_of(net.factors())
    observed = data.draw(st.lists(st.sampled_from(variables), unique=True, max_size=3))
    evidence = {name: data.draw(st.integers(0, cardinality - 1)) for name in observed}
    probability = clamped(variables, joint, evidence).sum()
    joint = clamped(variables, joint, evidence)
    np.testing.assert_allclose(net.log_partition(evidence), math.log(probability), atol=1e-12)
    marginals = net.marginals(evidence)
    assert tuple(marginals) == net.variables
    for name in variables:
        np.testing.assert_allclose(
            marginals[name], marginal_of(variables, joint, [name]), atol=1e-12
        )
    rest = [name for name in variables if name not in evidence]
    query = data.draw(st.permutations(rest))[:2]
    found = net.query(query, evidence)
    assert found.variables == tuple(query)
    np.testing.assert_allclose(found.values, marginal_of(variables, joint, query), atol=1e-12)
    state = net.map(evidence)
    assert {name: state[name] for name in evidence} == evidence
    np.testing.assert_allclose(joint[tuple(state[v] for v in variables)], joint.max())


def test_batched_evidence_equals_one_row_at_a_time():
    net = random_bayes_net(12, seed=5, cardinality=3)
    generator = torch.Generator().manual_seed(0)
    rows = {name: torch.randint(3, (7,), generator=generator) for name in ("x3", "x11", "x7")}
    marginals, states = net.marginals(rows), net.map(rows)
    query, log_p = net.query(("x10", "x0"), rows), net.log_partition(rows)
    assert log_p.shape == (7,) and query.batch_size == 7
    for b in range(7):
        single = {name: int(s[b]) for name, s in rows.items()}
        torch.testing.assert_close(log_p[b], net.log_partition(single))
        torch.testing.assert_close(query.values[b], net.query(("x10", "x0"), single).values)
        for name, probs in net.marginals(single).items():
            torch.testing.assert_close(marginals[name][b], probs)
        assert {name: int(s[b]) for name, s in states.items()} == net.map(single)
    one = net.marginals({"x3": torch.tensor([1])})
    assert all(p.shape == (1, 3) for p in one.values())
    np.testing.assert_array_equal(one["x3"], [[0, 1, 0]])


def test_nothing_observed_and_everything_observed(net):
    assert float(net.log_partition()) == 0 and net.log_partition().shape == ()
    state = net.map()
    x = torch.tensor([[state[name] for name in net.variables]])
    torch.testing.assert_close(net.log_partition(state), net.log_prob(x)[0])
    assert net.marginals(state)["x2"].tolist() == [0, 1]
    assert net.map(state) == state
    columns = dict(zip(net.variables, every_state(net).T, strict=True))
    torch.testing.assert_close(net.log_partition(columns), net.log_prob(every_state(net)))


# ---- sampling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [None, {"x4": BLUE, "x5": RED}])
def test_samples_agree_with_probabilities(net, condition):
    n = 40_000
    x = net.sample(n, condition=condition, generator=torch.Generator().manual_seed(0))
    assert x.shape == (n, 5) and x.dtype == torch.long
    states = every_state(net)
    code = (x * 2 ** torch.arange(4, -1, -1)).sum(1)
    found = torch.bincount(code, minlength=32) / n
    exact = net.log_prob(states).exp()
    if condition:
        agree = (states[:, 3] == BLUE) & (states[:, 4] == RED)
        exact = exact * agree / exact[agree].sum()
    assert (found - exact).abs().max() < 5 * (0.25 / n) ** 0.5
    again = net.sample(n, condition=condition, generator=torch.Generator().manual_seed(0))
    assert torch.equal(x, again)


def test_one_sample_for_each_row_of_evidence(net):
    rows = torch.arange(30_000) % 2
    x = net.sample(30_000, condition={"x4": rows}, generator=torch.Generator().manual_seed(0))
    assert torch.equal(x[:, 3], rows)
    for state in (0, 1):
        exact = float(net.query("x3", {"x4": state}).values[0])
        assert abs(float((x[rows == state, 2] == 0).double().mean()) - exact) < 0.02
    assert net.sample(0).shape == (0, 5)


# ---- precision, gradients, size -----------------------------------------------------------------


def test_a_chain_of_two_thousand_variables_does_not_underflow():
    """log P(all observations) is about -3000 nats; the oracle is a log-space recursion."""
    generator = torch.Generator().manual_seed(0)
    hidden = random_chain(1000, cardinality=3, seed=1)
    cpds = {name: (hidden.parents(name), hidden.cpd(name)) for name in hidden.variables}
    emission = torch.rand(3, 20, generator=generator).double()
    emission = emission / emission.sum(1, keepdim=True)
    for i in range(1000):
        cpds[f"y{i}"] = ((f"x{i}",), emission)
    net = BayesNet(cpds)
    assert len(net.variables) == 2000
    y = torch.randint(20, (1000,), generator=generator)
    log_forward = hidden.cpd("x0").log() + emission[:, y[0]].log()
    for i in range(1, 1000):
        log_forward = torch.logsumexp(log_forward[:, None] + hidden.cpd(f"x{i}").log(), 0)
        log_forward = log_forward + emission[:, y[i]].log()
    evidence = {f"y{i}": int(y[i]) for i in range(1000)}
    log_p = net.log_partition(evidence)
    assert log_p < -2500
    torch.testing.assert_close(log_p, log_forward.logsumexp(0), rtol=1e-12, atol=0)
    torch.testing.assert_close(net.marginals(evidence)["x999"], log_forward.softmax(0))
    state = net.map(evidence)
    assert net.log_prob(torch.tensor([[state[v] for v in net.variables]])).isfinite()


def test_thousands_of_features_under_one_parent():
    generator = torch.Generator().manual_seed(0)
    tables = torch.rand(3000, 2, 2, generator=generator).double()
    tables = tables / tables.sum(-1, keepdim=True) * 1e-3  # the third state takes the rest
    tables = torch.cat([tables, 1 - tables.sum(-1, keepdim=True)], -1)
    net = BayesNet({"y": ((), [0.3, 0.7])} | {f"x{i}": (("y",), t) for i, t in enumerate(tables)})
    evidence = {f"x{i}": 0 for i in range(3000)}
    log_joint = torch.tensor([0.3, 0.7]).double().log() + tables[:, :, 0].log().sum(0)
    torch.testing.assert_close(net.log_partition(evidence), log_joint.logsumexp(0))
    torch.testing.assert_close(net.marginals(evidence)["y"], log_joint.softmax(0))


def test_gradients_are_those_of_enumeration():
    logits = [torch.randn(2), torch.randn(2, 3), torch.randn(2, 3, 2)]
    logits = [t.double().requires_grad_() for t in logits]

    def build(a, b, c):
        return BayesNet(
            {
                "a": ((), a.softmax(-1)),
                "b": (("a",), b.softmax(-1)),
                "c": (("a", "b"), c.softmax(-1)),
            }
        )

    rows = torch.tensor([0, 1, 1])
    assert torch.autograd.gradcheck(lambda *t: build(*t).log_partition({"c": rows}), logits)
    assert torch.autograd.gradcheck(lambda *t: build(*t).marginals({"c": rows})["a"], logits)
    assert torch.autograd.gradcheck(lambda *t: build(*t).query(("b", "a")).values, logits)
    assert torch.autograd.gradcheck(lambda *t: build(*t).marginals()["c"], logits)
    x = torch.tensor([[0, 2, 1], [1, 0, 0]])
    assert torch.autograd.gradcheck(lambda *t: build(*t).log_prob(x), logits)
    assert torch.autograd.gradgradcheck(lambda *t: build(*t).log_partition({"c": 1}), logits)


def test_a_cpd_is_learnt_by_gradient_from_partial_observations(net):
    """Only x4 and x2 are seen; the gradient of log P(evidence) recovers p(x2 | x1 = either)."""
    target = net.query(("x2", "x4"))
    logits = torch.zeros(2, 2).double().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [logits], max_iter=100, tolerance_grad=1e-12, tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )  # fmt: skip
    cells = torch.cartesian_prod(torch.arange(2), torch.arange(2))
    evidence = {"x2": cells[:, 0], "x4": cells[:, 1]}
    weights = target.values.flatten()
    cpds = {name: (net.parents(name), net.cpd(name)) for name in net.variables}

    def loss():
        optimiser.zero_grad()
        learnt = BayesNet(cpds | {"x2": (("x1",), logits.softmax(-1))})
        value = -(weights * learnt.log_partition(evidence)).sum()
        value.backward()
        return value

    optimiser.step(loss)
    entropy = -(weights * weights.log()).sum()
    torch.testing.assert_close(loss().detach(), entropy)  # the best possible: no divergence left
    learnt = BayesNet(cpds | {"x2": (("x1",), logits.detach().softmax(-1))})
    torch.testing.assert_close(learnt.query(("x2", "x4")).values, target.values)


def test_a_table_changed_in_place_is_seen():
    table = torch.tensor([[0.7, 0.3], [0.5, 0.5]]).double()
    net = BayesNet({"a": ((), [0.4, 0.6]), "b": (("a",), table)})
    before = net.marginals()["b"]
    with torch.no_grad():
        table.copy_(torch.tensor([[0.1, 0.9], [0.2, 0.8]]))
    after = net.marginals()["b"]
    np.testing.assert_allclose(after, [0.4 * 0.1 + 0.6 * 0.2, 0.4 * 0.9 + 0.6 * 0.8])
    assert not torch.equal(before, after)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_follows_the_tables(dtype):
    source = random_bayes_net(8, seed=2, cardinality=3)
    net = BayesNet({v: (source.parents(v), source.cpd(v).to(dtype)) for v in source.variables})
    rows = {"x7": torch.tensor([0, 1])}
    exact = source.marginals(rows)
    for name, probs in net.marginals(rows).items():
        assert probs.dtype == dtype
        np.testing.assert_allclose(probs, exact[name], atol=1e-5 if dtype == torch.float32 else 0)
    assert net.log_partition(rows).dtype == dtype
    assert net.query("x0", rows).values.dtype == dtype
    assert net.log_prob(net.sample(3, condition={"x7": 0})).dtype == dtype


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_device_follows_the_tables():
    source = random_bayes_net(8, seed=2, cardinality=3)
    net = BayesNet({v: (source.parents(v), source.cpd(v).cuda()) for v in source.variables})
    rows = {"x7": torch.tensor([0, 1]), "x2": 1}
    for name, probs in net.marginals(rows).items():
        assert probs.is_cuda
        torch.testing.assert_close(probs.cpu(), source.marginals(rows)[name])
    assert net.log_partition(rows).is_cuda and net.query("x0", rows).values.is_cuda
    samples = net.sample(5, condition={"x7": 0})
    assert samples.is_cuda and net.sample(5).is_cuda
    assert net.log_prob(samples).is_cuda
    assert net.map(rows)["x0"].is_cuda


def test_the_joint_of_a_large_network_is_refused():
    with pytest.raises(ValueError, match=r"entries over 60 variables .*x0"):
        random_chain(60).joint()
    set_memory_limit(100_000)
    try:
        with pytest.raises(ValueError, match="over 9 variables"):
            random_chain(9, cardinality=4).joint()
    finally:
        set_memory_limit(None)


# ---- structure ----------------------------------------------------------------------------------


def test_order_parents_children_and_graph():
    half = [[0.5, 0.5], [0.5, 0.5]]
    net = BayesNet({"c": ("b", half), "b": (("a",), half), "z": ((), [1, 0]), "a": ((), [1, 0])})
    assert net.variables == ("z", "a", "b", "c")
    assert net.parents("c") == ("b",) and net.children("a") == ("b",)
    assert sorted(net.graph.edges) == [("a", "b"), ("b", "c")]
    assert net.event_shape == (4,)
    assert repr(net) == "BayesNet(p(z) p(a) p(b|a) p(c|b))"


# ---- bad input ----------------------------------------------------------------------------------

HALF = [0.5, 0.5]


@pytest.mark.parametrize(
    ("cpds", "words"),
    [
        ({"a": (("b",), [HALF, HALF]), "b": (("a",), [HALF, HALF])}, "cycle: .*a -> b|b -> a"),
        ({"a": (("a",), [HALF, HALF])}, "cycle: a -> a"),
        ({"a": ((), [0.5, 0.6])}, "CPD of 'a' sums to 1.1; expected 1"),
        (
            {"a": ((), HALF), "b": (("a",), [HALF, [0.2, 0.7]])},
            "CPD of 'b' sums to 0.9 at a=1; expected 1",
        ),
        ({"a": ((), [0.5, 0.500002])}, "'a' sums to 1"),
        ({"a": ((), [-0.25, 1.25])}, "CPD of 'a'.* holds -0.25 at a=0"),
        ({"a": ((), [float("nan"), 1])}, "CPD of 'a'.* holds nan at a=0"),
        ({"a": (("q",), [HALF, HALF])}, "'a' has the parent 'q', which has no CPD"),
        (
            {"a": ((), HALF), "b": (("a",), [HALF, HALF, HALF])},
            r"CPD of 'b' has shape \(3, 2\); expected \(2, 2\): axes a, b",
        ),
        ({"a": ((), HALF), "b": (("a",), HALF)}, "CPD of 'b'"),
        ({"a": ((), [HALF, HALF])}, r"CPD of 'a' has shape \(2, 2\)"),
        ({"a": ((), HALF), "b": (("a", "a"), [[HALF, HALF], [HALF, HALF]])}, "names 'a' twice"),
        ({}, "at least one variable"),
    ],
)
def test_bad_tables_are_named(cpds, words):
    with pytest.raises(ValueError, match=words):
        BayesNet(cpds)


def test_sums_within_the_tolerance_are_accepted():
    BayesNet({"a": ((), [0.5, 0.5 + 5e-7])})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda n: n.marginals({"x9": 0}), "unknown variable 'x9'"),
        (lambda n: n.query("x9"), "unknown variable 'x9'"),
        (lambda n: n.query("x1", {"x1": 0}), "'x1' is asked for"),
        (lambda n: n.cpd("x9"), "unknown variable 'x9'"),
        (lambda n: n.map({"x1": 2}), "'x1' holds state 2; its states are 0 to 1"),
        (lambda n: n.map({"x1": "green"}), "'x1' is 'green'; its states are red, blue"),
        (lambda n: n.map({"x1": torch.zeros(2, 2).long()}), r"'x1' has shape \(2, 2\)"),
        (lambda n: n.map({"x1": torch.tensor([0.0, 1.0])}), "a state is an integer"),
        (
            lambda n: n.marginals({"x1": torch.tensor([0, 1]), "x2": torch.tensor([0])}),
            "'x2' has 1 rows, but 'x1' has 2 rows",
        ),
        (lambda n: n.log_prob(torch.zeros(3, 4).long()), r"shape \(3, 4\); expected \(B, 5\)"),
        (lambda n: n.log_prob(torch.full((1, 5), 2)), "'x1' holds state 2"),
        (lambda n: n.log_prob(torch.zeros(1, 5)), "'x1'"),
        (lambda n: n.sample(3, condition={"x1": torch.tensor([0, 1])}), "2 rows, but n is 3"),
        (lambda n: n.d_separated("x1", "x9"), "unknown variable 'x9'"),
    ],
)
def test_bad_calls_are_named(net, call, words):
    with pytest.raises(ValueError, match=words):
        call(net)


@pytest.mark.parametrize(
    "call",
    [
        lambda net, e: net.marginals(e),
        lambda net, e: net.query("cloudy", e),
        lambda net, e: net.map(e),
        lambda net, e: net.log_partition(e),
        lambda net, e: net.sample(3, condition=e),
    ],
)
def test_impossible_evidence_is_named(call):
    """Grass is never wet with neither sprinkler nor rain."""
    net = sprinkler_network()
    with pytest.raises(ValueError, match="evidence sprinkler=0, rain=0, wet=1 has probability 0"):
        call(net, {"sprinkler": 0, "rain": "no", "wet": 1})
    rows = {"sprinkler": torch.tensor([1, 0, 0]), "rain": torch.tensor([0, 1, 0]), "wet": 1}
    with pytest.raises(ValueError, match=r"sprinkler=0, rain=0, wet=1 \(row 2\) has prob"):
        call(net, rows)
