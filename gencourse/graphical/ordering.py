"""In which order to sum variables out: the greedy heuristics min-fill and min-weight.

Eliminating a variable multiplies every table that mentions it, so it joins all its neighbours in
one table. Finding the cheapest order is NP-hard; a greedy choice of the next variable is good in
practice. Koller & Friedman, Probabilistic Graphical Models (2009), section 9.4.3.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence

HEURISTICS = ("min-fill", "min-weight")


def order_variables(
    scopes: Iterable[Sequence[str]],
    cardinalities: Mapping[str, int],
    *,
    keep: Iterable[str] = (),
    heuristic: str | Sequence[str] = "min-fill",
) -> tuple[str, ...]:
    """Return the order in which to eliminate every variable that is not kept.

    Args:
        scopes: the variables of each factor.
        cardinalities: variable -> number of states, for all variables.
        keep: variables that stay.
        heuristic: ``"min-fill"`` takes the variable that adds the fewest edges between its
            neighbours, ``"min-weight"`` the one whose table (with its neighbours) is smallest;
            each breaks ties by the other, and then takes the variable declared last.
            A sequence of variables is taken as the order itself.

    Raises:
        ValueError: for an unknown heuristic, or an order that is not over the right variables.
    """
    kept = set(keep)
    targets = [name for name in cardinalities if name not in kept]
    if not isinstance(heuristic, str):
        if sorted(heuristic) != sorted(targets):
            raise ValueError(
                f"the order given is {tuple(heuristic)}; "
                f"the variables to eliminate are {tuple(targets)}"
            )
        return tuple(heuristic)
    if heuristic not in HEURISTICS:
        raise ValueError(f"heuristic is {heuristic!r}; expected one of {HEURISTICS} or an order")
    neighbours = _interaction_graph(scopes, cardinalities)
    position = {name: i for i, name in enumerate(cardinalities)}
    missing = {name: _missing_edges(name, neighbours) for name in targets}
    weight = {
        name: math.prod((cardinalities[v] for v in neighbours[name]), start=cardinalities[name])
        for name in targets
    }
    first, second = (missing, weight) if heuristic == "min-fill" else (weight, missing)
    costs: dict[str, tuple[int, int, int]] = {}
    heap: list[tuple[tuple[int, int, int], str]] = []

    def push(name: str) -> None:
        costs[name] = first[name], second[name], -position[name]
        heapq.heappush(heap, (costs[name], name))

    for name in targets:
        push(name)
    order = []
    while heap:
        found, name = heapq.heappop(heap)
        if costs.get(name) != found:  # an entry that a later one has replaced
            continue
        order.append(name)
        del costs[name]
        around = neighbours.pop(name)
        changed = set(around)
        joined = False
        for other in around:
            neighbours[other].discard(name)
            added = around - neighbours[other] - {other}
            if added:  # an edge between two neighbours of a third changes its fill as well
                joined = True
                changed |= neighbours[other]
                neighbours[other] |= added
        for other in changed & costs.keys():
            if joined:
                missing[other] = _missing_edges(other, neighbours)
                sizes = (cardinalities[v] for v in neighbours[other])
                weight[other] = math.prod(sizes, start=cardinalities[other])
            else:  # the same in one step: what went is one neighbour and its missing edges
                missing[other] -= len(neighbours[other] - around)
                weight[other] //= cardinalities[name]
            push(other)
    return tuple(order)


def _missing_edges(name: str, neighbours: Mapping[str, set[str]]) -> int:
    """Return how many edges are missing between the neighbours of a variable."""
    around = neighbours[name]
    return sum(len(around) - 1 - len(around & neighbours[other]) for other in around) // 2


def _interaction_graph(
    scopes: Iterable[Sequence[str]], cardinalities: Mapping[str, int]
) -> dict[str, set[str]]:
    """Join all variables of each factor; variable -> its neighbours."""
    neighbours: dict[str, set[str]] = {name: set() for name in cardinalities}
    for scope in scopes:
        for name in scope:
            neighbours[name].update(scope)
    for name, around in neighbours.items():
        around.discard(name)
    return neighbours
