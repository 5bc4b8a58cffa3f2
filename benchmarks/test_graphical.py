"""Exact inference against pgmpy: equal answers first, then the ratio of the times.

Run with ``pytest -s benchmarks/test_graphical.py``; the ratios are printed. A round times both
sides, one after the other, in an order that changes each round; what is quoted is the median
and the lower quartile of the per-round ratios, on one thread.
"""

import logging
import statistics
import time
import warnings

import numpy as np
import pytest
import torch

from gencourse.graphical import BayesNet
from gencourse.graphical.examples import random_bayes_net, random_chain

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.inference import VariableElimination
    from pgmpy.models import DiscreteBayesianNetwork

logging.getLogger("pgmpy").setLevel(logging.ERROR)


def to_pgmpy(net: BayesNet):
    model = DiscreteBayesianNetwork()
    model.add_nodes_from(net.variables)
    for name in net.variables:
        parents = list(net.parents(name))
        model.add_edges_from((parent, name) for parent in parents)
        table = net.cpd(name).reshape(-1, net.cardinalities[name]).T.numpy()  # (K, columns)
        sizes = [net.cardinalities[parent] for parent in parents]
        model.add_cpds(
            TabularCPD(name, net.cardinalities[name], table, parents or None, sizes or None)
        )
    return VariableElimination(model)


def seconds(call, repeat):
    start = time.perf_counter()
    for _ in range(repeat):
        call()
    return (time.perf_counter() - start) / repeat


def compare(title, ours, theirs, *, at_least, rounds=15, repeat=(1, 1)):
    """Time both in turns and print the ratio theirs / ours."""
    ours(), theirs()
    ratios, times = [], []
    for i in range(rounds):
        sides = [(0, ours), (1, theirs)]
        taken = [0.0, 0.0]
        for side, call in sides if i % 2 == 0 else sides[::-1]:
            taken[side] = seconds(call, repeat[side])
        ratios.append(taken[1] / taken[0])
        times.append(taken)
    quartile = statistics.quantiles(ratios, n=4)[0]
    median = statistics.median(ratios)
    mine, other = (statistics.median(t[side] for t in times) * 1e3 for side in (0, 1))
    print(
        f"\n{title}: {median:.1f}x (lower quartile {quartile:.1f}x), wanted {at_least}x; "
        f"median {mine:.3f} ms against {other:.3f} ms"
    )
    assert median >= at_least


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def every_query(inference, evidence, names):
    return {
        name: inference.query([name], evidence=evidence, show_progress=False).values
        for name in names
    }


@pytest.mark.parametrize("evidence", [{}, {"x19": 3, "x7": 1}], ids=["free", "observed"])
def test_all_marginals_of_a_chain(evidence):
    net = random_chain(20, cardinality=10, seed=0)
    inference = to_pgmpy(net)
    names = [name for name in net.variables if name not in evidence]
    ours, theirs = net.marginals(evidence), every_query(inference, evidence, names)
    for name in names:
        assert_close(ours[name], theirs[name])
    compare(
        f"all marginals of a chain of 20, 10 states, evidence {evidence}",
        lambda: net.marginals(evidence),
        lambda: every_query(inference, evidence, names),
        at_least=30 if not evidence else 5,
        repeat=(20, 1),
    )


@pytest.mark.parametrize("evidence", [{}, {"x29": 0, "x12": 1}], ids=["free", "observed"])
@pytest.mark.parametrize(("max_parents", "cardinality"), [(3, 2), (3, 3)])
def test_all_marginals_of_a_random_network(max_parents, cardinality, evidence):
    net = random_bayes_net(30, max_parents=max_parents, cardinality=cardinality, seed=1)
    inference = to_pgmpy(net)
    names = [name for name in net.variables if name not in evidence]
    ours, theirs = net.marginals(evidence), every_query(inference, evidence, names)
    for name in names:
        assert_close(ours[name], theirs[name])
    compare(
        f"all marginals of 30 random variables, {cardinality} states, evidence {evidence}",
        lambda: net.marginals(evidence),
        lambda: every_query(inference, evidence, names),
        at_least=3,
        repeat=(10, 1),
    )


def test_a_thousand_rows_of_evidence():
    net = random_bayes_net(30, max_parents=3, cardinality=2, seed=1)
    inference = to_pgmpy(net)
    rows = net.sample(1000, generator=torch.Generator().manual_seed(0))
    observed = ("x29", "x20", "x5")
    evidence = {name: rows[:, net.variables.index(name)] for name in observed}
    singles = [{name: int(s[b]) for name, s in evidence.items()} for b in range(1000)]

    def one_at_a_time():
        return [
            inference.query(["x0"], evidence=row, show_progress=False).values for row in singles
        ]

    assert_close(net.query("x0", evidence).values, np.array(one_at_a_time()))
    compare(
        "a query for 1000 rows of evidence",
        lambda: net.query("x0", evidence),
        one_at_a_time,
        at_least=150,
        rounds=7,
        repeat=(20, 1),
    )


@pytest.mark.parametrize("evidence", [{}, {"x20": 0}, {"x29": 0, "x20": 1, "x5": 1}])
def test_a_single_query_again_and_again(evidence):
    net = random_bayes_net(30, max_parents=3, cardinality=2, seed=1)
    inference = to_pgmpy(net)
    ours = net.query("x25", evidence).values
    assert_close(ours, inference.query(["x25"], evidence=evidence, show_progress=False).values)
    compare(
        f"one repeated query, evidence {evidence}",
        lambda: net.query("x25", evidence),
        lambda: inference.query(["x25"], evidence=evidence, show_progress=False),
        at_least=1,
        repeat=(50, 50),
    )
