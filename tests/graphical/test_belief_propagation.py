"""Belief propagation against enumeration, exact elimination, closed forms and pgmpy."""

import logging
import math

import networkx as nx
import numpy as np
import pytest
import torch

from gencourse.graphical import examples
from gencourse.graphical.belief_propagation import belief_propagation
from gencourse.graphical.factor import Factor
from gencourse.graphical.factor_graph import FactorGraph, frustrated_cycle

from .random_graphs import assert_same, by_enumeration, grid, random_tree

TREES = [(seed, zeros, parts) for seed in range(4) for zeros in (False, True) for parts in (1, 2)]


@pytest.fixture(params=TREES, ids=str)
def tree(request):
    seed, zeros, parts = request.param
    return random_tree(seed, zeros=zeros, parts=parts, num=6 // parts + 1)


def test_sum_product_is_exact_on_trees(tree):
    first, *_, last = tree.cardinalities.items()
    for evidence in (None, {first[0]: first[1] - 1}, {first[0]: 0, last[0]: last[1] - 1}):
        marginals, log_z, _ = by_enumeration(tree, evidence)
        result = belief_propagation(tree, evidence=evidence)
        assert result.converged and result.iterations == 1 and result.assignment is None
        assert_same(result.marginals, marginals)
        torch.testing.assert_close(result.log_partition, log_z)
        for name, belief in result.factor_beliefs.items():
            expected = tree.query(belief.variables, evidence)
            torch.testing.assert_close(belief.values, expected.values, msg=name)


def test_max_product_is_exact_on_trees(tree):
    for evidence in (None, {tree.variables[2]: 0}):
        _, _, log_max = by_enumeration(tree, evidence)
        result = belief_propagation(tree, evidence=evidence, semiring="max")
        torch.testing.assert_close(result.log_partition, log_max)
        x = torch.tensor([[result.assignment[name] for name in tree.variables]])
        torch.testing.assert_close(tree.log_potential(x)[0], log_max)
        for name, size in tree.cardinalities.items():
            for state in range(size):
                if evidence and name in evidence:
                    continue
                best = by_enumeration(tree, {**(evidence or {}), name: state})[2]
                relative = (best - log_max).exp()
                torch.testing.assert_close(result.marginals[name][state], relative)


def test_every_message_is_sent_once_and_is_the_sum_of_its_subtree(tree):
    result = belief_propagation(tree)
    edges = {(a, b) for factor, name in zip(tree.factors(), tree.factor_names, strict=True)
             for v in factor.variables for a, b in ((v, name), (name, v))}  # fmt: skip
    assert len(result.messages) == len(edges)
    assert {(m.source, m.target) for m in result.messages} == edges
    step = {(m.source, m.target): m.step for m in result.messages}
    for source, target in edges:
        others = set(tree.graph[source]) - {target}
        assert step[source, target] == 1 + max((step[o, source] for o in others), default=0)
    parts = [tree.graph.subgraph(part) for part in nx.connected_components(tree.graph)]
    assert result.messages[-1].step == max(map(nx.diameter, parts))
    phases = [m.phase for m in result.messages]
    assert phases.count("to the root") == phases.count("from the root") == len(edges) / 2
    for message in result.messages:  # the unnormalised message sums the part behind the edge
        if message.source not in tree.factor_names:
            continue
        graph = tree.graph
        graph.remove_edge(message.source, message.target)
        behind = nx.node_connected_component(graph, message.source)
        part = FactorGraph([tree.factor(name) for name in behind if name in tree.factor_names])
        expected = part.product().marginal([message.target]).values
        torch.testing.assert_close(message.values, expected)
        torch.testing.assert_close(message.normalized, expected / expected.sum())


def test_lunch_messages_by_hand():
    result = belief_propagation(examples.lunch_graph())
    said = {(m.source, m.target): m.values.tolist() for m in result.messages}
    assert said["f2", "second"] == pytest.approx([4, 8, 7, 3])
    assert said["f3", "first"][0] == pytest.approx(2 * 4 + 9 * 8 + 7 * 7 + 0.1 * 3)
    assert said["f3", "second"][3] == pytest.approx(0.1 * 0.1 + 0.2 * 5 + 0.1 * 1 + 2 * 6)
    assert result.log_partition.exp().item() == pytest.approx(399.43)


def test_a_chain_of_two_thousand_in_linear_time():
    """Deep (no recursion), long (no underflow), and each message costs the same."""
    table = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64) * 1e-5
    length = 2000
    factors = [Factor([f"x{i}", f"x{i + 1}"], table) for i in range(length)]
    result = belief_propagation(FactorGraph([Factor(["x0"], [1.0, 0.0]), *factors]))
    power = np.linalg.matrix_power(table.numpy() * 1e5, length)[0]
    np.testing.assert_allclose(result.marginals[f"x{length}"], power, rtol=1e-9)
    assert result.log_partition.item() == pytest.approx(length * math.log(1e-5))
    assert len(result.messages) == 2 * (2 * length + 1)


def test_a_star_of_a_thousand_leaves():
    """A variable with many factors: the others' product may not be a product for each."""
    leaves = 1000
    factors = [Factor(["hub", f"leaf{i}"], [[0.6, 0.4], [0.5, 0.5]]) for i in range(leaves)]
    evidence = {f"leaf{i}": 0 for i in range(0, leaves, 2)}
    result = belief_propagation(FactorGraph(factors), evidence=evidence)
    odds = (0.6 / 0.5) ** (leaves / 2)
    assert result.marginals["hub"][1].item() == pytest.approx(1 / (1 + odds), rel=1e-9)
    assert result.marginals["leaf1"][0].item() == pytest.approx(0.6)


def test_ties_are_decoded_as_one_state():
    """Every variable alone is tied; only all-equal pairs have the largest product."""
    agree = [[1.0, 0.0], [0.0, 1.0]]
    differ = [[0.0, 1.0], [1.0, 0.0]]
    three = Factor(["b", "d", "e"], [[[1, 2], [2, 1]], [[2, 1], [1, 2]]])
    chain = FactorGraph([Factor(["a", "b"], differ), Factor(["b", "c"], agree), three])
    result = belief_propagation(chain, semiring="max")
    assert all(marginal.tolist() == [1.0, 1.0] for marginal in result.marginals.values())
    x = torch.tensor([[result.assignment[name] for name in chain.variables]])
    assert chain.log_potential(x).exp().item() == pytest.approx(2.0)
    ring = FactorGraph([Factor(pair.split(), differ) for pair in ("a b", "b c", "c d", "d a")])
    result = belief_propagation(ring, semiring="max")
    assert sorted(result.assignment.values()) == [0, 0, 1, 1]
    assert result.assignment["a"] == result.assignment["c"]


def test_the_lecture_network():
    graph = FactorGraph.from_bayes_net(examples.red_blue_network())
    best = belief_propagation(graph, semiring="max")
    assert best.assignment == {"x1": 1, "x2": 1, "x3": 0, "x4": 0, "x5": 0}
    assert best.log_partition.exp().item() == pytest.approx(0.0756)
    result = belief_propagation(graph, evidence={"x4": "red"})
    assert result.marginals["x3"][0].item() == pytest.approx(0.5795, abs=5e-5)


def test_batched_evidence_is_row_by_row():
    tree = random_tree(3, parts=2, num=4)
    evidence = {"v0_0": torch.tensor([0, 1, 1]), "v0_2": 0}
    for semiring in ("sum", "max"):
        batch = belief_propagation(tree, evidence=evidence, semiring=semiring)
        assert batch.log_partition.shape == (3,)
        for row in range(3):
            alone = {"v0_0": int(evidence["v0_0"][row]), "v0_2": 0}
            single = belief_propagation(tree, evidence=alone, semiring=semiring)
            assert_same({k: v[row] for k, v in batch.marginals.items()}, single.marginals)
            torch.testing.assert_close(batch.log_partition[row], single.log_partition)
            for mine, other in zip(batch.messages, single.messages, strict=True):
                torch.testing.assert_close(mine.log_values[row], other.log_values)
            for name, belief in single.factor_beliefs.items():
                torch.testing.assert_close(batch.factor_beliefs[name].values[row], belief.values)
            if semiring == "max":
                assert {k: int(v[row]) for k, v in batch.assignment.items()} == single.assignment


@pytest.mark.parametrize("schedule", ["synchronous", "sequential"])
def test_loopy_schedules_are_exact_on_trees(tree, schedule):
    for damping in (0.0, 0.3):
        result = belief_propagation(tree, schedule=schedule, damping=damping, tolerance=1e-13)
        marginals, log_z, _ = by_enumeration(tree)
        assert result.converged and result.residuals[-1] <= 1e-13
        assert_same(result.marginals, marginals, atol=1e-9, rtol=0)
        torch.testing.assert_close(result.log_partition, log_z, atol=1e-9, rtol=0)
        if damping == 0.0:  # exact after as many sweeps as the tree is deep
            assert result.iterations <= len(tree.factors()) + 1


def test_loopy_is_close_on_a_weakly_coupled_grid():
    graph = grid(3, 3, strength=0.3)
    marginals, log_z, log_max = by_enumeration(graph)
    settled = {}
    for schedule in ("auto", "sequential"):
        result = belief_propagation(graph, schedule=schedule)
        assert result.converged and len(result.residuals) == result.iterations
        assert_same(result.marginals, marginals, atol=5e-3, rtol=0)
        assert abs(result.log_partition.item() - log_z.item()) < 5e-3
        settled[schedule] = result
    assert_same(settled["auto"].marginals, settled["sequential"].marginals, atol=1e-8, rtol=0)
    assert settled["sequential"].iterations < settled["auto"].iterations
    edges = sum(len(factor.variables) for factor in graph.factors())
    for result in settled.values():  # two messages an edge in every sweep
        assert len(result.messages) == 2 * edges * result.iterations
    best = belief_propagation(graph, semiring="max")
    x = torch.tensor([[best.assignment[name] for name in graph.variables]])
    torch.testing.assert_close(graph.log_potential(x)[0], log_max)


def test_fixed_point_on_a_cycle_in_closed_form():
    """On one cycle the messages turn to the leading eigenvector of the transfer matrix."""
    tables = [torch.rand(3, 3, dtype=torch.float64, generator=torch.manual_seed(s)) + 0.2
              for s in range(4)]  # fmt: skip
    pairs = zip("abcd", "bcda", strict=True)
    graph = FactorGraph([Factor(pair, t) for pair, t in zip(pairs, tables, strict=True)])
    transfer = (tables[0] @ tables[1] @ tables[2] @ tables[3]).numpy()
    values, right = np.linalg.eig(transfer)
    left = np.linalg.inv(right)[values.real.argmax()].real
    right = right[:, values.real.argmax()].real
    result = belief_propagation(graph)
    np.testing.assert_allclose(result.marginals["a"], right * left / (right @ left), atol=1e-9)
    # the Bethe estimate of Z is the leading eigenvalue, the truth is the trace
    assert result.log_partition.exp().item() == pytest.approx(values.real.max())
    assert graph.log_partition().exp().item() == pytest.approx(np.trace(transfer))


def test_frustration_goes_wrong_and_says_so(caplog):
    graph = frustrated_cycle()
    truth = graph.marginals()["x1"][1].item()
    assert truth == pytest.approx(0.7311, abs=5e-5)
    with caplog.at_level(logging.WARNING):
        result = belief_propagation(graph)
    assert not result.converged and result.iterations == 200 and result.residuals[-1] > 1e-6
    assert "not converged in 200 sweeps" in caplog.text
    damped = belief_propagation(graph, damping=0.5, max_iterations=400)
    assert damped.converged
    assert damped.marginals["x1"][1].item() == pytest.approx(0.519, abs=5e-4)  # far from 0.7311
    assert damped.log_partition.item() - graph.log_partition().item() > 1.5


def test_evidence_cuts_the_cycle():
    graph = frustrated_cycle()
    evidence = {"x3": 1}
    result = belief_propagation(graph, evidence=evidence)
    assert result.iterations == 1
    assert_same(result.marginals, graph.marginals(evidence))
    torch.testing.assert_close(result.log_partition, graph.log_partition(evidence))


def test_everything_observed():
    graph = frustrated_cycle()
    evidence = {"x1": 0, "x2": 0, "x3": 1, "x4": 1}
    result = belief_propagation(graph, evidence=evidence, semiring="max")
    assert result.assignment == evidence and result.messages == []
    torch.testing.assert_close(result.log_partition, graph.log_partition(evidence))


def test_agrees_with_pgmpy():
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.inference import BeliefPropagation
    from pgmpy.models import DiscreteBayesianNetwork

    for net in (examples.student_network(), examples.alarm_network()):
        peer = DiscreteBayesianNetwork(list(net.graph.edges))
        for name in net.variables:
            parents = net.parents(name)
            table = net.cpd(name).movedim(-1, 0).reshape(net.cardinalities[name], -1)
            sizes = [net.cardinalities[p] for p in parents]
            peer.add_cpds(TabularCPD(name, net.cardinalities[name], table.numpy(), parents, sizes))
        inference = BeliefPropagation(peer)
        last = net.variables[-1]
        result = belief_propagation(FactorGraph.from_bayes_net(net), evidence={last: 1})
        for name in net.variables[:-1]:
            expected = inference.query([name], evidence={last: 1}, show_progress=False)
            np.testing.assert_allclose(result.marginals[name], expected.values, atol=1e-12)


def test_gradient_through_the_messages():
    log_table = torch.randn(2, 2, dtype=torch.float64, generator=torch.manual_seed(0))
    log_table.requires_grad_()

    def tree_log_z(table):
        factors = [Factor(["a", "b"], table.exp()), Factor(["b", "c"], [[1, 2], [0, 3]])]
        return belief_propagation(FactorGraph(factors), evidence={"c": 1}).log_partition

    def loopy_marginal(table):
        pairs = [Factor(tuple(pair), table.exp()) for pair in ("ab", "bc", "ca")]
        graph = FactorGraph([Factor("a", [1.0, 2.0]), *pairs])
        return belief_propagation(graph, max_iterations=8, tolerance=0.0).marginals["b"]

    assert torch.autograd.gradcheck(tree_log_z, [log_table])
    assert torch.autograd.gradcheck(loopy_marginal, [log_table])


@pytest.mark.parametrize("schedule", ["two-pass", "synchronous"])
def test_gradient_is_finite_with_zeros_in_the_tables(schedule):
    """A state that nothing allows sums over zeros only; d Z / d psi(1, 0) = 2 by hand."""
    table = torch.tensor([[0.0, 0.0], [1.0, 3.0]], dtype=torch.float64, requires_grad=True)
    graph = FactorGraph([Factor(["a", "b"], table), Factor(["b"], [2.0, 1.0])])
    result = belief_propagation(graph, schedule=schedule)
    (gradient,) = torch.autograd.grad(result.log_partition.exp(), table)
    assert gradient.isfinite().all()
    assert gradient[1].tolist() == pytest.approx([2.0, 1.0])


@pytest.mark.parametrize("schedule", ["two-pass", "synchronous", "sequential"])
def test_impossible_evidence_is_refused(schedule):
    graph = FactorGraph([Factor(scope, [[1, 0], [0, 1]]) for scope in (("a", "b"), ("b", "c"))])
    for evidence in ({"a": 0, "c": 1}, {"a": 0, "b": 1}):
        with pytest.raises(ValueError, match=r"a=0, [bc]=1 has probability 0"):
            belief_propagation(graph, evidence=evidence, schedule=schedule)
    with pytest.raises(ValueError, match=r"a=1, c=0 \(row 1\)"):
        belief_propagation(graph, evidence={"a": torch.tensor([0, 1]), "c": 0}, schedule=schedule)
    with pytest.raises(ValueError, match="every state"):
        belief_propagation(FactorGraph([Factor(["a"], [0, 0])]), schedule=schedule)


def test_damping_does_not_hide_impossible_evidence():
    equal = [[1, 0], [0, 1]]
    ring = FactorGraph([Factor(tuple(pair), equal) for pair in ("ab", "bc", "cd", "de", "ec")])
    with pytest.raises(ValueError, match="probability 0"):
        belief_propagation(ring, evidence={"a": 0, "d": 1}, damping=0.9, schedule="synchronous")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"semiring": "min"}, "semiring is 'min'"),
        ({"schedule": "random"}, "schedule is 'random'"),
        ({"schedule": "two-pass"}, "has a cycle"),
        ({"damping": 1.0}, "damping is 1.0"),
        ({"max_iterations": 0}, "max_iterations is 0"),
        ({"tolerance": math.nan}, "tolerance is nan"),
        ({"evidence": {"x9": 0}}, "'x9'"),
        ({"evidence": {"x1": 2}}, "'x1' holds state 2"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        belief_propagation(frustrated_cycle(), **options)
