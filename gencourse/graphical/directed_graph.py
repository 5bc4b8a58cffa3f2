"""Directed acyclic graphs, given as a mapping from each variable to its parents."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

Parents = Mapping[str, tuple[str, ...]]


def topological_order(parents: Parents) -> tuple[str, ...]:
    """Return the variables, parents before children and otherwise in the order given.

    Raises:
        ValueError: for a parent that is no variable, or a cycle.
    """
    position = {name: i for i, name in enumerate(parents)}
    for name, above in parents.items():
        for parent in above:
            if parent not in parents:
                raise ValueError(f"{name!r} has the parent {parent!r}, which has no CPD")
    children = children_of(parents)
    waiting = {name: len(set(above)) for name, above in parents.items()}
    ready = [(i, name) for name, i in position.items() if not waiting[name]]
    order = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for child in dict.fromkeys(children[name]):
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, (position[child], child))
    if len(order) < len(parents):
        raise ValueError(f"the graph has a cycle: {_cycle(parents, set(order))}")
    return tuple(order)


def _cycle(parents: Parents, done: set[str]) -> str:
    """Walk from child to parent among the variables left over until one comes again."""
    path = [next(name for name in parents if name not in done)]
    while path[-1] not in path[:-1]:
        path.append(next(parent for parent in parents[path[-1]] if parent not in done))
    return " -> ".join(reversed(path[path.index(path[-1]) :]))


def children_of(parents: Parents) -> dict[str, list[str]]:
    """Return variable -> its children."""
    children: dict[str, list[str]] = {name: [] for name in parents}
    for name, above in parents.items():
        for parent in above:
            children[parent].append(name)
    return children


def ancestors_of(parents: Mapping[str, Iterable[str]], names: Iterable[str]) -> set[str]:
    """Return some variables and all their ancestors."""
    found: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack.extend(parents[name])
    return found
