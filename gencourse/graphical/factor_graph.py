"""Factor graphs: any product of non-negative tables, divided by its sum Z.

p(x) = (1/Z) prod_a psi_a(x_a) (Kschischang, Frey & Loeliger, IEEE Trans. Information Theory 2001).
A Markov random field and a Bayesian network are both factor graphs; a Bayesian network's factors
are normalised each on its own, so that its Z is 1.

Shapes: B batch, n variables, K states of a variable.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx
import torch
from torch import Tensor

from gencourse.graphical.bucket_tree import (
    all_marginals,
    check_possible,
    most_probable,
    posterior_samples,
)
from gencourse.graphical.elimination import (
    Elimination,
    as_factor,
    eliminate,
    joined_cardinalities,
    joined_states,
)
from gencourse.graphical.evidence import parse_evidence
from gencourse.graphical.factor import Factor
from gencourse.graphical.log_space import restore_infinity, safe_log

if TYPE_CHECKING:
    from gencourse.graphical.bayes_net import BayesNet

Evidence = Mapping[str, Any] | None


class FactorGraph:
    """A globally normalised model over discrete variables.

    Args:
        factors: The potentials. Variables are ordered by their first appearance.
        states: Variable's name -> the names of its states, added to those of the factors.
        names: One name for each factor; "f1", "f2", ... if left out.

    Raises:
        ValueError: If factors disagree about a variable's states, if a factor is a batch, or if a
            name is used twice.
    """

    def __init__(
        self,
        factors: Iterable[Factor],
        *,
        states: Mapping[str, Sequence[str]] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        given = list(factors)
        self.cardinalities: dict[str, int] = joined_cardinalities(given)
        for name in states or {}:
            if name not in self.cardinalities:
                raise ValueError(f"states names the unknown variable {name!r}")
        self.variables: tuple[str, ...] = tuple(self.cardinalities)
        names = tuple(names or (f"f{i}" for i in range(1, len(given) + 1)))
        if len(names) != len(given):
            raise ValueError(f"names are {names}, expected one for each of {len(given)} factors")
        for name, count in Counter([*self.variables, *names]).items():
            if count > 1:
                raise ValueError(f"the name {name!r} is given to {count} nodes, expected one")
        self._factors: dict[str, Factor] = {}
        for name, factor in zip(names, given, strict=True):
            if factor.batch_size is not None:
                raise ValueError(f"factor {name!r} is a batch of {factor.batch_size} tables")
            known = factor.states | {v: states[v] for v in factor.variables if v in (states or {})}
            self._factors[name] = Factor(factor.variables, factor.values, states=known)
        self.states: dict[str, tuple[str, ...]] = joined_states(self.factors())

    @classmethod
    def from_bayes_net(cls, net: "BayesNet") -> "FactorGraph":
        """Make one factor of each CPD, named "p(x4|x2,x3)"; Z is 1."""
        factors = net.factors()
        names = []
        for factor in factors:
            *parents, child = factor.variables
            names.append(f"p({child}|{','.join(parents)})" if parents else f"p({child})")
        return cls(factors, states=net.states, names=names)

    @classmethod
    def from_mrf(
        cls,
        potentials: Mapping[str | tuple[str, ...], Any],
        *,
        states: Mapping[str, Sequence[str]] | None = None,
    ) -> "FactorGraph":
        """Make one factor of each clique's potential, such as {"a": (K,), ("a", "b"): (K, K)}."""
        cliques = [(key,) if isinstance(key, str) else tuple(key) for key in potentials]
        tables = zip(cliques, potentials.values(), strict=True)
        names = [f"psi({','.join(clique)})" for clique in cliques]
        return cls([Factor(c, table) for c, table in tables], states=states, names=names)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(n,): one state a variable, in the order of `variables`."""
        return (len(self.variables),)

    @property
    def factor_names(self) -> tuple[str, ...]:
        """Return the names of the factors, in the order given."""
        return tuple(self._factors)

    @property
    def graph(self) -> nx.Graph:
        """The bipartite graph; each node has the attribute `kind`, "variable" or "factor"."""
        graph = nx.Graph()
        graph.add_nodes_from(self.variables, kind="variable")
        for name, factor in self._factors.items():
            graph.add_node(name, kind="factor")
            graph.add_edges_from((name, variable) for variable in factor.variables)
        return graph

    def factors(self) -> list[Factor]:
        """Return the potentials, in the order given."""
        return list(self._factors.values())

    def factor(self, name: str) -> Factor:
        """Return the potential with this name."""
        if name not in self._factors:
            known = ", ".join(self._factors)
            raise ValueError(f"unknown factor {name!r}, expected one of {known}")
        return self._factors[name]

    def is_tree(self) -> bool:
        """Tell whether the graph has no cycle (of several parts, each is then a tree)."""
        return nx.is_forest(self.graph)

    def num_parameters(self) -> int:
        """Count the entries of all tables; for potentials this is more than the free ones."""
        return sum(factor.values.numel() for factor in self.factors())

    def product(self) -> Factor:
        """Multiply all potentials into one table over `variables`: brute force, not normalised."""
        total = self.factors()[0]
        for factor in self.factors()[1:]:
            total = total * factor
        return total.marginal(self.variables)

    def joint(self) -> Factor:
        """Return p(x) as one table over `variables`, by brute force; refused when too large."""
        return self.product().normalize()

    def log_potential(self, x: Tensor) -> Tensor:
        """Return log prod_a psi_a(x_a), which is log p(x) + log Z, (B, n) -> (B,)."""
        if x.ndim != 2 or x.shape[1] != len(self.variables):
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, {len(self.variables)})")
        columns = dict(zip(self.variables, x.unbind(1), strict=True))
        states = parse_evidence(columns, self.cardinalities, device=x.device).observed
        logs = [
            safe_log(factor.values)[tuple(states[name] for name in factor.variables)]
            for factor in self.factors()
        ]
        return restore_infinity(torch.stack([log.expand(len(x)) for log in logs]).sum(0))

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats, (B, n) -> (B,)."""
        return self.log_potential(x) - self.log_partition()

    def log_partition(self, evidence: Evidence = None) -> Tensor:
        """Return log Z, or with evidence the log of the sum that agrees with it, () or (B,).

        log P(evidence) is the difference of the two.
        """
        done, batch_size = self._eliminate((), evidence)
        return done.log_total() if batch_size is not None else done.log_total()[0]

    def marginals(self, evidence: Evidence = None) -> dict[str, Tensor]:
        """Return name -> p(x | evidence), (K,) or (B, K), by elimination (exact)."""
        return all_marginals(self.factors(), evidence)

    def query(self, variables: Sequence[str] | str, evidence: Evidence = None) -> Factor:
        """Return p(variables | evidence) as a normalised factor, a batch axis first."""
        query = (variables,) if isinstance(variables, str) else tuple(variables)
        done, batch_size = self._eliminate(query, evidence)
        return as_factor(done.result, query, batch_size, self.states).normalize()

    def map(self, evidence: Evidence = None) -> dict[str, int] | dict[str, Tensor]:
        """Return a most probable joint state given the evidence, ints or (B,) tensors."""
        return most_probable(self.factors(), evidence)

    def sample(
        self,
        n: int,
        *,
        condition: Evidence = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n exact samples, given evidence or not, -> (n, number of variables) int64."""
        states = posterior_samples(self.factors(), n, condition, generator=generator)
        return torch.stack([states[name] for name in self.variables], 1)

    def draw(self, **options: Any) -> Any:
        """Draw the graph; see `gencourse.plots.draw_graph`."""
        from gencourse.plots import draw_graph

        return draw_graph(self, **options)

    def _eliminate(
        self, keep: tuple[str, ...], evidence: Evidence
    ) -> tuple[Elimination, int | None]:
        """Sum out everything but `keep`, refusing impossible evidence."""
        factors = self.factors()
        parsed = parse_evidence(
            evidence, self.cardinalities, states=self.states, device=factors[0].values.device
        )
        done, batch_size = eliminate(factors, parsed, keep=keep)
        check_possible(done, parsed)
        return done, batch_size


def frustrated_cycle(num: int = 4, *, coupling: float = 2.0, field: float = 1.0) -> FactorGraph:
    """Return a ring of binary variables that cannot all have their way.

    Neighbours want to agree, with exp(coupling) against exp(-coupling), but the last and the first
    want to differ; `field` pulls x1 towards state 1. What x1 says goes round the cycle and comes
    back as its opposite. With the defaults, loopy belief propagation circles for hundreds of
    sweeps and ends near 0.52 for x1 where the truth is 0.73; damping settles it, no more truly.

    Args:
        num: Number of variables, at least 3.
        coupling: Strength of every pair's wish, > 0.
        field: Log-odds of x1's own wish for state 1.
    """
    if num < 3:
        raise ValueError(f"num is {num}, expected at least 3")
    agree = (coupling * torch.tensor([[1.0, -1.0], [-1.0, 1.0]], dtype=torch.float64)).exp()
    names = [f"x{i}" for i in range(1, num + 1)]
    wish = (field * torch.tensor([-0.5, 0.5], dtype=torch.float64)).exp()
    factors = [Factor(names[:1], wish)]
    factors += [Factor(names[i : i + 2], agree) for i in range(num - 1)]
    return FactorGraph([*factors, Factor([names[-1], names[0]], 1 / agree)])
