"""Counts against the rank of the map from parameters to distributions, and the deck's numbers."""

from itertools import product

import pytest
import torch

from gencourse.graphical.parameter_count import (
    num_parameters_bayes_net,
    num_parameters_independent,
    num_parameters_joint,
    num_parameters_markov_chain,
    num_parameters_mixture,
    num_parameters_normal,
)


def dimension(tables, joint):
    """Return how many directions the joint table can move in when the tables' logits do."""
    shapes = [t.shape for t in tables]
    sizes = [t.numel() for t in tables]

    def log_joint(flat):
        parts = [p.view(s).softmax(-1) for p, s in zip(flat.split(sizes), shapes, strict=True)]
        return joint(parts).flatten()

    flat = torch.cat([t.flatten() for t in tables])
    return int(torch.linalg.matrix_rank(torch.func.jacrev(log_joint)(flat), rtol=1e-9))


def draw(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


def test_colour_pixel_and_binary_images():
    assert num_parameters_joint([256, 256, 256]) == 16_777_215
    assert num_parameters_joint([2] * 784) == 2**784 - 1
    assert num_parameters_independent([2] * 784) == 784
    assert num_parameters_markov_chain(784) == 2 * 784 - 1
    assert num_parameters_markov_chain(784, homogeneous=True) == 3


def test_joint_and_independent_counts_are_dimensions():
    joint = dimension(draw((24,)), lambda p: p[0])
    assert num_parameters_joint([2, 3, 4]) == joint
    independent = dimension(
        draw((2,), (3,), (4,)), lambda p: torch.einsum("a,b,c->abc", p[0], p[1], p[2])
    )
    assert num_parameters_independent([2, 3, 4]) == independent


@pytest.mark.parametrize(("k", "length"), [(2, 1), (2, 4), (3, 4)])
@pytest.mark.parametrize("homogeneous", [False, True])
def test_markov_chain_counts_are_dimensions(k, length, homogeneous):
    num_tables = min(length - 1, 1) if homogeneous else length - 1
    tables = draw((k,), *[(k, k)] * num_tables)

    def joint(parts):
        first, *transitions = parts
        p = first
        for t in range(length - 1):
            p = p[..., None] * transitions[0 if homogeneous else t]
        return p

    count = num_parameters_markov_chain(length, k, homogeneous=homogeneous)
    assert count == dimension(tables, joint)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 9])
def test_markov_chain_of_any_order_is_the_network_with_those_parents(order):
    names = [f"x{t}" for t in range(5)]
    parents = {name: names[max(0, t - order) : t] for t, name in enumerate(names)}
    expected = num_parameters_bayes_net(parents, dict.fromkeys(names, 3))
    assert num_parameters_markov_chain(5, 3, order=order) == expected
    if order >= 4:
        assert expected == num_parameters_joint([3] * 5)


def test_bayes_net_count_is_a_dimension():
    parents = {"d": (), "i": (), "g": ("i", "d"), "s": ("i",), "l": ("g",)}
    cardinalities = {"d": 2, "i": 2, "g": 3, "s": 2, "l": 2}
    tables = draw((2,), (2,), (2, 2, 3), (2, 2), (3, 2))
    joint = dimension(tables, lambda p: torch.einsum("d,i,idg,is,gl->digsl", *p))
    assert num_parameters_bayes_net(parents, cardinalities) == joint == 15


def test_network_count_is_the_number_of_free_table_entries_by_enumeration():
    parents, cardinalities = {"a": (), "b": ("a",), "c": ("a", "b")}, {"a": 2, "b": 3, "c": 4}
    free = 0
    for child, family in parents.items():
        for _row in product(*(range(cardinalities[p]) for p in family)):
            free += cardinalities[child] - 1
    assert num_parameters_bayes_net(parents, cardinalities) == free


def test_continuous_distributions():
    assert num_parameters_normal() == 2
    assert num_parameters_normal(3) == 3 + 6
    assert num_parameters_normal(3, covariance="diag") == 6
    assert num_parameters_mixture([num_parameters_normal()] * 2) == 5  # p, two means, two sds


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: num_parameters_joint([2, 0]), r"cardinalities\[1\] is 0"),
        (lambda: num_parameters_markov_chain(0), "length is 0"),
        (lambda: num_parameters_markov_chain(3, order=-1), "order is -1"),
        (lambda: num_parameters_bayes_net({"a": ("b",)}, {"a": 2}), "'b'"),
        (lambda: num_parameters_normal(2, covariance="tied"), "tied"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
