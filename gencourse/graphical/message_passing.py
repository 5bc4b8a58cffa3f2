"""The two messages of belief propagation, in log space, and what is read off from them.

A variable tells a factor the product of what its other factors say; a factor tells a variable
what it knows of it, with everything else summed (or maximised) out: equations 5 and 6 of
Kschischang, Frey & Loeliger, IEEE Trans. Information Theory (2001).

Shapes: b is 1 or the batch B; K states. A table is (b, K1, ..., Km), a message (b, K).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from gencourse.graphical.evidence import Evidence
from gencourse.graphical.factor_graph import FactorGraph
from gencourse.graphical.log_space import safe_log

Edge = tuple[str, str]  # (source, target)


@dataclass(frozen=True)
class Semiring:
    """How everything else is removed from a table: by sum or by maximum, on logs."""

    maximise: bool

    def total(self, logs: Tensor, axes: Sequence[int]) -> Tensor:
        """Reduce the axes of a log table."""
        if not axes:
            return logs
        return logs.amax(tuple(axes)) if self.maximise else logs.logsumexp(tuple(axes))

    def normalize(self, logs: Tensor) -> Tensor:
        """Shift each row (b, ...) so that it sums to 1 (its largest entry is 1)."""
        axes = range(1, logs.ndim)
        norm = self.total(logs, axes)
        return logs - norm.reshape(-1, *(1 for _ in axes))


class LogGraph:
    """A factor graph in logarithms, cut down by evidence to what is not observed.

    Attributes:
        scopes: Factor's name -> its unobserved variables; a factor with none is not here.
        tables: Factor's name -> log table (b, K1, ..., Km) over its scope.
        neighbours: Unobserved variable -> its factors.
        sizes: Unobserved variable -> its number of states.
        constant: Log of the factors that are wholly observed, (b,).
    """

    def __init__(self, graph: FactorGraph, evidence: Evidence) -> None:
        self.sizes = {v: k for v, k in graph.cardinalities.items() if v not in evidence.observed}
        self.neighbours: dict[str, list[str]] = {name: [] for name in self.sizes}
        self.scopes: dict[str, tuple[str, ...]] = {}
        self.tables: dict[str, Tensor] = {}
        self.constant = graph.factors()[0].values.new_zeros(1)
        for name in graph.factor_names:
            factor = graph.factor(name)
            seen = {v: s for v, s in evidence.observed.items() if v in factor.variables}
            factor = factor.reduce({v: s if len(s) > 1 else s[0] for v, s in seen.items()})
            table = safe_log(factor.values)
            table = table if factor.batch_size else table[None]
            if not factor.variables:
                self.constant = self.constant + table
                continue
            self.scopes[name], self.tables[name] = factor.variables, table
            for variable in factor.variables:
                self.neighbours[variable].append(name)

    def edges(self) -> list[Edge]:
        """Return every (factor, variable) pair."""
        return [(name, variable) for name, scope in self.scopes.items() for variable in scope]

    def around(self, node: str) -> Sequence[str]:
        """Return the neighbours of a variable or of a factor."""
        return self.neighbours[node] if node in self.sizes else self.scopes[node]

    def silence(self, variable: str) -> Tensor:
        """Return the message of one who has nothing to tell: log 1 for each state, (1, K)."""
        return self.constant.new_zeros(1, self.sizes[variable])

    def filled(self, name: str, inbox: Mapping[Edge, Tensor], *, without: str = "") -> Tensor:
        """Add to a factor's table the messages in its inbox, but for one variable's."""
        total, scope = self.tables[name], self.scopes[name]
        for axis, variable in enumerate(scope, start=1):
            if variable != without:
                total = total + _along(inbox[variable, name], axis, total.ndim)
        return total

    def from_factor(
        self, name: str, target: str, inbox: Mapping[Edge, Tensor], semiring: Semiring
    ) -> Tensor:
        """Return the message factor -> variable, (b, K)."""
        rest = [axis for axis, v in enumerate(self.scopes[name], start=1) if v != target]
        return semiring.total(self.filled(name, inbox, without=target), rest)

    def belief(self, variable: str, inbox: Mapping[Edge, Tensor]) -> Tensor:
        """Return the sum of all messages to a variable, (b, K)."""
        incoming = [inbox[name, variable] for name in self.neighbours[variable]]
        return sum(incoming, self.silence(variable))

    def from_variable(self, variable: str, inbox: Mapping[Edge, Tensor]) -> dict[str, Tensor]:
        """Return the messages variable -> each of its factors, at a cost linear in their number.

        What a factor hears is all that came before it in the list plus all that comes after:
        subtracting its own message from the total would turn log 0 - log 0 into NaN.
        """
        names = self.neighbours[variable]
        incoming = [inbox[name, variable] for name in names]
        before = accumulate(incoming[:-1], initial=self.silence(variable))
        after = list(accumulate(incoming[:0:-1], initial=self.silence(variable)))[::-1]
        return {name: b + a for name, b, a in zip(names, before, after, strict=True)}


def bethe_log_partition(
    graph: LogGraph, inbox: Mapping[Edge, Tensor], semiring: Semiring
) -> Tensor:
    """Return the Bethe estimate of log Z from converged messages, (b,).

    log Z = sum_a log Z_a + sum_i log Z_i - sum_(ia) log Z_ia, the normalisers of the beliefs of
    factors, of variables, and of edges (Yedidia, Freeman & Weiss 2005; Mezard & Montanari 2009,
    equation 14.28). Exact on a forest; the scale of a message cancels.
    """
    total = graph.constant
    for name in graph.tables:
        filled = graph.filled(name, inbox)
        total = total + semiring.total(filled, range(1, filled.ndim))
    for variable in graph.sizes:
        total = total + semiring.total(graph.belief(variable, inbox), [1])
    for name, variable in graph.edges():
        edge = inbox[name, variable] + inbox[variable, name]
        total = total - semiring.total(edge, [1])
    return total


def decode(graph: LogGraph, inbox: Mapping[Edge, Tensor], batch_size: int) -> dict[str, Tensor]:
    """Read a joint state off max-product messages, variable -> (B,).

    Each variable is decided given those decided before it, from the root outwards, so that ties
    are broken together: the best state of each variable alone might mix two optima. Exact on a
    forest, a heuristic elsewhere.
    """
    scopes, tables = dict(graph.scopes), dict(graph.tables)
    rows = torch.arange(batch_size, device=graph.constant.device)
    states: dict[str, Tensor] = {}
    for variable in breadth_first(graph):
        if variable not in graph.sizes:
            continue
        score = graph.silence(variable).expand(batch_size, -1)
        for name in graph.neighbours[variable]:
            best = tables[name]
            for axis, other in enumerate(scopes[name], start=1):
                if other != variable:
                    best = best + _along(inbox[other, name], axis, best.ndim)
            rest = [axis for axis, v in enumerate(scopes[name], start=1) if v != variable]
            score = score + (best.amax(rest) if rest else best)
        states[variable] = score.argmax(1)
        for name in graph.neighbours[variable]:
            axis = scopes[name].index(variable) + 1
            table = tables[name].movedim(axis, 1)
            tables[name] = table.expand(batch_size, *table.shape[1:])[rows, states[variable]]
            scopes[name] = tuple(v for v in scopes[name] if v != variable)
    return states


def breadth_first(graph: LogGraph) -> dict[str, str | None]:
    """Visit every node from a root in each part; node -> the one it was reached from."""
    parent: dict[str, str | None] = {}
    for root in graph.sizes:
        if root in parent:
            continue
        parent[root] = None
        level = [root]
        while level:
            following = []
            for node in level:
                for other in graph.around(node):
                    if other not in parent:
                        parent[other] = node
                        following.append(other)
            level = following
    return parent


def is_forest(graph: LogGraph) -> bool:
    """Tell whether what is left after the evidence has no cycle."""
    parts = sum(source is None for source in breadth_first(graph).values())
    return len(graph.edges()) == len(graph.sizes) + len(graph.scopes) - parts


def _along(message: Tensor, axis: int, ndim: int) -> Tensor:
    """Lay a message (b, K) along one axis of a table."""
    shape = [1] * ndim
    shape[0], shape[axis] = message.shape
    return message.reshape(shape)
