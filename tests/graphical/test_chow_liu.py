"""Chow-Liu against every tree on up to five variables, and mutual information against pairs."""

from itertools import combinations, product

import networkx as nx
import pytest
import torch
from sklearn.metrics import mutual_info_score

from gencourse.graphical.bayes_net import BayesNet
from gencourse.graphical.chow_liu import chow_liu, maximum_spanning_tree, mutual_information
from gencourse.graphical.learning import fit_cpds


def data(num_vars, seed, rows=200):
    """Return dependent columns with 2, 3, 2, 3, ... states."""
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(2, (rows,), generator=generator)]
    for i in range(1, num_vars):
        parent = columns[torch.randint(i, (1,), generator=generator).item()]
        other = columns[torch.randint(i, (1,), generator=generator).item()]
        noise = torch.randint(3, (rows,), generator=generator)
        columns.append((parent + other * (noise == 0) + (noise == 1)) % (2 + i % 2))
    return torch.stack(columns, 1)


def all_trees(num_vars):
    """Return every labelled tree, by its Prüfer sequence."""
    if num_vars <= 2:
        return [list(combinations(range(num_vars), 2))]
    return [
        list(nx.from_prufer_sequence(list(code)).edges)
        for code in product(range(num_vars), repeat=num_vars - 2)
    ]


def log_likelihood(net, x):
    return net.log_prob(x[:, [int(name[1:]) for name in net.variables]]).sum().item()


def directed(edges, num_vars, root):
    tree = nx.Graph(edges)
    tree.add_nodes_from(range(num_vars))
    parent = {child: p for p, child in nx.bfs_edges(tree, root)}
    return {f"x{i}": (f"x{parent[i]}",) if i in parent else () for i in range(num_vars)}


@pytest.mark.parametrize("num_vars", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_tree_is_likelier(num_vars, seed):
    x = data(num_vars, seed)
    trees = all_trees(num_vars)
    assert len(trees) == max(num_vars, 1) ** max(num_vars - 2, 0)  # Cayley
    best = max(log_likelihood(fit_cpds(directed(edges, num_vars, 0), x), x) for edges in trees)
    for root in {0, num_vars - 1}:
        net = chow_liu(x, root=root)
        assert net.parents(f"x{root}") == ()
        assert log_likelihood(net, x) == pytest.approx(best, rel=1e-12)


def test_finds_the_tree_that_made_the_data():
    flip = [[0.9, 0.1], [0.1, 0.9]]
    truth = BayesNet(
        {
            "x0": ((), [0.4, 0.6]),
            "x1": (("x0",), flip),
            "x2": (("x0",), flip),
            "x3": (("x1",), flip),
            "x4": (("x1",), flip),
        }
    )
    x = truth.sample(5000, generator=torch.Generator().manual_seed(0))
    net = chow_liu(x[:, [truth.variables.index(f"x{i}") for i in range(5)]], smoothing=1.0)
    assert {name: net.parents(name) for name in net.variables} == {
        "x0": (), "x1": ("x0",), "x2": ("x0",), "x3": ("x1",), "x4": ("x1",)
    }  # fmt: skip


def test_mutual_information_is_that_of_every_pair():
    x = data(5, 3)
    matrix = mutual_information(x)
    for i, j in product(range(5), repeat=2):  # the diagonal is I(i; i) = H(i)
        expected = mutual_info_score(x[:, i], x[:, j])
        assert matrix[i, j].item() == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(matrix, mutual_information(x.float()))
    padded = mutual_information(x, cardinalities=[4] * 5)  # states that never occur change nothing
    torch.testing.assert_close(padded, matrix)


def test_rows_are_counted_in_all_chunks():
    x = data(3, 0, rows=20_000)
    expected = mutual_info_score(x[:, 0], x[:, 2])
    assert mutual_information(x)[0, 2].item() == pytest.approx(expected, abs=1e-12)


def test_independent_columns_have_none_and_equal_ones_their_entropy():
    x = torch.tensor(list(product(range(2), range(3))))
    x = torch.cat([x, x[:, 1:]], 1)
    matrix = mutual_information(x)
    assert matrix[0, 1].item() == pytest.approx(0, abs=1e-15)
    assert matrix[1, 2].item() == pytest.approx(torch.tensor(3.0).log().item())


@pytest.mark.parametrize("num_nodes", [2, 6, 30])
def test_spanning_tree_agrees_with_networkx(num_nodes):
    weights = torch.rand(num_nodes, num_nodes, generator=torch.Generator().manual_seed(num_nodes))
    weights = (weights + weights.T).double()
    weights.fill_diagonal_(9.0)  # not read
    parent = maximum_spanning_tree(weights, root=1)
    edges = {frozenset((child, p)) for child, p in enumerate(parent) if p is not None}
    graph = nx.from_numpy_array(weights.fill_diagonal_(0).numpy())
    oracle = {frozenset(edge) for edge in nx.maximum_spanning_tree(graph).edges}
    assert edges == oracle
    assert parent[1] is None


def test_names_and_states():
    x = data(3, 0)
    net = chow_liu(x, cardinalities=[2, 3, 4], names=["rain", "wind", "sea"])
    assert set(net.variables) == {"rain", "wind", "sea"}
    assert net.cardinalities["sea"] == 4
    assert chow_liu(x[:1]).num_parameters() >= 0  # one row


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: chow_liu(x, root=3), "root is 3, expected 0..2"),
        (lambda x: chow_liu(x, names=["a", "a", "b"]), "3 different names"),
        (lambda x: chow_liu(x, names=["a", "b"]), "3 different names"),
        (lambda x: chow_liu(x[:0]), r"x has shape \(0, 3\)"),
        (lambda x: chow_liu(x - 1), "expected a state 0, 1"),
        (lambda x: mutual_information(x[0]), "x has shape"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(data(3, 0))
