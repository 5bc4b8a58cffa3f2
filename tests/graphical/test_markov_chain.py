"""Markov chains against enumeration, counting by hand, closed forms and pgmpy."""

import itertools
import math

import numpy as np
import pytest
import torch

from gencourse.graphical.markov_chain import MarkovChain


def dirichlet(*shape, seed):
    tables = np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])
    return torch.from_numpy(tables)


def make_chain(order, num_states, length, *, homogeneous, seed=0):
    initial = dirichlet(num_states**order, seed=seed).reshape((num_states,) * order)
    steps = () if homogeneous else (length - order,)
    transition = dirichlet(*steps, *(num_states,) * (order + 1), seed=seed + 1)
    return MarkovChain(initial, transition, order=order, length=length)


CHAINS = [(1, 3, 5, True), (1, 2, 6, False), (2, 3, 5, True), (2, 2, 6, False), (3, 2, 6, True)]
CHAINS += [(2, 2, 2, True), (1, 3, 1, True)]  # no step at all


@pytest.fixture(params=CHAINS, ids=str)
def chain(request):
    order, num_states, length, homogeneous = request.param
    return make_chain(order, num_states, length, homogeneous=homogeneous)


def enumerate_states(chain):
    K, (T,) = chain.num_states, chain.event_shape
    return torch.tensor(list(itertools.product(range(K), repeat=T)))


def posterior_by_enumeration(chain, evidence):
    """Return the marginals (T, K), log P(evidence) and the largest log-probability."""
    x = enumerate_states(chain)
    keep = torch.ones(len(x), dtype=torch.bool)
    for name, state in evidence.items():
        keep &= x[:, int(name[1:]) - 1] == state
    p = chain.log_prob(x).exp() * keep
    one_hot = torch.nn.functional.one_hot(x, chain.num_states).double()
    marginals = (p[:, None, None] * one_hot).sum(0) / p.sum()
    return marginals, p.sum().log(), p.max().log()


def test_log_prob_is_the_product_of_the_lecture(chain):
    x = enumerate_states(chain)
    k = chain.order
    by_hand = []
    for row in x.tolist():
        p = chain.initial[tuple(row[:k])]
        for t in range(k, len(row)):
            table = chain.transition if chain.homogeneous else chain.transition[t - k]
            p = p * table[tuple(row[t - k : t + 1])]
        by_hand.append(p)
    torch.testing.assert_close(chain.log_prob(x).exp(), torch.stack(by_hand))
    assert chain.log_prob(x).exp().sum().item() == pytest.approx(1.0)


def test_marginals_partition_and_map_by_enumeration(chain):
    (T,) = chain.event_shape
    for evidence in ({}, {"x1": 1}, {f"x{T}": 0}, {"x1": 0, f"x{max(1, T - 1)}": 0}):
        marginals, log_partition, best = posterior_by_enumeration(chain, evidence)
        found = chain.marginals(evidence)
        assert list(found) == list(chain.variables)
        torch.testing.assert_close(torch.stack(list(found.values())), marginals)
        torch.testing.assert_close(
            chain.log_partition(evidence), log_partition, atol=1e-12, rtol=1e-9
        )
        assignment = chain.map(evidence)
        assert all(assignment[name] == state for name, state in evidence.items())
        path = torch.tensor([list(assignment.values())])
        assert chain.log_prob(path).item() == pytest.approx(best.item())


def test_batch_with_missing_observations(chain):
    (T,) = chain.event_shape
    K = chain.num_states
    generator = torch.manual_seed(3)
    x = torch.randint(-1, K, (6, T), generator=generator)
    marginals = chain.marginals(x)
    log_partition, best = chain.log_partition(x), chain.map(x)
    for row in range(len(x)):
        evidence = {f"x{t + 1}": int(s) for t, s in enumerate(x[row]) if s >= 0}
        expected, log_z, top = posterior_by_enumeration(chain, evidence)
        torch.testing.assert_close(torch.stack([m[row] for m in marginals.values()]), expected)
        assert log_partition[row].item() == pytest.approx(log_z.item(), abs=1e-12)
        path = torch.stack([states[row] for states in best.values()])[None]
        assert chain.log_prob(path).item() == pytest.approx(top.item())
    states = torch.arange(K)
    named = chain.marginals({"x1": states})
    assert named["x1"].tolist() == torch.eye(K).tolist()


def test_agrees_with_pgmpy():
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.inference import VariableElimination
    from pgmpy.models import DiscreteBayesianNetwork

    chain = make_chain(1, 4, 6, homogeneous=False)
    peer = DiscreteBayesianNetwork([(f"x{t}", f"x{t + 1}") for t in range(1, 6)])
    peer.add_cpds(TabularCPD("x1", 4, chain.initial[:, None].numpy()))
    for t, table in enumerate(chain.transition, start=2):
        peer.add_cpds(TabularCPD(f"x{t}", 4, table.T.numpy(), [f"x{t - 1}"], [4]))
    inference = VariableElimination(peer)
    found = chain.marginals({"x2": 3, "x6": 1})
    for name in ("x1", "x3", "x4", "x5"):
        expected = inference.query([name], evidence={"x2": 3, "x6": 1}, show_progress=False)
        np.testing.assert_allclose(found[name].numpy(), expected.values, atol=1e-12)


def test_long_chain_does_not_underflow():
    """2000 steps in a state that is left with probability 1/2: P(evidence) = 2^-1999."""
    chain = MarkovChain([1.0, 0.0], [[0.5, 0.5], [0.0, 1.0]], length=2000)
    assert chain.log_partition({"x2000": 0}).item() == pytest.approx(-1999 * math.log(2))
    marginals = chain.marginals({"x2000": 0})
    assert all(marginal.tolist() == [1.0, 0.0] for marginal in marginals.values())
    assert set(chain.map({"x2000": 0}).values()) == {0}
    assert (chain.sample(2, condition={"x2000": 0}) == 0).all()
    assert chain.sample(20, generator=torch.manual_seed(0))[:, -1].min() == 1


def test_ties_are_decoded_as_one_path():
    """x1 = x2 = ... or all alternate: per-variable argmax could mix two optima."""
    chain = MarkovChain([0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], length=7)
    path = torch.tensor([list(chain.map().values())])
    assert chain.log_prob(path).exp().item() == pytest.approx(0.5)
    assert chain.map({"x4": 0})["x1"] == 1


def test_sampler_frequencies(chain):
    n = 40_000
    x = chain.sample(n, generator=torch.manual_seed(5))
    (T,) = chain.event_shape
    K = chain.num_states
    assert x.shape == (n, T)
    codes = (x * K ** torch.arange(T - 1, -1, -1)).sum(1)
    frequencies = torch.bincount(codes, minlength=K**T) / n
    p = chain.log_prob(enumerate_states(chain)).exp()
    assert (frequencies - p).abs().sum() < 4 * math.sqrt(K**T / n)
    statistic = (n * (frequencies - p).square() / p).sum().item()  # chi-squared, K^T - 1
    assert statistic < K**T + 5 * math.sqrt(2 * K**T)


def test_posterior_sampler_frequencies():
    for order in (1, 2):
        chain = make_chain(order, 3, 6, homogeneous=True, seed=9)
        evidence = {"x2": 1, "x5": 2}
        x = chain.sample(30_000, condition=evidence, generator=torch.manual_seed(6))
        assert (x[:, 1] == 1).all() and (x[:, 4] == 2).all()
        p = chain.log_prob(states := enumerate_states(chain)).exp()
        p = p * (states[:, 1] == 1) * (states[:, 4] == 2)
        p = p / p.sum()
        weights = 3 ** torch.arange(5, -1, -1)
        frequencies = torch.bincount((x * weights).sum(1), minlength=3**6) / len(x)
        assert (frequencies - p).abs().sum() < 0.06
    rows = torch.tensor([[0, -1, -1, -1, -1, 1], [2, -1, -1, -1, -1, 0]])
    assert (chain.sample(2, condition=rows)[:, [0, 5]] == rows[:, [0, 5]]).all()


def test_fit_counts_by_hand():
    x = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 1], [0, 1, 0]])
    chain = MarkovChain.fit(x)
    assert chain.length == 3 and chain.initial.tolist() == [0.75, 0.25]
    assert chain.transition.tolist() == [[1 / 4, 3 / 4], [1 / 4, 3 / 4]]
    by_step = MarkovChain.fit(x, homogeneous=False).transition
    assert by_step[0].tolist() == [[1 / 3, 2 / 3], [0, 1]]
    assert by_step[1].tolist() == [[0, 1], [1 / 3, 2 / 3]]
    smooth = MarkovChain.fit(x, smoothing=1.0)
    assert smooth.initial.tolist() == [4 / 6, 2 / 6]
    assert smooth.transition.tolist() == [[2 / 6, 4 / 6], [2 / 6, 4 / 6]]
    second = MarkovChain.fit(x, order=2)
    assert second.initial.tolist() == [[1 / 4, 2 / 4], [0, 1 / 4]]
    assert second.transition[0, 1].tolist() == [0.5, 0.5]
    assert second.transition[1, 0].tolist() == [0.5, 0.5]  # never seen: uniform


def test_fit_is_the_maximum_of_the_likelihood(chain):
    x = chain.sample(300, generator=torch.manual_seed(8))
    options = {"order": chain.order, "homogeneous": chain.homogeneous}
    fitted = MarkovChain.fit(x, num_states=chain.num_states, **options)
    at_optimum = fitted.log_prob(x).sum()
    for seed in range(3):
        towards = make_chain(
            chain.order, chain.num_states, chain.length, homogeneous=chain.homogeneous, seed=seed
        )
        moved = MarkovChain(
            0.98 * fitted.initial + 0.02 * towards.initial,
            0.98 * fitted.transition + 0.02 * towards.transition,
            order=chain.order,
            length=chain.length,
        )
        assert moved.log_prob(x).sum() < at_optimum


def test_fit_recovers_the_chain():
    chain = make_chain(1, 3, 30, homogeneous=True)
    fitted = MarkovChain.fit(chain.sample(3000, generator=torch.manual_seed(1)))
    torch.testing.assert_close(fitted.transition, chain.transition, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("order", "num_states", "length", "homogeneous", "expected"),
    [
        (1, 2, 10, False, 2 * 10 - 1),
        (1, 2, 10, True, 3),
        (1, 3, 4, False, 2 + 3 * 6),
        (2, 2, 10, True, 3 + 4),
        (2, 2, 5, False, 3 + 3 * 4),
        (9, 2, 10, False, 2**10 - 1),  # no independence left: the full joint
    ],
)
def test_num_parameters(order, num_states, length, homogeneous, expected):
    chain = make_chain(order, num_states, length, homogeneous=homogeneous)
    assert chain.num_parameters() == expected


def test_stationary():
    a, b = 0.25, 0.625
    chain = MarkovChain([1.0, 0.0], [[1 - a, a], [b, 1 - b]], length=200)
    assert chain.stationary().tolist() == pytest.approx([b / (a + b), a / (a + b)])
    torch.testing.assert_close(chain.marginals()["x200"], chain.stationary())
    second = make_chain(2, 3, 4, homogeneous=True)
    pi = second.stationary()
    torch.testing.assert_close((pi[..., None] * second.transition).sum(0), pi)
    assert pi.sum().item() == pytest.approx(1.0)
    periodic = MarkovChain([1.0, 0.0], [[0.0, 1.0], [1.0, 0.0]])
    assert periodic.stationary().tolist() == pytest.approx([0.5, 0.5])
    transient = MarkovChain([1.0, 0.0], [[0.5, 0.5], [0.0, 1.0]])
    assert transient.stationary().tolist() == pytest.approx([0.0, 1.0])
    with pytest.raises(ValueError, match="not unique: 2 closed classes"):
        MarkovChain([1.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]).stationary()
    with pytest.raises(ValueError, match="inhomogeneous"):
        make_chain(1, 2, 4, homogeneous=False).stationary()


def test_to_bayes_net_is_the_same_distribution(chain):
    net = chain.to_bayes_net()
    assert net.variables == chain.variables
    x = enumerate_states(chain)
    torch.testing.assert_close(net.log_prob(x), chain.log_prob(x))
    (T,) = chain.event_shape
    assert len(net.parents(f"x{T}")) == min(chain.order, T - 1)
    assert set(net.graph.edges) == set(chain.graph.edges)
    pair = chain.query(["x1", f"x{T}"] if T > 1 else ["x1"])
    table = chain.log_prob(x).exp().reshape((chain.num_states,) * T)
    expected = table.sum(tuple(range(1, T - 1))) if T > 2 else table
    torch.testing.assert_close(pair.values, expected)


@pytest.mark.parametrize("order", [1, 2])
def test_gradient_of_the_log_partition(order):
    """With respect to the log tables it is the expected count (checked by differences)."""
    chain = make_chain(order, 2, 5, homogeneous=True)
    evidence = {"x1": 0, "x4": 1}

    def log_partition(initial, transition):
        return MarkovChain(
            initial.flatten().softmax(0).reshape(initial.shape),
            transition.softmax(-1),
            order=order,
            length=5,
        ).log_partition(evidence)

    inputs = [chain.initial.log(), chain.transition.log()]
    inputs = [table.requires_grad_() for table in inputs]
    assert torch.autograd.gradcheck(log_partition, inputs)


def test_gradient_is_finite_with_structural_zeros():
    table = torch.tensor([[0.5, 0.5], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    chain = MarkovChain([1.0, 0.0], table, length=4)
    chain.log_partition({"x2": 1}).backward()
    assert table.grad.isfinite().all() and table.grad[0, 1].item() == pytest.approx(2.0)


def test_named_states_dtype_and_open_length():
    chain = MarkovChain(torch.tensor([0.5, 0.5]), torch.eye(2), states=["dry", "wet"])
    assert chain.log_prob(torch.zeros(3, 9, dtype=torch.long)).dtype == torch.float32
    assert chain.sample(3, length=4).shape == (3, 4)
    with pytest.raises(ValueError, match="no length"):
        chain.marginals()
    chain = MarkovChain([0.5, 0.5], torch.eye(2), length=3, states=["dry", "wet"])
    assert chain.map({"x2": "wet"}) == {"x1": 1, "x2": 1, "x3": 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.5, 0.5], [[0.5, 0.5]]), r"transition has shape \(1, 2\)"),
        (([0.5, 0.5, 0.0], torch.eye(2)), r"initial has shape \(3,\)"),
        (([0.5, 0.4], torch.eye(2)), "initial sums to 0.9"),
        (([0.5, 0.5], [[0.5, 0.5], [0.5, 0.6]]), r"transition sums to 1.1 in row \(1,\)"),
        (([0.5, 0.5], [[1.5, -0.5], [0.5, 0.5]]), r"transition holds -0.5"),
        (([0.5, math.nan], torch.eye(2)), "initial holds nan"),
    ],
)
def test_bad_tables_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        MarkovChain(*arguments)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: c.marginals({"x9": 0}), "unknown variable 'x9'"),
        (lambda c: c.marginals({"x1": 3}), "'x1' holds state 3"),
        (lambda c: c.marginals(torch.zeros(2, 4, dtype=torch.long)), r"shape \(2, 4\)"),
        (lambda c: c.marginals(torch.tensor([0, 0, 7])), "state 7"),
        (lambda c: c.marginals({"x1": 0, "x2": 1}), "x1=0, x2=1 .row 0. has probability zero"),
        (lambda c: c.log_partition({"x1": 0, "x3": torch.tensor([0, 1])}), "row 1"),
        (lambda c: c.map({"x1": 0, "x2": 1}), "probability zero"),
        (lambda c: c.sample(2, condition={"x1": 0, "x2": 1}), "probability zero"),
        (lambda c: c.sample(3, condition={"x1": torch.tensor([0, 1])}), "2 rows"),
        (lambda c: c.log_prob(torch.zeros(2, 4, dtype=torch.long)), r"shape \(2, 4\)"),
        (lambda c: c.log_prob(torch.zeros(2, 3)), "dtype"),
        (lambda c: MarkovChain.fit(torch.zeros(3, dtype=torch.long)), r"shape \(3,\)"),
        (lambda c: MarkovChain.fit(torch.tensor([[0, 2]]), num_states=2), "state 2"),
        (lambda c: MarkovChain.fit(torch.tensor([[0, 1]]), smoothing=-1.0), "smoothing is -1"),
        (lambda c: MarkovChain([1.0], [[1.0]], order=0), "order is 0"),
        (lambda c: MarkovChain([1.0], [[1.0]], length=0), "length is 0"),
    ],
)
def test_bad_requests_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(MarkovChain([0.5, 0.5], torch.eye(2), length=3))
