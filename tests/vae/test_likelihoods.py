"""Decoders' likelihoods against the log-densities that are checked against torch's."""

import math

import pytest
import torch

from gencourse.densities import log_bernoulli, log_normal
from gencourse.vae.likelihoods import BernoulliLikelihood, GaussianLikelihood, make_likelihood
from gencourse.vae.log_bits import log_bits
from tests.vae.oracles import seeded


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=seeded(seed), dtype=dtype)


@pytest.mark.parametrize("num_bits", [1, 5, 63, 64, 65, 200])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_bits_is_log_bernoulli_with_its_gradient(num_bits, dtype):
    x = (normal(3, num_bits) > 0.5).to(dtype)
    logits = (4 * normal(2, 3, num_bits, seed=1)).to(dtype)
    logits[0, 0, 0], logits[0, 1, 0], logits[1, 2, 0] = 300, -300, 40
    logits.requires_grad_()
    found, expected = log_bits(x, logits), log_bernoulli(x, logits, event_dims=1)
    rtol = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found, expected, rtol=rtol, atol=rtol * num_bits)
    weights = normal(2, 3, seed=2).to(dtype)
    a, b = (torch.autograd.grad((v * weights).sum(), logits)[0] for v in (found, expected))
    torch.testing.assert_close(a, b, rtol=rtol, atol=rtol)


def test_log_bits_of_one_sample_and_by_finite_differences():
    x, logits = (normal(2, 70) > 0).double(), normal(2, 70, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: log_bits(x, t), logits)
    torch.testing.assert_close(log_bits(x, logits), log_bernoulli(x, logits))


@pytest.mark.parametrize("event_shape", [(6,), (2, 3, 1)])
class TestLikelihoods:
    def outputs(self, event_shape, num_outputs):
        return normal(num_outputs, 5, 4, *event_shape, seed=3)

    def test_bernoulli(self, event_shape):
        likelihood = BernoulliLikelihood(event_shape)
        x, outputs = (normal(4, *event_shape) > 0).double(), self.outputs(event_shape, 1)
        expected = log_bernoulli(x, outputs[0], event_dims=len(event_shape))
        torch.testing.assert_close(likelihood.log_prob(x, outputs), expected)
        torch.testing.assert_close(likelihood.mean(outputs), outputs[0].sigmoid())

    @pytest.mark.parametrize("sd", [0.3, "shared", "output"])
    def test_gaussian(self, event_shape, sd):
        likelihood = GaussianLikelihood(event_shape, sd=sd).double()
        x = normal(4, *event_shape)
        outputs = self.outputs(event_shape, likelihood.num_outputs)
        sds = {0.3: 0.3, "shared": 1.001}.get(sd)
        sds = outputs[1].exp() + 0.001 if sds is None else sds
        expected = log_normal(x, outputs[0], sds, event_dims=len(event_shape))
        torch.testing.assert_close(likelihood.log_prob(x, outputs), expected)
        torch.testing.assert_close(likelihood.mean(outputs), outputs[0])

    def test_samples_have_the_mean_and_spread(self, event_shape):
        for likelihood in (
            BernoulliLikelihood(event_shape),
            GaussianLikelihood(event_shape, sd=0.3),
            GaussianLikelihood(event_shape, sd="output"),
        ):
            outputs = normal(likelihood.num_outputs, 1, *event_shape, seed=3)
            many = outputs.expand(-1, 50_000, *event_shape)
            drawn = likelihood.sample(many, generator=seeded()).mean(0)
            mean = likelihood.mean(outputs)[0]
            sd = (mean * (1 - mean)).sqrt() if likelihood.expected[0] == "0" else None
            sd = likelihood.sd(outputs) if sd is None else sd
            assert ((drawn - mean).abs() < 5 * sd / 50_000**0.5).all()

    def test_refuses_what_is_outside_the_support(self, event_shape):
        x = torch.zeros(4, *event_shape)
        x.view(4, -1)[2, 4] = 0.5
        with pytest.raises(ValueError, match=r"x\[2, .*\] is 0.5, expected 0 or 1 \(binarise"):
            BernoulliLikelihood(event_shape).checked(x, x)
        for value in (math.nan, math.inf):
            x.view(4, -1)[2, 4] = value
            for likelihood in (BernoulliLikelihood(event_shape), GaussianLikelihood(event_shape)):
                with pytest.raises(ValueError, match=rf"x\[2, .*\] is {value}, expected"):
                    likelihood.checked(x, x)
        for wrong in (x[:, :1], x[0], torch.zeros(())):
            with pytest.raises(ValueError, match=r"x has shape .*expected \(B, \*event_shape\)"):
                GaussianLikelihood(event_shape).checked(wrong, x)


@pytest.mark.parametrize("sd", [0.0, -1.0, math.nan, math.inf, "learned"])
def test_refuses_a_standard_deviation(sd):
    with pytest.raises(ValueError, match=r"sd is .*expected a positive number, 'shared' or"):
        make_likelihood("gaussian", (3,), sd)


def test_refuses_another_name():
    with pytest.raises(ValueError, match="likelihood is 'poisson', expected 'bernoulli' or"):
        make_likelihood("poisson", (3,), 1.0)


def test_a_shared_sd_learns_the_spread_of_the_residuals():
    likelihood = GaussianLikelihood((4,), sd="shared")
    x = 0.2 * normal(2000, 4, dtype=torch.float32)
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (-likelihood.log_prob(x, torch.zeros(1, 2000, 4)).mean()).backward()
        optimizer.step()
    assert likelihood.sd(None).item() == pytest.approx(x.std().item(), rel=0.01)
