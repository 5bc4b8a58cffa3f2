"""Gaps, the aggregate posterior, wake-sleep and collapse, each where the answer is known."""

import math
from functools import partial

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from gencourse.densities import log_normal
from gencourse.train import fit
from gencourse.vae import (
    VAE,
    AggregatePosterior,
    NormalPosterior,
    ProbabilisticPCA,
    active_units,
    elbo,
    elbo_surgery,
    inference_gaps,
    vae_loss,
    wake_sleep_loss,
)
from tests.density_suite import CHECKS, Box, Case
from tests.vae.oracles import (
    all_bits,
    exact_elbo,
    linear_vae,
    log_evidence,
    ppca,
    randomised,
    rows,
    seeded,
)


def posteriors(n=6, num_latents=1, seed=0):
    mean, log_sd = torch.randn(2, n, num_latents, generator=seeded(seed), dtype=torch.float64)
    return NormalPosterior(2 * mean, 0.4 * log_sd - 0.5)


class TestGaps:
    @torch.no_grad()
    def test_in_probabilistic_pca_both_parts_are_known(self):
        """The best independent q has the posterior's mean and variances 1 / (Σ⁻¹)_ll."""
        model, x = ppca(), rows(5)
        model.W[:, 1] = 0.8 * model.W[:, 0] + 0.4 * model.W[:, 1]
        posterior = model.posterior(x)
        precision = torch.linalg.inv(posterior.covariance)
        best = torch.diag(1 / precision.diagonal())
        approximation = 0.5 * (precision.diagonal().log().sum() - precision.logdet())
        assert approximation > 0.05, "hardly correlated: nothing to see"
        weight = posterior.covariance @ model.W.T / model.sd**2
        log_sd = best.diagonal().log() / 2 + torch.tensor([0.4, -0.3])
        vae = linear_vae(model, 0.9 * weight, log_sd, 0.2 - 0.9 * weight @ model.mu)
        q = vae.encode(x)
        total = torch.stack(
            [
                kl_divergence(
                    MultivariateNormal(q.mean[i], torch.diag(q.sd[i] ** 2)),
                    MultivariateNormal(posterior.mean[i], posterior.covariance),
                )
                for i in range(5)
            ]
        )
        found = inference_gaps(vae, x, model.log_prob(x), steps=400, lr=0.05, generator=seeded())
        torch.testing.assert_close(found.best.mean, posterior.mean, rtol=0, atol=0.02)
        expected = best.diagonal().sqrt().expand(5, -1)
        torch.testing.assert_close(found.best.sd, expected, rtol=0.03, atol=0)
        torch.testing.assert_close(found.approximation, approximation.expand(5), rtol=0, atol=0.15)
        torch.testing.assert_close(found.amortisation, total - approximation, rtol=0.05, atol=0.15)

    def test_for_bits_both_parts_are_positive_and_add_up(self):
        x = all_bits(4)[:6]
        model = VAE((4,), num_latents=2, hidden=(5,)).double()
        randomised(model.decoder, 0, 0.8), randomised(model.encoder, 1, 0.3)
        log_p = log_evidence(lambda z: model.log_likelihood(x, z), 6, 2)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        found = inference_gaps(model, x, log_p, steps=300, generator=seeded())
        gap = log_p - exact_elbo(lambda z: model.log_likelihood(x, z), model.encode(x))
        torch.testing.assert_close(found.approximation + found.amortisation, gap,
                                   rtol=0.05, atol=0.02)  # fmt: skip
        assert (found.approximation > -0.02).all() and (found.amortisation > -0.02).all()
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        assert all(p.grad is None for p in model.parameters())

    def test_bad_input(self):
        model = VAE((4,), num_latents=2, hidden=(5,))
        with pytest.raises(ValueError, match=r"log_p has shape \(2, 1\), expected \(2,\)"):
            inference_gaps(model, torch.zeros(2, 4), torch.zeros(2, 1))
        with pytest.raises(ValueError, match="num_samples is 0"):
            inference_gaps(model, torch.zeros(2, 4), torch.zeros(2), num_samples=0)


AGGREGATES = {
    "one latent": Case(lambda seed: AggregatePosterior(posteriors(seed=seed)), Box(((-9, 9),))),
    "two latents": Case(
        lambda seed: AggregatePosterior(posteriors(3, 2, seed)), Box(((-9, 9),) * 2)
    ),
}


class TestAggregatePosterior:
    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
    @pytest.mark.parametrize("case", AGGREGATES.values(), ids=AGGREGATES)
    def test_density(self, case, check):
        check(case)

    def grid_kls(self, q):
        """Mean KL to the aggregate, and the aggregate's KL to N(0, 1), on a grid."""
        z = torch.linspace(-12, 12, 8001, dtype=torch.float64)[:, None, None]
        cell = 24 / 8000
        log_q = q.log_prob(z.expand(-1, len(q.mean), -1))  # (P, N)
        log_mean = log_q.logsumexp(1) - math.log(len(q.mean))
        information = (log_q.exp() * (log_q - log_mean[:, None])).sum(0).mean() * cell
        log_prior = log_normal(z[:, 0], 0.0, 1.0)
        marginal = (log_mean.exp() * (log_mean - log_prior)).sum() * cell
        return information.item(), marginal.item()

    def test_surgery_is_what_a_grid_says(self):
        q = posteriors()
        information, marginal = self.grid_kls(q)
        assert information + marginal == pytest.approx(q.kl().sum(-1).mean().item(), rel=1e-6)
        found = elbo_surgery(q, num_samples=20_000, generator=seeded())
        assert found.mutual_information == pytest.approx(information, abs=0.01)
        assert found.marginal_kl == pytest.approx(marginal, abs=0.01)
        assert found.mutual_information < math.log(6)

    def test_no_prior_is_better(self):
        """With q(z) for a prior the mean ELBO rises by KL(q(z) ‖ p(z)); with a normal, by less."""
        q = posteriors()
        aggregate = AggregatePosterior(q)

        def mean_elbo(log_prior):
            def log_joint(z):
                return log_normal(torch.ones(1, 1).double(), z, 1.0, event_dims=1) + log_prior(z)

            return elbo(log_joint, q, num_samples=20_000, generator=seeded()).mean().item()

        def normal(mean, sd):
            return mean_elbo(lambda z: log_normal(z, mean, sd, event_dims=1))

        gain = mean_elbo(aggregate.log_prob) - normal(0.0, 1.0)
        assert gain == pytest.approx(self.grid_kls(q)[1], abs=0.01)
        z = aggregate.sample(100_000, generator=seeded())
        assert gain > normal(z.mean().item(), z.std().item()) - normal(0.0, 1.0) + 0.01


class TestWakeSleep:
    def gradients(self, model, loss):
        model.zero_grad()
        loss.backward()
        return {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}

    def test_awake_the_decoder_ascends_the_elbo(self):
        model = randomised(VAE((4,), num_latents=2, hidden=(5,)), 0, 0.5).double()
        x = all_bits(4)
        found = self.gradients(model, wake_sleep_loss(model, (x,), generator=seeded()))
        z = model.encode(x).draw(1, generator=seeded()).z[0].detach()
        expected = self.gradients(model, -model.log_joint(x, z).mean())
        for key, gradient in expected.items():
            torch.testing.assert_close(found[key], gradient)

    def test_asleep_the_encoder_rests_at_the_exact_posterior_and_only_there(self):
        model = ProbabilisticPCA(5, num_latents=2).double().fit(rows())
        posterior = model.posterior(rows(1))
        weight = (posterior.covariance @ model.W.T / model.sd**2).detach()
        log_sd = posterior.covariance.diagonal().log().detach() / 2
        x = model.sample(20_000, generator=seeded(9))
        for shift, rests in ((0.0, True), (0.3, False)):
            bias = (shift - weight @ model.mu).detach()
            vae = linear_vae(model, weight, log_sd, bias)
            found = self.gradients(vae, wake_sleep_loss(vae, (x,), generator=seeded()))
            encoder = found["encoder.1.layers.0.bias"]
            assert (encoder.abs().max() < 0.1) == rests, encoder

    def test_sees_images(self):
        model = VAE((4,), num_latents=2, hidden=(5,))
        assert wake_sleep_loss(model, (torch.zeros(3, 1, 2, 2),)).isfinite()


EIGENVALUES = torch.tensor([4.0, 2.0, 0.5, 0.25, 0.1])


def rows_with_eigenvalues():
    """Rows whose covariance has exactly these eigenvalues, in some directions."""
    x = torch.randn(512, 5, generator=seeded())
    x = x - x.mean(0)
    white = x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / len(x))).T
    turn = torch.linalg.qr(torch.randn(5, 5, generator=seeded(1))).Q
    return (white * EIGENVALUES.sqrt()) @ turn.T


def trained(loss=vae_loss, *, sd=1.0):
    """A linear VAE with four latents, and which of them are active."""
    torch.manual_seed(0)
    x = rows_with_eigenvalues()
    model = VAE((5,), num_latents=4, hidden=(), likelihood="gaussian", sd=sd)
    loss = partial(loss, num_samples=4)
    fit(model, x, loss=loss, steps=400, batch_size=512, lr=0.06, progress=False)
    fit(model, x, loss=loss, steps=200, batch_size=512, lr=0.005, progress=False)
    return model, active_units(model, x)


@pytest.fixture(scope="module")
def collapsed():
    return trained()


class TestCollapse:
    """A linear VAE with sd σ keeps exactly the latents whose eigenvalue exceeds σ².

    Lucas, Tucker, Grosse & Norouzi, "Don't blame the ELBO!" (NeurIPS 2019).
    """

    def test_a_wide_decoder_collapses_what_it_takes_for_noise(self, collapsed):
        _, found = collapsed
        assert found.count == 2
        expected = sorted([0, 0, 1 - 1 / 2, 1 - 1 / 4])  # (λ - σ²) / λ of the two that stay
        assert sorted(found.variance.tolist()) == pytest.approx(expected, abs=0.06)

    def test_a_learned_variance_mends_it(self):
        x = rows_with_eigenvalues()
        model, found = trained(sd="shared")
        assert found.count == 4
        best = ProbabilisticPCA(5, num_latents=4).fit(x)
        assert model.likelihood.sd(None).item() == pytest.approx(best.sd.item(), rel=0.1)
        bound = model.elbo(x, num_samples=100).mean().item()
        assert bound == pytest.approx(best.history[-1], abs=0.15)

    def test_free_bits_keep_all_latents(self, collapsed):
        x = rows_with_eigenvalues()
        model, found = trained(partial(vae_loss, free_bits=0.3))
        assert found.count == 4
        assert (model.encode(x).kl().mean(0) > 0.25).all()
        assert (collapsed[0].encode(x).kl().mean(0) < 0.01).sum() == 2

    def test_a_large_beta_collapses_everything(self):
        assert trained(partial(vae_loss, beta=20.0))[1].count == 0
