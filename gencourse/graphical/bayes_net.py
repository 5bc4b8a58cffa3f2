"""Bayesian networks: a directed acyclic graph and a conditional table for each variable.

p(x_1, ..., x_n) = prod_i p(x_i | parents of x_i). A table is exponential in the number of its
parents, not in the number of variables. Pearl, Probabilistic Reasoning in Intelligent
Systems (1988); Koller & Friedman, Probabilistic Graphical Models (2009), chapter 3.

Shapes: B batch, n variables, K states of a variable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gencourse.graphical.bucket_tree import (
    all_marginals,
    check_possible,
    most_probable,
    posterior_samples,
)
from gencourse.graphical.d_separation import d_separated, local_independencies
from gencourse.graphical.directed_graph import ancestors_of, topological_order
from gencourse.graphical.elimination import as_factor, eliminate
from gencourse.graphical.evidence import Evidence, parse_evidence
from gencourse.graphical.factor import (
    Factor,
    as_table,
    check_states,
    check_values,
    sample_categorical,
)

if TYPE_CHECKING:
    import networkx as nx


class BayesNet:
    """A Bayesian network over discrete variables, with exact inference.

    Args:
        cpds: variable -> (its parents, its table). The table has one axis for each parent, in
            the order in which they are named, and the variable's own axis last; it sums to 1
            over the last axis. A floating tensor keeps its dtype, device and gradient;
            anything else becomes float64.
        states: variable -> names of its states.

    Raises:
        ValueError: for a cycle, an unknown parent, a shape that does not match, a table that does
            not sum to 1 (within 1e-6), a negative entry or NaN.
    """

    def __init__(
        self,
        cpds: Mapping[str, tuple[Sequence[str], Any]],
        *,
        states: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if not cpds:
            raise ValueError("a network needs at least one variable; cpds is empty")
        self._parents = {
            name: (parents,) if isinstance(parents, str) else tuple(parents)
            for name, (parents, _) in cpds.items()
        }
        self.variables = topological_order(self._parents)
        tables = {name: as_table(cpds[name][1]) for name in self.variables}
        self.cardinalities = {
            name: table.shape[-1] if table.ndim else 0 for name, table in tables.items()
        }
        for name, table in tables.items():
            check_cpd(name, self._parents[name], table, self.cardinalities)
        self.states = check_states(states, self.cardinalities)
        self._factors = {
            name: Factor._of((*self._parents[name], name), table, self.states)
            for name, table in tables.items()
        }

    @classmethod
    def from_pgmpy(cls, model: Any) -> BayesNet:
        """Bring in a ``pgmpy`` DiscreteBayesianNetwork with its tables and state names."""
        from gencourse.graphical.pgmpy_network import read_network

        cpds, states = read_network(model)
        return cls(cpds, states=states)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(n,): one integer for each variable."""
        return (len(self.variables),)

    @property
    def graph(self) -> nx.DiGraph:
        """The directed graph, for networkx."""
        import networkx as nx

        graph = nx.DiGraph()
        graph.add_nodes_from(self.variables)
        graph.add_edges_from((p, name) for name in self.variables for p in self._parents[name])
        return graph

    def parents(self, name: str) -> tuple[str, ...]:
        """Return the parents of a variable, in the order of the table's axes."""
        return self._parents[self._known(name)]

    def children(self, name: str) -> tuple[str, ...]:
        """Return the children of a variable, in topological order."""
        self._known(name)
        return tuple(v for v in self.variables if name in self._parents[v])

    def cpd(self, name: str) -> Tensor:
        """Return the table of a variable, (parents' states..., K)."""
        return self._factors[self._known(name)].values

    def factors(self) -> list[Factor]:
        """Return the tables as factors over (parents..., variable), in topological order."""
        return list(self._factors.values())

    def num_parameters(self) -> int:
        """Return the number of free parameters: each row of a table loses one, as it sums to 1."""
        return sum(
            (self.cardinalities[name] - 1)
            * math.prod(self.cardinalities[parent] for parent in self._parents[name])
            for name in self.variables
        )

    def joint(self) -> Factor:
        """Return the joint table over all variables, refused when it would not fit in memory."""
        done, _ = eliminate(self.factors(), None, keep=self.variables)
        return as_factor(done.result * done.log_scale.exp(), self.variables, None, self.states)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B, n) ints in the order of ``variables`` -> (B,)."""
        columns = self._columns(x)
        terms = [
            factor.values[tuple(columns[name] for name in factor.variables)]
            for factor in self._factors.values()
        ]  # (B,) each
        return torch.stack(terms).log().sum(0)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Mapping[str, Any] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n exact samples, -> (n, number of variables) int64.

        Without evidence each variable is drawn after its parents. With evidence the draws are
        from the exact posterior, by elimination.

        Args:
            n: number of samples.
            condition: evidence; a tensor of n states conditions each sample on its own row.
            generator: source of randomness.
        """
        if condition:
            states = posterior_samples(
                self.factors(), n, self._evidence(condition), generator=generator,
                children=self.variables,
            )  # fmt: skip
        else:
            states = {}
            for name, factor in self._factors.items():
                rows = factor.values[tuple(states[parent] for parent in self._parents[name])]
                states[name] = sample_categorical(
                    rows.expand(n, self.cardinalities[name]), generator=generator
                )
        return torch.stack([states[name] for name in self.variables], -1)

    def marginals(self, evidence: Mapping[str, Any] | None = None) -> dict[str, Tensor]:
        """Return p(x | evidence) of every variable in two passes, (K,) or (B, K) each.

        Observed variables are one-hot.

        Raises:
            ValueError: for bad evidence, or evidence of probability zero.
        """
        return all_marginals(self.factors(), self._evidence(evidence), children=self.variables)

    def query(
        self, variables: Sequence[str] | str, evidence: Mapping[str, Any] | None = None
    ) -> Factor:
        """Return p(variables | evidence), normalised; a batch axis comes first."""
        variables = (variables,) if isinstance(variables, str) else tuple(variables)
        parsed = self._evidence(evidence)
        relevant = self._ancestral((*map(self._known, variables), *parsed.observed))
        own = [factor.variables[-1] for factor in relevant]
        done, batch_size = eliminate(relevant, parsed, keep=variables, children=own)
        check_possible(done, parsed)
        total = done.result.sum(tuple(range(len(variables)))) if variables else done.result
        return as_factor(done.result / total, variables, batch_size, self.states)

    def map(self, evidence: Mapping[str, Any] | None = None) -> dict[str, int] | dict[str, Tensor]:
        """Return the most probable joint state given evidence, ints or (B,) tensors."""
        return most_probable(self.factors(), self._evidence(evidence), children=self.variables)

    def log_partition(self, evidence: Mapping[str, Any] | None = None) -> Tensor:
        """Return log P(evidence) in nats, () or (B,); 0 without evidence."""
        parsed = self._evidence(evidence)
        if not parsed.observed:
            return next(iter(self._factors.values())).values.new_zeros(())
        relevant = self._ancestral(parsed.observed)
        own = [factor.variables[-1] for factor in relevant]
        done, batch_size = eliminate(relevant, parsed, children=own)
        check_possible(done, parsed)
        return done.log_total() if batch_size is not None else done.log_total()[0]

    def d_separated(
        self, a: Sequence[str] | str, b: Sequence[str] | str, given: Sequence[str] | str = ()
    ) -> bool:
        """Tell whether the graph alone implies a ⊥ b | given."""
        return d_separated(self._parents, a, b, given)

    def implied_independencies(self) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Return (variable, non-descendants, parents): each variable ⊥ the rest | its parents."""
        return local_independencies(self._parents)

    def draw(self, **options: Any) -> Any:
        """Draw the graph; see `gencourse.plots.draw_graph`."""
        from gencourse.plots import draw_graph

        return draw_graph(self, **options)

    def __repr__(self) -> str:
        terms = (
            f"p({name}|{','.join(parents)})" if (parents := self._parents[name]) else f"p({name})"
            for name in self.variables
        )
        return f"BayesNet({' '.join(terms)})"

    def _known(self, name: str) -> str:
        if name not in self._parents:
            raise ValueError(f"unknown variable {name!r}; the network has {self._names()}")
        return name

    def _names(self) -> str:
        return ", ".join(self.variables)

    def _evidence(self, evidence: Mapping[str, Any] | None) -> Evidence:
        device = self._factors[self.variables[0]].values.device
        return parse_evidence(evidence, self.cardinalities, states=self.states, device=device)

    def _ancestral(self, names: Iterable[str]) -> list[Factor]:
        """Return the tables of some variables and all their ancestors: the rest sums to 1."""
        found = ancestors_of(self._parents, names)
        return [factor for name, factor in self._factors.items() if name in found]

    def _columns(self, x: Tensor) -> dict[str, Tensor]:
        if x.ndim != 2 or x.shape[1] != len(self.variables):
            raise ValueError(
                f"x has shape {tuple(x.shape)}; expected (B, {len(self.variables)}), "
                f"columns {self._names()}"
            )
        columns = dict(zip(self.variables, x.unbind(1), strict=True))
        return parse_evidence(columns, self.cardinalities).observed


def check_cpd(
    name: str, parents: Sequence[str], table: Tensor, cardinalities: Mapping[str, int]
) -> None:
    """Check the table of one variable, (parents' states..., K).

    Raises:
        ValueError: naming the variable, and what is wrong where.
    """
    axes = (*parents, name)
    repeated = [axis for axis in axes if axes.count(axis) > 1]
    if repeated:
        raise ValueError(f"the CPD of {name!r} names {repeated[0]!r} twice")
    expected = tuple(cardinalities[axis] for axis in axes)
    if tuple(table.shape) != expected or 0 in expected:
        raise ValueError(
            f"the CPD of {name!r} has shape {tuple(table.shape)}; "
            f"expected {expected}: axes {', '.join(axes)}"
        )
    check_values(table, f"the CPD of {name!r}", axes)
    sums = table.detach().sum(-1)
    tolerance = max(1e-6, 8 * torch.finfo(table.dtype).eps)
    off = ((sums - 1).abs() > tolerance).nonzero()
    if len(off):
        row = off[0].tolist()
        where = ", ".join(f"{p}={s}" for p, s in zip(parents, row, strict=True))
        raise ValueError(
            f"the CPD of {name!r} sums to {float(sums[tuple(row)]):.7g}"
            f"{' at ' + where if where else ''}; expected 1"
        )
