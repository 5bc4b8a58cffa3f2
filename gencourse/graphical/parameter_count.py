"""How many numbers a distribution needs: structure is what makes a joint distribution affordable.

A free parameter is one that the others leave undetermined: a table over K states has K - 1,
because it sums to 1. Counts are Python integers, so that a 784-pixel image (2^784 - 1) is counted
exactly.
"""

import math
from collections.abc import Mapping, Sequence


def _check(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or int(value) != value or value < least:
        raise ValueError(f"{name} is {value!r}, expected an integer of at least {least}")
    return int(value)


def _cardinalities(cardinalities: Sequence[int]) -> list[int]:
    return [_check(f"cardinalities[{i}]", k, 1) for i, k in enumerate(cardinalities)]


def num_parameters_joint(cardinalities: Sequence[int]) -> int:
    """Count a full table over variables with these many states each: prod K_i - 1.

    A colour pixel of three channels with 256 values needs 256^3 - 1 = 16,777,215.

    >>> num_parameters_joint([256, 256, 256])
    16777215

    Raises:
        ValueError: a number of states is not a positive integer.
    """
    return math.prod(_cardinalities(cardinalities)) - 1


def num_parameters_independent(cardinalities: Sequence[int]) -> int:
    """Count independent variables: sum (K_i - 1), which is n for n binary ones.

    Raises:
        ValueError: a number of states is not a positive integer.
    """
    return sum(k - 1 for k in _cardinalities(cardinalities))


def num_parameters_markov_chain(
    length: int, num_states: int = 2, *, order: int = 1, homogeneous: bool = False
) -> int:
    """Count a Markov chain in which each variable depends on the `order` before it.

    The first `order` variables have the tables that the chain rule gives them. Binary and of order
    1 that is 2 length - 1, and 3 when one transition table serves all steps.

    Args:
        length: number of variables.
        num_states: K, states of each.
        order: how many variables each one looks back.
        homogeneous: whether all steps after the first `order` share one table.

    Raises:
        ValueError: an argument is not a positive integer (`order` may be 0).
    """
    length, k = _check("length", length, 1), _check("num_states", num_states, 1)
    order = _check("order", order, 0)
    start = sum(k**t * (k - 1) for t in range(min(order, length)))
    num_steps = max(length - order, 0)
    num_tables = min(num_steps, 1) if homogeneous else num_steps
    return start + num_tables * k**order * (k - 1)


def num_parameters_bayes_net(
    parents: Mapping[str, Sequence[str]], cardinalities: Mapping[str, int]
) -> int:
    """Count a Bayesian network with tables: sum over i of (K_i - 1) prod of the parents' states.

    The count is exponential in the number of parents, not in the number of variables.

    Args:
        parents: variable -> its parents; a variable without parents has an empty sequence.
        cardinalities: variable -> number of states.

    Raises:
        ValueError: a variable or parent has no number of states.
    """
    named = {name for family in parents.items() for name in (family[0], *family[1])}
    missing = sorted(named - set(cardinalities))
    if missing:
        raise ValueError(f"cardinalities does not name {missing[0]!r}")
    states = {name: _check(f"cardinalities[{name!r}]", cardinalities[name], 1) for name in named}
    return sum(
        (states[child] - 1) * math.prod(states[parent] for parent in family)
        for child, family in parents.items()
    )


def num_parameters_normal(num_features: int = 1, *, covariance: str = "full") -> int:
    """Count a normal distribution: D means, and D (D + 1) / 2 covariances, or D if "diag".

    Raises:
        ValueError: `num_features` is not a positive integer, or `covariance` is another word.
    """
    d = _check("num_features", num_features, 1)
    if covariance not in ("full", "diag"):
        raise ValueError(f"covariance is {covariance!r}, expected 'full' or 'diag'")
    return d + (d * (d + 1) // 2 if covariance == "full" else d)


def num_parameters_mixture(component_counts: Sequence[int]) -> int:
    """Count a mixture: its components' parameters and K - 1 weights.

    Args:
        component_counts: free parameters of each component (2 for a normal in one dimension).
    """
    counts = [_check(f"component_counts[{i}]", c, 0) for i, c in enumerate(component_counts)]
    return sum(counts) + len(counts) - 1
