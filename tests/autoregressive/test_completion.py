"""Completion of what is given in part: exact, refused, or by importance and named so."""

import math

import pytest
import torch

from gencourse.autoregressive import FVSBN, MADE, NADE, RNADE, complete_by_importance
from tests.autoregressive.slow_loops import binary_states, randomised

ORDER = (2, 0, 3, 1, 4)
N = 20_000


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


MODELS = {
    "FVSBN": lambda: FVSBN(5, order=ORDER),
    "NADE": lambda: NADE(5, num_hidden=4, order=ORDER),
    "MADE": lambda: MADE(5, hidden=(8,), orders=[ORDER]),
    # variables 2 and 0 come first in both
    "MADE in two orders": lambda: MADE(5, hidden=(8,), orders=[ORDER, (0, 2, 4, 1, 3)]),
}


def exact_conditional(model, values, given):
    """p of the states that agree with the given values, by enumeration."""
    x = binary_states(5)
    agrees = (x == values)[:, given].all(1)
    p = model.log_prob(x).exp().detach() * agrees
    return x, p / p.sum(), float(p.sum())


def frequencies(samples):
    index = (samples.long() * 2 ** torch.arange(4, -1, -1)).sum(1)
    return index.bincount(minlength=32) / len(samples)


@pytest.mark.parametrize("name", MODELS)
def test_first_variables_given_is_exact(name):
    model = randomised(MODELS[name]())
    values, given = torch.tensor([1.0, 0, 1, 0, 0]), torch.tensor([1, 0, 1, 0, 0]).bool()
    _, p, _ = exact_conditional(model, values, given)
    found = frequencies(model.sample(N, condition=(values, given), generator=seeded()))
    torch.testing.assert_close(found, p, rtol=0, atol=0.015)


def test_orderings_of_made_count_by_what_is_given():
    """The given values are likely in one ordering's density and not in the other's."""
    model = randomised(MADE(3, hidden=(6,), orders=[(0, 1, 2), (0, 2, 1)]), 3, scale=2).double()
    values, given = torch.tensor([1.0, 0, 0]), torch.tensor([True, False, False])
    x = binary_states(3).double()
    p = model.log_prob(x).exp().detach() * (x[:, 0] == 1)
    samples = model.sample(N, condition=(values, given), generator=seeded())
    found = (samples.long() * torch.tensor([4, 2, 1])).sum(1).bincount(minlength=8) / N
    torch.testing.assert_close(found.double(), p / p.sum(), rtol=0, atol=0.015)


@pytest.mark.parametrize("name", MODELS)
def test_late_variables_are_refused(name):
    with pytest.raises(ValueError, match=r"gives variable 4 but not variable [01].*importance"):
        MODELS[name]().sample(3, condition=(torch.zeros(5), torch.tensor([0, 0, 1, 0, 1])))


@pytest.mark.parametrize("name", MODELS)
def test_importance_answers_for_late_variables(name):
    model = randomised(MODELS[name]())
    values, given = torch.tensor([0.0, 1, 0, 0, 1]), torch.tensor([0, 1, 0, 0, 1]).bool()
    _, p, evidence = exact_conditional(model, values, given)
    found = complete_by_importance(model, N, (values, given), num_proposals=N, generator=seeded())
    torch.testing.assert_close(frequencies(found.samples), p, rtol=0, atol=0.03)
    assert found.log_evidence == pytest.approx(math.log(evidence), abs=0.05)
    assert 1 <= found.effective_sample_size <= N


@pytest.mark.parametrize("name", MODELS)
def test_importance_is_exact_and_of_full_size_when_nothing_is_late(name):
    model = randomised(MODELS[name]())
    condition = (torch.zeros(5), torch.zeros(5))
    found = complete_by_importance(model, 9, condition, num_proposals=50, generator=seeded())
    assert found.log_evidence == pytest.approx(0, abs=1e-5)
    assert found.effective_sample_size == pytest.approx(50, rel=1e-4)


def test_clamping_a_late_variable_is_not_conditioning():
    """p(x1=1 | x2=1) = 0.9; with x2 held at 1, x1 stays at its prior of 0.5."""
    model = FVSBN(2)
    with torch.no_grad():
        model.W[1, 0] = 2 * math.log(9)
        model.b[1] = -math.log(9)  # p(x2=1 | x1) is 0.1 or 0.9
    values, given = torch.tensor([0.0, 1]), torch.tensor([False, True])
    right = complete_by_importance(model, N, (values, given), num_proposals=N, generator=seeded())
    assert right.samples[:, 0].mean() == pytest.approx(0.9, abs=0.015)
    clamped = model.fill(values.expand(N, 2), given, generator=seeded())
    assert clamped[:, 0].mean() == pytest.approx(0.5, abs=0.015)


def test_rnade_given_its_first_variable():
    model = randomised(RNADE(2, num_hidden=5, num_components=2, order=(1, 0)), scale=0.5)
    condition = (torch.tensor([0.0, 0.7]), torch.tensor([False, True]))
    x = model.sample(N, condition=condition, generator=seeded())
    assert (x[:, 1] == 0.7).all()
    grid = torch.linspace(-40, 40, 8001)
    points = torch.stack([grid, torch.full_like(grid, 0.7)], 1)
    p = model.log_prob(points).exp().detach()
    cdf = (p / p.sum()).cumsum(0)
    for q in (0.1, 0.5, 0.9):
        assert (x[:, 0] <= grid[cdf >= q][0]).float().mean() == pytest.approx(q, abs=0.02)


def test_rnade_given_its_last_variable_by_importance():
    model = randomised(RNADE(2, num_hidden=5, num_components=2), scale=0.5)
    condition = (torch.tensor([0.0, 0.7]), torch.tensor([False, True]))
    found = complete_by_importance(model, 5, condition, num_proposals=N, generator=seeded())
    grid = torch.linspace(-40, 40, 8001)
    points = torch.stack([grid, torch.full_like(grid, 0.7)], 1)
    evidence = model.log_prob(points).exp().sum().item() * 0.01
    assert found.log_evidence == pytest.approx(math.log(evidence), abs=0.05)


def test_a_row_of_values_for_each_sample():
    model = randomised(NADE(5, num_hidden=4))
    values = binary_states(5)
    given = torch.tensor([1, 1, 1, 0, 0])
    x = model.sample(32, condition=(values, given), generator=seeded())
    assert torch.equal(x[:, :3], values[:, :3])


@pytest.mark.parametrize(
    "condition, message",
    [
        (torch.zeros(5), "expected a pair"),
        ((torch.zeros(4), torch.zeros(5)), r"values have shape \(4,\), expected"),
        ((torch.zeros(2, 5), torch.zeros(5)), r"values have shape \(2, 5\)"),
        ((torch.zeros(5), torch.zeros(4)), r"mask has shape \(4,\)"),
        ((torch.zeros(5), torch.zeros(3, 5)), r"mask has shape \(3, 5\)"),
        ((torch.full((5,), 0.5), torch.ones(5)), r"x\[0, 0\] is 0.5, expected 0 or 1"),
        ((torch.full((5,), math.nan), torch.ones(5)), r"x\[0, 0\] is nan"),
    ],
)
@pytest.mark.parametrize("name", MODELS)
def test_bad_conditions(name, condition, message):
    with pytest.raises(ValueError, match=message):
        MODELS[name]().sample(3, condition=condition)


def test_bad_conditions_of_importance():
    model = NADE(3)
    with pytest.raises(ValueError, match=r"shape \(4, 3\), expected"):
        complete_by_importance(model, 4, (torch.zeros(4, 3), torch.ones(3)))
    with pytest.raises(ValueError, match="num_proposals is 0"):
        complete_by_importance(model, 4, (torch.zeros(3), torch.ones(3)), num_proposals=0)
