"""What is often got wrong, and the number that betrays it."""

import math

import pytest
import torch
import torch.nn.functional as F

from gencourse.autoregressive import FVSBN, MADE, NADE
from gencourse.densities import log_bernoulli
from tests.autoregressive.slow_loops import binary_states, randomised


def test_a_mask_that_shows_the_variable_to_itself():
    """With w=2, b=0, D=1 the "probabilities" sum to 1.3808; the mask makes them 1."""
    model = FVSBN(1)
    with torch.no_grad():
        model.W.fill_(2.0)
    x = binary_states(1)
    assert model.log_prob(x).exp().sum().item() == pytest.approx(1)
    wrong = log_bernoulli(x, F.linear(x, model.W, model.b))
    assert wrong.exp().sum().item() == pytest.approx(1.3808, abs=1e-4)


def test_a_sigmoid_twice_still_sums_to_1():
    """But no probability leaves [0.5, 0.7311], whatever the parameters."""
    model = randomised(NADE(6, num_hidden=5), scale=3)
    x = binary_states(6)
    p = model.logits(x).sigmoid()
    assert p.min() < 0.05 and p.max() > 0.95
    twice = p.sigmoid()
    assert 0.5 <= twice.min() and twice.max() <= 0.7311
    assert log_bernoulli(x, p).exp().sum().item() == pytest.approx(1, abs=1e-4)
    samples = model.sample(4000, generator=torch.Generator().manual_seed(0))
    entropy = -model.log_prob(samples).mean().item()  # of a good model, and far from it:
    p = model.logits(samples).sigmoid()
    assert -log_bernoulli(samples, p).mean().item() > entropy + 0.5


@pytest.mark.parametrize("make", [FVSBN, NADE, MADE])
def test_one_pass_does_not_sample(make):
    """x2 = x1: drawn one after the other they always agree, drawn in one pass half the time."""
    model = copies(make)
    generator = torch.Generator().manual_seed(0)
    x = model.sample(1000, generator=generator)
    assert (x[:, 0] == x[:, 1]).all()
    assert x[:, 0].mean() == pytest.approx(0.5, abs=0.05)
    start = (torch.rand(1000, 2, generator=generator) < 0.5).float()
    one_pass = torch.rand(1000, 2, generator=generator) < model.logits(start).sigmoid()
    assert (one_pass[:, 0] == one_pass[:, 1]).float().mean() == pytest.approx(0.5, abs=0.05)


def copies(make):
    """A model of two bits that are equal."""
    model = make(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        if make is FVSBN:
            model.W[1, 0], model.b[1] = 100.0, -50.0
        elif make is NADE:
            model.W[0, 0], model.c[0] = 100.0, -50.0
            model.V[1, 0], model.b[1] = 100.0, -50.0
        else:
            model.W[0][0, 0], model.V[1, 0], model.c[1] = 1.0, 100.0, -50.0
    return model


def test_nade_assumes_no_independence():
    """Its conditionals share parameters; even so x3 = x1 xor x2 is in reach."""
    model = NADE(3, num_hidden=2)
    with torch.no_grad():
        model.W.copy_(torch.tensor([[40.0, 40, 0], [40, 40, 0]]))
        model.c.copy_(torch.tensor([-20.0, -60]))  # at least one; both
        model.V.zero_()
        model.V[2] = torch.tensor([60.0, -60])
        model.b.copy_(torch.tensor([0.0, 0, -30]))
    x = binary_states(3)
    even = x.sum(1) % 2 == 0
    p = model.log_prob(x).exp()
    torch.testing.assert_close(p[even], torch.full((4,), 0.25))
    assert p[~even].max() < 1e-6


def test_mean_over_variables_is_not_a_log_likelihood():
    """A reduction over B and D divides the nats by D."""
    model, x = FVSBN(4), binary_states(4)
    assert -model.log_prob(x).mean().item() == pytest.approx(4 * math.log(2))
    assert F.binary_cross_entropy_with_logits(model.logits(x), x).item() == pytest.approx(
        math.log(2)
    )
