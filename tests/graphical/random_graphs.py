"""Random factor graphs for the tests, small enough to enumerate."""

import torch

from gencourse.graphical.factor import Factor
from gencourse.graphical.factor_graph import FactorGraph


def _table(sizes, generator, zeros):
    table = torch.rand(*sizes, dtype=torch.float64, generator=generator) * 3 + 0.05
    if zeros and table.numel() > 3:
        table[tuple(int(torch.randint(k, (), generator=generator)) for k in sizes)] = 0.0
    return table


def random_tree(seed, *, num=7, zeros=False, parts=1):
    """Return a forest with factors over 1 to 3 variables of 1 to 4 states."""
    generator = torch.Generator().manual_seed(seed)
    factors = []
    for part in range(parts):
        names = [f"v{part}_{i}" for i in range(num)]
        sizes = {v: int(torch.randint(1 if i else 2, 5, (), generator=generator))
                 for i, v in enumerate(names)}  # fmt: skip
        reached = 1
        while reached < num:
            width = min(int(torch.randint(1, 3, (), generator=generator)), num - reached)
            anchor = names[int(torch.randint(reached, (), generator=generator))]
            scope = [*names[reached : reached + width], anchor]
            order = torch.randperm(len(scope), generator=generator).tolist()
            scope = [scope[i] for i in order]
            factors.append(Factor(scope, _table([sizes[v] for v in scope], generator, zeros)))
            reached += width
        for name in names[::2]:
            factors.append(Factor([name], _table([sizes[name]], generator, False)))
    return FactorGraph(factors)


def grid(rows, columns, *, seed=0, strength=0.5):
    """Return a grid of binary variables with random couplings and fields."""
    generator = torch.Generator().manual_seed(seed)
    factors = []

    def couple(a, b):
        j = strength * torch.randn((), dtype=torch.float64, generator=generator)
        factors.append(Factor([a, b], torch.stack([j, -j, -j, j]).reshape(2, 2).exp()))

    for r in range(rows):
        for c in range(columns):
            field = torch.randn(2, dtype=torch.float64, generator=generator)
            factors.append(Factor([f"g{r}{c}"], (0.5 * field).exp()))
            if c:
                couple(f"g{r}{c - 1}", f"g{r}{c}")
            if r:
                couple(f"g{r - 1}{c}", f"g{r}{c}")
    return FactorGraph(factors)


def enumerate_states(graph):
    return torch.cartesian_prod(*(torch.arange(k) for k in graph.cardinalities.values()))


def by_enumeration(graph, evidence=None):
    """Return marginals, log of the sum and log of the maximum of what agrees with the evidence."""
    x = enumerate_states(graph)
    weights = torch.ones(len(x), dtype=torch.float64)
    columns = dict(zip(graph.variables, x.unbind(1), strict=True))
    for factor in graph.factors():
        weights = weights * factor.values[tuple(columns[v] for v in factor.variables)]
    for name, state in (evidence or {}).items():
        weights = weights * (columns[name] == state)
    total = weights.sum()
    marginals = {
        name: torch.stack([weights[columns[name] == k].sum() for k in range(size)]) / total
        for name, size in graph.cardinalities.items()
    }
    return marginals, total.log(), weights.max().log()


def assert_same(found, expected, **tolerance):
    assert list(found) == list(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], **tolerance)
