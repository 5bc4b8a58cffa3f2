"""The checks that every exact density passes, for the models of all units.

Each `check_...` takes a model and raises AssertionError in words. `check_density` runs them all; a
test module rather parametrises over `CHECKS`, so that each shows under its own name:

    CASES = {"nade": Case(lambda seed: NADE(5, num_hidden=4), Finite((2,) * 5))}

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_density(case, check):
        check(case)

A model small enough to enumerate, or of one or two real variables, and with asymmetric parameters,
tells more than a large one.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from gencourse.protocols import Density, as_events


class Finite(NamedTuple):
    """Each variable of the event, in C order, has the states 0..K-1: (K_1, K_2, ...)."""

    cardinalities: Sequence[int]


class Box(NamedTuple):
    """Real variables, with bounds outside of which hardly any mass is left."""

    bounds: Sequence[tuple[float, float]]
    bins: int = 12
    points: int = 10  # of Gauss-Legendre quadrature in each bin


@dataclass
class Case:
    """A model to check.

    Args:
        make: makes the model from a seed; two seeds give different parameters where there are any.
        support: the values that an event can take.
        parameters: the tensors that gradients must reach; all parameters of a module when None.
        device: where to check it; only modules can be moved.
    """

    make: Callable[[int], Any]
    support: Finite | Box
    parameters: Callable[[Any], Sequence[Tensor]] | None = None
    device: str = "cpu"
    num_samples: int = 20_000
    tolerance: float = 1e-6
    _model: Any = field(default=None, repr=False)

    @property
    def model(self):
        if self._model is None:
            self._model = self.made(0)
        return self._model

    def made(self, seed):
        model = self.make(seed)
        return model.to(self.device) if isinstance(model, nn.Module) else model

    def generator(self, seed=0):
        return torch.Generator(self.device).manual_seed(seed)

    def samples(self, n, seed=0):
        return self.model.sample(n, generator=self.generator(seed))


def cells(case: Case) -> tuple[Tensor, Tensor]:
    """Cut the support into cells, and return points (P, *event_shape) and their weights (C, P).

    exp(log_prob) of the points, times the weights, is the probability of each of the C cells. For
    a finite support every state is a cell.
    """
    support = case.support
    if isinstance(support, Finite):
        states = torch.cartesian_prod(*(torch.arange(k) for k in support.cardinalities))
        states = states.reshape(math.prod(support.cardinalities), -1)
        return as_events(states, case.model.event_shape), torch.eye(len(states))
    nodes, weights = np.polynomial.legendre.leggauss(support.points)
    points, in_bin = [], []
    for low, high in support.bounds:
        edges = np.linspace(low, high, support.bins + 1)
        half = np.diff(edges)[:, None] / 2
        points.append(torch.tensor((edges[:-1, None] + half * (nodes + 1)).ravel()))
        in_bin.append(torch.tensor(np.kron(np.eye(support.bins), weights) * half[0]))
    grid = torch.cartesian_prod(*points).reshape(math.prod(map(len, points)), -1)
    cell_weights = in_bin[0]
    for more in in_bin[1:]:
        cell_weights = torch.kron(cell_weights, more)
    return as_events(grid, case.model.event_shape), cell_weights


@torch.no_grad()
def cell_probabilities(case: Case) -> Tensor:
    """Return the probability of each cell by the model's log_prob, (C,)."""
    points, weights = cells(case)
    like = case.samples(1)
    log_p = case.model.log_prob(points.to(like))
    return weights.double() @ log_p.double().exp().cpu()


def cell_of(case: Case, x: Tensor) -> Tensor:
    """Return the number of the cell of each sample, (n,); C for a sample outside of the box."""
    x = x.reshape(len(x), -1).cpu()
    if isinstance(case.support, Finite):
        sizes = list(case.support.cardinalities)
        index = x.long()
        assert ((index == x) & (index >= 0) & (index < torch.tensor(sizes))).all(), (
            f"samples hold other values than states below {sizes}"
        )
    else:
        low, high = torch.tensor(case.support.bounds, dtype=x.dtype).T
        sizes = [case.support.bins] * x.shape[1]
        index = ((x - low) / (high - low) * case.support.bins).floor().long()
    inside = ((index >= 0) & (index < torch.tensor(sizes))).all(1)
    place = torch.tensor([math.prod(sizes[i + 1 :]) for i in range(len(sizes))])
    return torch.where(inside, (index * place).sum(1), math.prod(sizes))


def check_protocol(case: Case) -> None:
    """The model is a Density, and its event_shape is a tuple of integers."""
    assert isinstance(case.model, Density), f"{case.model} is no gencourse.protocols.Density"
    shape = case.model.event_shape
    assert isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)


def check_shapes(case: Case) -> None:
    """Shapes and finiteness, for a batch and for a single row."""
    for n in (1, 7):
        x = case.samples(n)
        assert x.shape == (n, *case.model.event_shape), f"sample({n}) has shape {tuple(x.shape)}"
        assert not x.requires_grad, "samples carry a graph"
        log_p = case.model.log_prob(x)
        assert log_p.shape == (n,), f"log_prob of {n} rows has shape {tuple(log_p.shape)}"
        assert log_p.dtype.is_floating_point and log_p.isfinite().all(), "a sample is impossible"
        assert log_p.device.type == torch.device(case.device).type


def check_rows_apart(case: Case) -> None:
    """A row's log-probability does not depend on the rows beside it."""
    x = case.samples(6)
    together = case.model.log_prob(x)
    alone = torch.cat([case.model.log_prob(row[None]) for row in x])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def check_two_calls(case: Case) -> None:
    """Two calls agree; a generator decides the samples and nothing else does."""
    x = case.samples(9)
    assert torch.equal(case.model.log_prob(x), case.model.log_prob(x)), "log_prob is not constant"
    before = torch.get_rng_state()
    assert torch.equal(x, case.samples(9)), "the same generator gives other samples"
    assert torch.equal(before, torch.get_rng_state()), "sample() moves torch's default generator"
    many = case.samples(200)
    assert not torch.equal(many, case.samples(200, seed=1)), "the generator changes nothing"


def check_sums_to_one(case: Case) -> None:
    """The probabilities of all cells sum to 1, by enumeration or quadrature."""
    total = float(cell_probabilities(case).sum())
    assert abs(total - 1) < case.tolerance, f"the probabilities sum to {total}, not to 1"


def check_sampler(case: Case) -> None:
    """The frequencies of seeded samples agree with exp(log_prob), by a chi-square test.

    A wrong log_prob may still sum to 1: only the two together tell.
    """
    p = cell_probabilities(case)
    p = torch.cat([p, (1 - p.sum()).clamp(min=0)[None]]).numpy()
    n = case.num_samples
    count = np.bincount(cell_of(case, case.samples(n)).numpy(), minlength=len(p))
    assert not count[p * n < 1e-3].sum(), "samples lie where log_prob says next to never"
    rare = p * n < 10  # pooled, because the chi-square law needs some counts in each cell
    p, count = (np.append(each[~rare], each[rare].sum()) for each in (p, count))
    keep = p > 0
    if keep.sum() > 1:
        found = stats.chisquare(count[keep], n * p[keep] / p[keep].sum())
        assert found.pvalue > 1e-4, f"samples disagree with log_prob: p-value {found.pvalue:.2g}"


def check_gradients(case: Case) -> None:
    """A finite gradient of the likelihood reaches each parameter tensor."""
    model = case.made(0)
    if case.parameters is not None:
        parameters = {str(i): p for i, p in enumerate(case.parameters(model))}
    else:
        parameters = dict(model.named_parameters()) if isinstance(model, nn.Module) else {}
    if not parameters:
        return
    x = model.sample(64, generator=case.generator())
    # random weights: the plain sum of all log p has a gradient of 0 in expectation
    weights = torch.rand(64, generator=case.generator(), device=case.device)
    (model.log_prob(x) * weights).sum().backward()
    for name, parameter in parameters.items():
        assert parameter.grad is not None, f"no gradient reaches parameter {name}"
        assert parameter.grad.isfinite().all(), f"the gradient of parameter {name} is not finite"
        assert parameter.grad.any(), f"the gradient of parameter {name} is 0"


def check_state_dict(case: Case) -> None:
    """state_dict carries everything: another model with other parameters becomes the same."""
    if not isinstance(case.model, nn.Module):
        return
    x = case.samples(20)
    other = case.made(1)
    if case.model.state_dict():
        different = not torch.equal(other.log_prob(x), case.model.log_prob(x))
        assert different, "make(1) has the parameters of make(0): the check would prove nothing"
    other.load_state_dict(copy.deepcopy(case.model.state_dict()))
    assert torch.equal(other.log_prob(x), case.model.log_prob(x)), "state_dict misses something"
    a, b = (m.sample(20, generator=case.generator()) for m in (case.model, other))
    assert torch.equal(a, b), "state_dict misses something that sample() uses"


def check_dtypes(case: Case) -> None:
    """A module works in both precisions, with nearly the same log-probabilities."""
    if not isinstance(case.model, nn.Module) or not case.model.state_dict():
        return
    x = case.samples(20)
    found = {}
    for dtype in (torch.float32, torch.float64):
        model = copy.deepcopy(case.model).to(dtype)
        found[dtype] = model.log_prob(x.to(dtype) if x.is_floating_point() else x)
        assert found[dtype].dtype == dtype, f"log_prob of a {dtype} model is {found[dtype].dtype}"
        assert model.sample(3, generator=case.generator()).shape == (3, *model.event_shape)
    torch.testing.assert_close(*(f.double() for f in found.values()), rtol=1e-3, atol=1e-4)


CHECKS = (
    check_protocol,
    check_shapes,
    check_rows_apart,
    check_two_calls,
    check_sums_to_one,
    check_sampler,
    check_gradients,
    check_state_dict,
    check_dtypes,
)


def check_density(model: Any, support: Finite | Box, **options: Any) -> None:
    """Run all checks on one model; those that need two of a kind vary a copy of its state."""

    def make(seed):
        made = copy.deepcopy(model)
        if seed and isinstance(made, nn.Module):
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for parameter in made.parameters():
                    noise = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
                    parameter += 0.1 + 0.5 * noise.to(parameter)
        return made

    case = Case(make, support, **options)
    for check in CHECKS:
        if check is check_state_dict and not list(getattr(model, "parameters", list)()):
            continue  # nothing but buffers: no way to know how to vary them
        check(case)


def dependence(
    function: Callable[[Tensor], Tensor], event_shape: tuple[int, ...], *, seed: int = 0
) -> Tensor:
    """Return which inputs each output depends on, by the Jacobian at a few random points.

    Args:
        function: maps (B, *event_shape) to (B, *event_shape, ...): the parameters of p(x_i | x_<i)
            at place i.
        event_shape: the axes of an event, of D variables in all.
        seed: of the points.

    Returns:
        bool (D, D): entry (i, j) says whether output i depends on input j.
    """
    generator = torch.Generator().manual_seed(seed)
    num_vars = math.prod(event_shape)
    reached = torch.zeros(num_vars, num_vars, dtype=torch.bool)
    for _ in range(3):
        x = torch.rand(event_shape, generator=generator)
        jacobian = torch.autograd.functional.jacobian(lambda x: function(x[None])[0], x)
        reached |= (jacobian.reshape(num_vars, -1, num_vars) != 0).any(1)
    return reached


def check_causal(
    function: Callable[[Tensor], Tensor],
    event_shape: tuple[int, ...],
    *,
    order: Sequence[int] | None = None,
    full: bool = True,
) -> None:
    """Output i depends on the variables before i in `order` only, and with `full` on all of them.

    A model that leaks its own value or the future fails the first, one with a blind spot the
    second.
    """
    reached = dependence(function, event_shape)
    rank = torch.empty(len(reached), dtype=torch.long)
    rank[torch.as_tensor(range(len(reached)) if order is None else list(order))] = torch.arange(
        len(reached)
    )
    before = rank[None, :] < rank[:, None]
    leaks = (reached & ~before).nonzero().tolist()
    assert not leaks, f"output i sees input j that is not before it: (i, j) in {leaks[:5]}"
    blind = (before & ~reached).nonzero().tolist()
    assert not (full and blind), f"output i misses input j before it: (i, j) in {blind[:5]}"
