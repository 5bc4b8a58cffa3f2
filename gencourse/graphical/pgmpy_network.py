"""Read a network built with pgmpy (https://pgmpy.org): its tables, parents and state names.

A ``TabularCPD`` keeps the variable's own axis first and the parents after it, and each CPD lists
the states of its parents itself, possibly in another order than the parent's own CPD. Both are
put right here. Nothing of pgmpy is imported: the model brings it along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Cpds = dict[str, tuple[tuple[str, ...], np.ndarray]]


def read_network(model: Any) -> tuple[Cpds, dict[str, tuple[str, ...]]]:
    """Return the CPDs and state names of a pgmpy ``DiscreteBayesianNetwork``.

    States that pgmpy numbers 0, 1, ... have no names here.

    Raises:
        ValueError: if a variable has no CPD, or a child disagrees about its parent's states.
    """
    tables = {node: model.get_cpds(node) for node in model.nodes()}
    for node, table in tables.items():
        if table is None:
            raise ValueError(f"the pgmpy network has no CPD for {node!r}")
    own = {node: list(table.state_names[node]) for node, table in tables.items()}
    cpds: Cpds = {}
    for node, table in tables.items():
        values = np.asarray(table.values, dtype=float)  # (K, parents...)
        for axis, name in enumerate(table.variables):
            order = _order(list(table.state_names[name]), own[name], name, node)
            values = np.take(values, order, axis)
        parents = tuple(str(name) for name in table.variables[1:])
        cpds[str(node)] = (parents, np.moveaxis(values, 0, -1))
    names = {
        str(node): tuple(map(str, states))
        for node, states in own.items()
        if states != list(range(len(states)))
    }
    return cpds, names


def _order(theirs: Sequence[Any], own: Sequence[Any], name: Any, node: Any) -> list[int]:
    if sorted(map(str, theirs)) != sorted(map(str, own)):
        raise ValueError(
            f"the CPD of {node!r} gives {name!r} the states {theirs}; its own are {own}"
        )
    return [list(theirs).index(state) for state in own]
