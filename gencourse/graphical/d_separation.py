"""d-separation: which independencies hold in every distribution that a graph can represent.

The test is reachability along active trails, the "Bayes ball" (Shachter, UAI 1998; algorithm 3.1
of Koller & Friedman, 2009). A trail is blocked at an observed chain or fork, and at a
collider unless the collider or one of its descendants is observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Parents = Mapping[str, tuple[str, ...]]


def d_separated(
    parents: Parents,
    a: Sequence[str] | str,
    b: Sequence[str] | str,
    given: Sequence[str] | str = (),
) -> bool:
    """Tell whether the graph implies a ⊥ b | given.

    Args:
        parents: variable -> its parents, for every variable of the graph.
        a: one variable or several.
        b: one variable or several.
        given: the observed variables.

    Raises:
        ValueError: for an unknown variable, or one that stands on two sides.
    """
    sides = [(names,) if isinstance(names, str) else tuple(names) for names in (a, b, given)]
    seen: set[str] = set()
    for names in map(set, sides):
        for name in sorted(names):
            if name not in parents:
                raise ValueError(f"unknown variable {name!r}; the graph has {', '.join(parents)}")
            if name in seen:
                raise ValueError(f"{name!r} stands on two sides of the statement")
        seen |= names
    return not reachable(parents, sides[0], sides[2]) & set(sides[1])


def reachable(parents: Parents, start: Sequence[str], given: Sequence[str]) -> set[str]:
    """Return the unobserved variables that an active trail joins to ``start``, itself included."""
    children: dict[str, list[str]] = {name: [] for name in parents}
    for name, above in parents.items():
        for parent in above:
            children[parent].append(name)
    observed = set(given)
    opened = set()  # observed variables and their ancestors: colliders that let a trail pass
    stack = list(given)
    while stack:
        name = stack.pop()
        if name not in opened:
            opened.add(name)
            stack.extend(parents[name])

    found: set[str] = set()
    visited: set[tuple[str, bool]] = set()
    trail = [(name, True) for name in start]  # True: arrived from a child, going up
    while trail:
        name, upward = step = trail.pop()
        if step in visited:
            continue
        visited.add(step)
        if name not in observed:
            found.add(name)
            trail += [(child, False) for child in children[name]]
            if upward:
                trail += [(parent, True) for parent in parents[name]]
        if not upward and name in opened:  # a collider: arrived from a parent, leave to another
            trail += [(parent, True) for parent in parents[name]]
    return found


def local_independencies(parents: Parents) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return the local Markov statements (variable, others, parents): variable ⊥ others | parents.

    The others are the non-descendants that are no parents; a variable without any is left out.
    """
    statements = []
    for name, above in parents.items():
        below = _descendants(parents, name)
        others = tuple(v for v in parents if v != name and v not in above and v not in below)
        if others:
            statements.append((name, others, above))
    return statements


def _descendants(parents: Parents, name: str) -> set[str]:
    found = {name}
    grown = True
    while grown:
        new = {v for v, above in parents.items() if v not in found and found & set(above)}
        found |= new
        grown = bool(new)
    return found - {name}
