"""The networks of the lectures, and small standard and random ones to try the algorithms on.

Sources: the student network is Koller & Friedman's (2009, figure 3.4; deck 001 has its graph), the
red/blue network and the lunch graph are deck 002's with its numbers, the sprinkler is Pearl's
(1988) with the numbers of Russell & Norvig, the burglar alarm is Russell & Norvig's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gencourse.graphical.bayes_net import BayesNet
from gencourse.graphical.factor import Factor

if TYPE_CHECKING:
    from gencourse.graphical.factor_graph import FactorGraph

FOODS = ("chocolate", "peanut butter", "ice cream", "tuna")


def student_network() -> BayesNet:
    """Return p(d) p(i) p(g|i,d) p(s|i) p(l|g): difficulty, intelligence, grade, SAT, letter."""
    return BayesNet(
        {
            "d": ((), [0.6, 0.4]),
            "i": ((), [0.7, 0.3]),
            "g": (
                ("i", "d"),
                [[[0.3, 0.4, 0.3], [0.05, 0.25, 0.7]], [[0.9, 0.08, 0.02], [0.5, 0.3, 0.2]]],
            ),
            "s": (("i",), [[0.95, 0.05], [0.2, 0.8]]),
            "l": (("g",), [[0.1, 0.9], [0.4, 0.6], [0.99, 0.01]]),
        },
        states={
            "d": ("easy", "hard"),
            "i": ("low", "high"),
            "g": ("A", "B", "C"),
            "s": ("low", "high"),
            "l": ("weak", "strong"),
        },
    )


def red_blue_network() -> BayesNet:
    """Return deck 002's network p(x1) p(x2|x1) p(x3) p(x4|x2,x3) p(x5|x3), 0 red and 1 blue."""
    colours = ("red", "blue")
    return BayesNet(
        {
            "x1": ((), [0.4, 0.6]),
            "x2": (("x1",), [[0.7, 0.3], [0.5, 0.5]]),
            "x3": ((), [0.6, 0.4]),
            "x4": (("x2", "x3"), [[[0.5, 0.5], [0.8, 0.2]], [[0.6, 0.4], [0.3, 0.7]]]),
            "x5": (("x3",), [[0.7, 0.3], [0.4, 0.6]]),
        },
        states={f"x{i}": colours for i in range(1, 6)},
    )


def lunch_factors() -> list[Factor]:
    """Return the potentials of deck 002's lunch: one for each course, and one for the pair.

    The pair's table is indexed [first, second]: the first potential belongs to its rows.
    """
    states = {"first": FOODS, "second": FOODS}
    pair = [[2, 9, 7, 0.1], [4, 2, 3, 0.2], [7, 3, 2, 0.1], [0.1, 0.2, 0.1, 2]]
    return [
        Factor(("first",), [0.1, 5, 1, 6], states={"first": FOODS}),
        Factor(("second",), [4, 8, 7, 3], states={"second": FOODS}),
        Factor(("first", "second"), pair, states=states),
    ]


def lunch_graph() -> FactorGraph:
    """Return deck 002's lunch factor graph: Z = 399.43, P(tuna, ice cream) = 0.010515."""
    from gencourse.graphical.factor_graph import FactorGraph

    return FactorGraph(lunch_factors())


def sprinkler_network() -> BayesNet:
    """Return cloudy -> sprinkler, rain -> wet grass; state 0 is no, 1 is yes."""
    names = ("cloudy", "sprinkler", "rain", "wet")
    return BayesNet(
        {
            "cloudy": ((), [0.5, 0.5]),
            "sprinkler": (("cloudy",), [[0.5, 0.5], [0.9, 0.1]]),
            "rain": (("cloudy",), [[0.8, 0.2], [0.2, 0.8]]),
            "wet": (("sprinkler", "rain"), [[[1.0, 0.0], [0.1, 0.9]], [[0.1, 0.9], [0.01, 0.99]]]),
        },
        states={name: ("no", "yes") for name in names},
    )


def alarm_network() -> BayesNet:
    """Return burglary, earthquake -> alarm -> John calls, Mary calls; 0 is no, 1 is yes."""
    return BayesNet(
        {
            "burglary": ((), [0.999, 0.001]),
            "earthquake": ((), [0.998, 0.002]),
            "alarm": (
                ("burglary", "earthquake"),
                [[[0.999, 0.001], [0.71, 0.29]], [[0.06, 0.94], [0.05, 0.95]]],
            ),
            "john": (("alarm",), [[0.95, 0.05], [0.1, 0.9]]),
            "mary": (("alarm",), [[0.99, 0.01], [0.3, 0.7]]),
        },
        states={
            name: ("no", "yes") for name in ("burglary", "earthquake", "alarm", "john", "mary")
        },
    )


def random_bayes_net(
    num: int, *, max_parents: int = 3, cardinality: int = 2, seed: int = 0
) -> BayesNet:
    """Return a network of num variables x0, x1, ... with random parents and uniform random CPDs.

    Each variable takes between 0 and ``max_parents`` parents among those before it.
    """
    generator = torch.Generator().manual_seed(seed)
    cpds = {}
    for i in range(num):
        most = min(max_parents, i)
        count = int(torch.randint(most + 1, (), generator=generator))
        chosen = torch.randperm(i, generator=generator)[:count].tolist()
        shape = (cardinality,) * (count + 1)
        cpds[f"x{i}"] = (tuple(f"x{j}" for j in chosen), random_cpd(shape, generator=generator))
    return BayesNet(cpds)


def random_chain(length: int, *, cardinality: int = 2, seed: int = 0) -> BayesNet:
    """Return the chain x0 -> x1 -> ... with uniform random CPDs."""
    generator = torch.Generator().manual_seed(seed)
    cpds = {"x0": ((), random_cpd((cardinality,), generator=generator))}
    for i in range(1, length):
        table = random_cpd((cardinality, cardinality), generator=generator)
        cpds[f"x{i}"] = ((f"x{i - 1}",), table)
    return BayesNet(cpds)


def random_cpd(shape: tuple[int, ...], *, generator: torch.Generator | None = None) -> Tensor:
    """Return a table whose rows are uniform on the simplex (normalised exponentials), float64."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    table = -torch.log1p(-uniform)
    return table / table.sum(-1, keepdim=True)
