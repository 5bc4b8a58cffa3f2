"""d-separation against enumeration over random CPDs, and against networkx."""

import itertools

import networkx as nx
import pytest
import torch

from gencourse.graphical.examples import random_bayes_net, red_blue_network, student_network


def statements(variables):
    """Every a ⊥ b | given with single a and b."""
    for a, b in itertools.combinations(variables, 2):
        rest = [v for v in variables if v not in (a, b)]
        for size in range(len(rest) + 1):
            for given in itertools.combinations(rest, size):
                yield a, b, given


@pytest.mark.parametrize("seed", range(6))
def test_the_graph_says_what_random_tables_say(seed):
    """With random CPDs a ⊥ b | given holds exactly where the graph implies it."""
    net = random_bayes_net(5, max_parents=2, seed=seed)
    joint = net.joint()
    for a, b, given in statements(net.variables):
        assert net.d_separated(a, b, given) == joint.is_independent(a, b, given, tolerance=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_sets_agree_with_networkx(seed):
    net = random_bayes_net(9, max_parents=3, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(200):
        order = [net.variables[i] for i in torch.randperm(9, generator=generator).tolist()]
        cut = sorted(torch.randint(1, 9, (2,), generator=generator).tolist())
        a, b, given = order[: cut[0]], order[cut[0] : cut[1]], order[cut[1] :][:2]
        if not b:
            continue
        expected = nx.is_d_separator(net.graph, set(a), set(b), set(given))
        assert net.d_separated(a, b, given) == expected


def test_the_student_network_of_the_lecture():
    net = student_network()
    assert net.d_separated("d", "i")
    assert net.d_separated("s", ("d", "g"), "i")
    assert net.d_separated("l", ("i", "d", "s"), "g")
    assert not net.d_separated("d", "i", "l")  # a descendant of the collider opens it
    implied = {v: (set(others), set(given)) for v, others, given in net.implied_independencies()}
    assert implied["s"] == ({"d", "g", "l"}, {"i"})
    assert implied["l"] == ({"d", "i", "s"}, {"g"})
    assert implied["d"] == ({"i", "s"}, set())


def test_explaining_away_is_in_the_graph():
    net = red_blue_network()
    assert net.d_separated("x2", "x3")
    assert not net.d_separated("x2", "x3", "x4")
    assert net.d_separated("x1", "x4", ("x2", "x3"))
    assert net.d_separated("x4", "x5", "x3")


@pytest.mark.parametrize("seed", range(4))
def test_every_implied_statement_holds(seed):
    net = random_bayes_net(6, max_parents=2, seed=seed)
    joint = net.joint()
    statements = net.implied_independencies()
    assert statements
    for name, others, given in statements:
        assert net.d_separated(name, others, given)
        assert joint.is_independent(name, others, given, tolerance=1e-12)


def test_two_sides_must_differ():
    net = student_network()
    with pytest.raises(ValueError, match="'d' stands on two sides"):
        net.d_separated("d", ("i", "d"))
    with pytest.raises(ValueError, match="'g' stands on two sides"):
        net.d_separated("d", "g", ("g",))
