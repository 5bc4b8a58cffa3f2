"""Bayesian networks of linear-Gaussian conditionals (Shachter & Kenley, Management Science 1989).

Every variable is a weighted sum of its parents plus Gaussian noise, so the joint distribution is
one Gaussian, and every marginal and conditional is a Gaussian in closed form. As in the lecture,
N(mean, sd) has the *standard deviation* as its second argument.

Shapes: B batch, n variables, E observed variables, Q queried variables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import networkx as nx
import torch
from torch import Tensor

Number = float | Tensor


@dataclass(frozen=True)
class LinearGaussian:
    """x | parents ~ N(intercept + sum_p weights[p] * p, sd).

    Args:
        intercept: The mean when every parent is 0 (a root's mean).
        sd: Standard deviation of the noise, > 0; not the variance.
        weights: Parent's name -> its weight.
    """

    intercept: Number
    sd: Number
    weights: Mapping[str, Number] = field(default_factory=dict)


class Gaussian(NamedTuple):
    """A joint Gaussian: mean (Q,) or (B, Q), and the covariance (Q, Q) that all rows share."""

    mean: Tensor
    covariance: Tensor


class Marginal(NamedTuple):
    """One variable's Gaussian: mean () or (B,), and standard deviation ()."""

    mean: Tensor
    sd: Tensor


class LinearGaussianNet:
    """A directed model of real variables with linear-Gaussian CPDs.

    With x = b + W x + S e in topological order, W is strictly lower triangular, so
    x ~ N((I - W)^-1 b, A A^T) with A = (I - W)^-1 S (Bishop 2006, equations 8.15 and 8.16).

    Args:
        cpds: Variable's name -> its conditional. Every parent named in a weight is a variable too.

    Raises:
        ValueError: For an unknown parent, a cycle, an sd that is not positive or a number that is
            not finite; the message names the variable and the value.
    """

    def __init__(self, cpds: Mapping[str, LinearGaussian]) -> None:
        if not cpds:
            raise ValueError("cpds is empty, expected at least one variable")
        _check_cpds(cpds)
        self.graph = nx.DiGraph()
        self.graph.add_nodes_from(cpds)
        self.graph.add_edges_from((p, name) for name, cpd in cpds.items() for p in cpd.weights)
        if not nx.is_directed_acyclic_graph(self.graph):
            cycle = " -> ".join(edge[0] for edge in nx.find_cycle(self.graph))
            raise ValueError(f"the graph has the directed cycle {cycle}, expected no cycle")
        rank = {name: i for i, name in enumerate(cpds)}
        order = nx.lexicographical_topological_sort(self.graph, key=rank.__getitem__)
        self.variables: tuple[str, ...] = tuple(order)
        self._cpds = dict(cpds)
        self._column = {name: i for i, name in enumerate(self.variables)}

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(n,): one real number a variable, in the order of `variables`."""
        return (len(self.variables),)

    def parents(self, name: str) -> tuple[str, ...]:
        """Return the parents of `name`, in the order of its weights."""
        self._columns([name])
        return tuple(self._cpds[name].weights)

    def cpd(self, name: str) -> LinearGaussian:
        """Return the conditional of `name`."""
        self._columns([name])
        return self._cpds[name]

    def num_parameters(self) -> int:
        """Count an intercept and an sd for each variable, and a weight for each edge."""
        return 2 * len(self.variables) + self.graph.number_of_edges()

    def joint(self) -> Gaussian:
        """Return the mean (n,) and covariance (n, n) of all variables, in their order."""
        intercept, sd, weight = self._coefficients()
        identity = torch.eye(len(sd), dtype=sd.dtype, device=sd.device)
        inverse = torch.linalg.solve_triangular(
            identity - weight, identity, upper=False, unitriangular=True
        )
        scale = inverse * sd  # (n, n): A = (I - W)^-1 S
        return Gaussian(inverse @ intercept, scale @ scale.T)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats as the sum of the log CPDs, (B, n) -> (B,)."""
        if x.ndim != 2 or x.shape[1] != len(self.variables):
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, {len(self.variables)})")
        if x.isnan().any():
            raise ValueError("x holds NaN, expected numbers")
        intercept, sd, weight = self._coefficients()
        x = x.to(sd)
        residual = (x - intercept - x @ weight.T) / sd  # (B, n)
        log_norm = sd.log().sum() + 0.5 * len(sd) * torch.log(2 * x.new_tensor(torch.pi))
        return -0.5 * residual.square().sum(-1) - log_norm

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Mapping[str, Number] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw n exact samples, parents before children, -> (n, n_vars).

        With evidence e, a joint sample x is moved to x + S_:e S_ee^-1 (e - x_e), which has the law
        of the posterior (Hoffman & Ribak, Astrophysical Journal Letters 1991).

        Args:
            n: Number of samples.
            condition: Observed values; a tensor (n,) gives each sample its own value.
            generator: Source of randomness.
        """
        intercept, sd, weight = self._coefficients()
        noise = torch.randn(n, len(sd), dtype=sd.dtype, device=sd.device, generator=generator)
        x = torch.zeros_like(noise)
        for i in range(len(sd)):
            x[:, i] = intercept[i] + x @ weight[i] + sd[i] * noise[:, i]
        observed, values = self._observed(condition or {})
        if values.ndim == 2 and len(values) != n:
            raise ValueError(f"condition has {len(values)} rows, expected {n}, one a sample")
        if observed:
            gain = _gain(self.joint().covariance, list(range(len(sd))), observed)
            x = x + (values - x[:, observed]) @ gain.T
            x[:, observed] = values.expand(n, -1)  # exactly, without the rounding above
        return x

    def query(
        self, variables: Sequence[str], evidence: Mapping[str, Number] | None = None
    ) -> Gaussian:
        """Return p(variables | evidence), in the order asked.

        mean = mu_q + S_qe S_ee^-1 (e - mu_e), covariance = S_qq - S_qe S_ee^-1 S_eq
        (Bishop 2006, equations 2.81 and 2.82).

        Args:
            variables: Q distinct variables without evidence.
            evidence: Observed values: numbers, or tensors (B,) for a batch.

        Returns:
            Gaussian: mean (Q,) or (B, Q), covariance (Q, Q).
        """
        wanted = self._columns(variables)
        observed, values = self._observed(evidence or {})
        if shared := set(wanted) & set(observed):
            name = self.variables[min(shared)]
            raise ValueError(f"variable {name!r} is both queried and observed")
        mean, covariance = self.joint()
        if not observed:
            return Gaussian(mean[wanted], covariance[wanted][:, wanted])
        gain = _gain(covariance, wanted, observed)  # (Q, E)
        shift = (values - mean[observed]) @ gain.T  # (Q,) or (B, Q)
        explained = gain @ covariance[observed][:, wanted]
        return Gaussian(mean[wanted] + shift, covariance[wanted][:, wanted] - explained)

    def marginals(self, evidence: Mapping[str, Number] | None = None) -> dict[str, Marginal]:
        """Return name -> (mean () or (B,), sd ()) given evidence; an observed sd is 0."""
        evidence = evidence or {}
        hidden = [name for name in self.variables if name not in evidence]
        mean, covariance = self.query(hidden, evidence)
        sds = covariance.diagonal().sqrt()
        found = {name: Marginal(mean[..., i], sds[i]) for i, name in enumerate(hidden)}
        columns, values = self._observed(evidence)
        for i, column in enumerate(columns):
            found[self.variables[column]] = Marginal(values[..., i], sds.new_zeros(()))
        return {name: found[name] for name in self.variables}

    def map(self, evidence: Mapping[str, Number] | None = None) -> dict[str, Tensor]:
        """Return the most probable value () or (B,) of each variable: for a Gaussian, the mean."""
        return {name: marginal.mean for name, marginal in self.marginals(evidence).items()}

    def log_partition(self, evidence: Mapping[str, Number] | None = None) -> Tensor:
        """Return the log density of the evidence in nats, () or (B,); 0 without evidence."""
        observed, values = self._observed(evidence or {})
        mean, covariance = self.joint()
        if not observed:
            return mean.new_zeros(())
        normal = torch.distributions.MultivariateNormal(
            mean[observed], covariance[observed][:, observed]
        )
        return normal.log_prob(values)

    def draw(self, **options: Any) -> Any:
        """Draw the graph; see `gencourse.plots.draw_graph`."""
        from gencourse.plots import draw_graph

        return draw_graph(self, **options)

    def _coefficients(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return intercept (n,), sd (n,) and weight (n, n), row child, column parent."""
        cpds = [self._cpds[name] for name in self.variables]
        given = [v for c in cpds for v in (c.intercept, c.sd, *c.weights.values())]
        tensors = [v for v in given if isinstance(v, Tensor) and v.is_floating_point()]
        like = tensors[0] if tensors else torch.zeros((), dtype=torch.float64)
        zero = torch.zeros_like(like)

        def stack(values: list[Number]) -> Tensor:
            return torch.stack([torch.as_tensor(v).to(like) for v in values])

        rows = [[c.weights.get(parent, zero) for parent in self.variables] for c in cpds]
        weight = torch.stack([stack(row) for row in rows])
        return stack([c.intercept for c in cpds]), stack([c.sd for c in cpds]), weight

    def _columns(self, names: Sequence[str]) -> list[int]:
        """Return the columns of the named variables, refusing unknown and repeated ones."""
        for name in names:
            if name not in self._column:
                known = ", ".join(self.variables)
                raise ValueError(f"unknown variable {name!r}, expected one of {known}")
        if len(set(names)) < len(names):
            raise ValueError(f"variables {tuple(names)} name one twice, expected distinct names")
        return [self._column[name] for name in names]

    def _observed(self, evidence: Mapping[str, Number]) -> tuple[list[int], Tensor]:
        """Return the observed columns and their values (E,) or (B, E)."""
        columns = self._columns(list(evidence))
        like = self._coefficients()[1]
        values = [torch.as_tensor(value).to(like) for value in evidence.values()]
        sizes = {len(value) for value in values if value.ndim}
        for name, value in zip(evidence, values, strict=True):
            if value.ndim > 1 or len(sizes) > 1:
                raise ValueError(
                    f"evidence of {name!r} has shape {tuple(value.shape)}, "
                    f"expected () or one (B,) shared by all evidence"
                )
            if not value.isfinite().all():
                raise ValueError(f"evidence of {name!r} is {value.tolist()}, expected it finite")
        if not values:
            return columns, like.new_zeros(0)
        return columns, torch.stack(torch.broadcast_tensors(*values), dim=-1)


def _gain(covariance: Tensor, rows: Sequence[int], observed: Sequence[int]) -> Tensor:
    """Return S_qe S_ee^-1, the regression of the rows on what is observed, (Q, E)."""
    cholesky = torch.linalg.cholesky(covariance[observed][:, observed])
    return torch.cholesky_solve(covariance[observed][:, rows], cholesky).T


def five_gaussians(
    mean1: Number = 0.0, mean3: Number = 0.0, *, sds: Sequence[Number] = (1.0,) * 5
) -> LinearGaussianNet:
    """Return the lecture's five-variable graph with Gaussian conditionals.

    x1 ~ N(mean1, sds[0]), x2 ~ N(x1, sds[1]), x3 ~ N(mean3, sds[2]), x4 ~ N(x2 + x3, sds[3]),
    x5 ~ N(x3, sds[4]), where the second argument of N is a standard deviation.
    """
    if len(sds) != 5:
        raise ValueError(f"sds has {len(sds)} entries, expected 5")
    return LinearGaussianNet(
        {
            "x1": LinearGaussian(mean1, sds[0]),
            "x2": LinearGaussian(0.0, sds[1], {"x1": 1.0}),
            "x3": LinearGaussian(mean3, sds[2]),
            "x4": LinearGaussian(0.0, sds[3], {"x2": 1.0, "x3": 1.0}),
            "x5": LinearGaussian(0.0, sds[4], {"x3": 1.0}),
        }
    )


def _check_cpds(cpds: Mapping[str, LinearGaussian]) -> None:
    """Refuse unknown parents and numbers that are not finite scalars with a positive sd."""
    for name, cpd in cpds.items():
        numbers = {"intercept": cpd.intercept, "sd": cpd.sd}
        for parent, weight in cpd.weights.items():
            if parent not in cpds:
                raise ValueError(f"variable {name!r} has the unknown parent {parent!r}")
            numbers[f"weight of {parent!r}"] = weight
        for label, number in numbers.items():
            value = torch.as_tensor(number)
            if value.ndim or not value.isfinite():
                raise ValueError(
                    f"variable {name!r}: {label} is {value.tolist()}, expected one finite number"
                )
        if not torch.as_tensor(cpd.sd) > 0:
            raise ValueError(f"variable {name!r}: sd is {float(cpd.sd)}, expected > 0")
