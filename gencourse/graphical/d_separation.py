"""d-separation: which independencies hold in every distribution that a graph can represent.

The test is reachability along active trails, the "Bayes ball" (Shachter, UAI 1998; algorithm 3.1
of Koller & Friedman, 2009). A trail is blocked at an observed chain or fork, and at a
collider unless the collider or one of its descendants is observed.
"""

from __future__ import annotations

from collections.abc import Sequence

from gencourse.graphical.directed_graph import Parents, ancestors_of, children_of


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
    children, observed = children_of(parents), set(given)
    found: set[str] = set()
    visited: set[tuple[str, bool]] = set()
    trail = [(name, True) for name in start]  # True: arrived from a child, going up
    while trail:
        name, upward = step = trail.pop()
        if step in visited:
            continue
        visited.add(step)
        if name in observed:
            if not upward:  # bounce back: a collider here, or one above, lets the trail pass
                trail += [(parent, True) for parent in parents[name]]
            continue
        found.add(name)
        trail += [(child, False) for child in children[name]]
        if upward:
            trail += [(parent, True) for parent in parents[name]]
    return found


def local_independencies(parents: Parents) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Return the local Markov statements (variable, others, parents): variable ⊥ others | parents.

    The others are the non-descendants that are no parents; a variable without any is left out.
    """
    children = children_of(parents)
    statements = []
    for name, above in parents.items():
        below = ancestors_of(children, [name])  # along the arrows turned round: the descendants
        others = tuple(v for v in parents if v not in above and v not in below)
        if others:
            statements.append((name, others, above))
    return statements
