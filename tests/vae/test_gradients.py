"""Pathwise and score-function gradients against the closed form, and their variances too."""

import math

import pytest
import torch

from gencourse.vae import pathwise_gradient, score_function_gradient
from tests.vae.oracles import seeded

N = 400_000
MEAN, SD = torch.tensor([1.5, 1.5, 0.3]), torch.tensor([0.5, 0.5, 1.2])


def estimates(estimator, f=torch.square, num_samples=N, **options):
    mean, sd = MEAN.double(), SD.double()
    return estimator(f, mean, sd, num_samples=num_samples, generator=seeded(), **options)


def assert_unbiased(samples, expected):
    error = samples.std(0) / math.sqrt(len(samples))
    assert ((samples.mean(0) - expected).abs() < 4 * error).all(), (samples.mean(0), expected)


@pytest.mark.parametrize("estimator", [pathwise_gradient, score_function_gradient])
class TestEach:
    def test_of_the_mean_square(self, estimator):
        """E z² = μ² + σ² has the gradient (2μ, 2σ): (3, 1) at μ = 1.5, σ = 0.5."""
        found = estimates(estimator)
        assert found.mean.shape == found.sd.shape == (N, 3)
        assert_unbiased(found.mean, torch.tensor([3.0, 3.0, 0.6]))
        assert_unbiased(found.sd, torch.tensor([1.0, 1.0, 2.4]))

    def test_of_the_mean_exponential(self, estimator):
        """E e^z = e^{μ + σ²/2}."""
        found = estimates(estimator, torch.exp)
        value = (MEAN + SD.square() / 2).exp().double()
        assert_unbiased(found.mean, value)
        assert_unbiased(found.sd, SD * value)

    def test_agrees_with_autograd_through_a_single_sample(self, estimator):
        """Each sample by hand, at the same noise."""
        mean, sd = (t.double().requires_grad_() for t in (MEAN, SD))
        noise = torch.randn(1, 3, generator=seeded(3), dtype=torch.float64)
        found = estimator(torch.sin, mean, sd, generator=seeded(3))
        z = mean + sd * noise
        if estimator is pathwise_gradient:
            objective = z.sin().sum()
        else:
            log_q = torch.distributions.Normal(mean, sd).log_prob(z.detach())
            objective = (z.sin().detach() * log_q).sum()
        expected = torch.autograd.grad(objective, (mean, sd))
        torch.testing.assert_close(found.mean[0], expected[0])
        torch.testing.assert_close(found.sd[0], expected[1])

    def test_seed_and_no_grad(self, estimator):
        a = estimates(estimator, num_samples=5)
        with torch.no_grad():
            b = estimates(estimator, num_samples=5)
        assert torch.equal(a.mean, b.mean) and torch.equal(a.sd, b.sd)
        assert not a.mean.requires_grad

    def test_bad_input(self, estimator):
        with pytest.raises(ValueError, match="num_samples is 0"):
            estimator(torch.square, MEAN, SD, num_samples=0)
        with pytest.raises(ValueError, match=r"mean has shape \(3,\) and sd \(2,\)"):
            estimator(torch.square, MEAN, SD[:2])


def test_variances_of_the_two_estimators():
    """Closed form at μ = 1.5, σ = 0.5 from the moments 1, 3, 15, 105 of a normal variable."""
    path, score = estimates(pathwise_gradient), estimates(score_function_gradient)
    assert path.mean[:, 0].var().item() == pytest.approx(4 * 0.25, rel=0.02)
    assert path.sd[:, 0].var().item() == pytest.approx(4 * (1.5**2 + 2 * 0.5**2), rel=0.02)
    # E (z² ε / σ)² = (μ⁴ + 6 μ² σ² 3 + σ⁴ 15) / σ²
    second = (1.5**4 + 6 * 1.5**2 * 0.5**2 * 3 + 0.5**4 * 15) / 0.5**2
    assert score.mean[:, 0].var().item() == pytest.approx(second - 9, rel=0.03)
    # E (z² (ε² - 1) / σ)², with E (ε² - 1)² ε^n = 2, 10, 78 for n = 0, 2, 4
    second = (1.5**4 * 2 + 6 * 1.5**2 * 0.5**2 * 10 + 0.5**4 * 78) / 0.5**2
    assert score.sd[:, 0].var().item() == pytest.approx(second - 1, rel=0.04)


def test_the_baseline_lowers_the_variance_and_leaves_the_mean():
    found = estimates(score_function_gradient, baseline=True)
    assert_unbiased(found.mean, torch.tensor([3.0, 3.0, 0.6]))
    plain = estimates(score_function_gradient)
    assert (found.mean[:, 0].var() < 0.6 * plain.mean[:, 0].var()).all()
    # one sample's baseline must not look at that sample, or two of them would be biased
    mean, sd = torch.full((N,), 1.5), torch.full((N,), 0.5)
    pair = score_function_gradient(
        torch.square, mean, sd, num_samples=2, baseline=True, generator=seeded()
    )
    assert pair.mean.mean().item() == pytest.approx(3, abs=0.05)
    with pytest.raises(ValueError, match="num_samples is 1, expected at least 2 for a baseline"):
        score_function_gradient(torch.square, MEAN, SD, baseline=True)


def test_the_score_function_needs_no_derivative():
    """P(z > 1) has the gradient φ((1 - μ)/σ)/σ; pathwise gives 0 everywhere."""

    def step(z):
        return (z > 1).to(z) + 0 * z

    found = estimates(score_function_gradient, step)
    expected = torch.distributions.Normal(MEAN, SD).log_prob(torch.ones(3)).exp()
    assert_unbiased(found.mean, expected)
    assert not estimates(pathwise_gradient, step).mean.any()
