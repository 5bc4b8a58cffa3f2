"""ELBO <= IWAE_k <= log p(x), against log p(x) that is exact by quadrature."""

import math

import pytest
import torch

from gencourse.densities import kl_gaussian, log_normal
from gencourse.vae import (
    VAE,
    MixturePosterior,
    MixturePosteriorVAE,
    NormalPosterior,
    elbo,
    importance_weighted_nll,
    iwae_bound,
)
from gencourse.vae.posteriors import log_standard_normal
from tests.vae.oracles import (
    all_bits,
    exact_elbo,
    kl_to_posterior,
    log_evidence,
    randomised,
    seeded,
)

X = all_bits(4)


def tiny(num_latents=2, seed=0, **options):
    model = VAE((4,), num_latents=num_latents, hidden=(5,), **options)
    smooth = options.get("sd") == "output"  # a normal as narrow as others are wide is for no grid
    randomised(model.decoder, seed, scale=0.5 if smooth else 0.8)
    randomised(model.encoder, seed + 1, scale=0.3)  # neither blind nor too narrow
    return model.double()


def gaussian(sd):
    return tiny(likelihood="gaussian", sd=sd)


def means_of(estimate, rounds):
    """Mean and standard error of an estimator over rows and rounds, (B,) each."""
    values = torch.stack([estimate(seed) for seed in range(rounds)])
    return values.mean(0), values.std(0) / math.sqrt(rounds)


def toy(z):
    """z ~ N(0, 1), x | z ~ N(z, 1) at x = 1."""
    return log_normal(z, 0.0, 1.0, event_dims=1) + log_normal(
        torch.ones(1, 1, dtype=z.dtype), z, 1.0, event_dims=1
    )


def prior_as_posterior(rows=1):
    return NormalPosterior(*torch.zeros(2, rows, 1, dtype=torch.float64))


class TestToyOfTheCurriculum:
    def test_elbo_of_the_prior(self):
        q = prior_as_posterior(400_000)
        found = elbo(toy, q, generator=seeded())
        assert found.mean().item() == pytest.approx(-1.9189, abs=0.005)

    def test_iwae_5(self):
        found = iwae_bound(toy, prior_as_posterior(400_000), 5, generator=seeded())
        assert found.mean().item() == pytest.approx(-1.557, abs=0.003)

    def test_many_samples_reach_log_p(self):
        log_p = log_normal(torch.ones(1, 1), 0.0, math.sqrt(2)).item()
        assert log_p == pytest.approx(-1.5155, abs=1e-4)
        found = iwae_bound(toy, prior_as_posterior(20), 20_000, generator=seeded())
        assert found.mean().item() == pytest.approx(log_p, abs=0.005)

    def test_at_the_exact_posterior_one_sample_is_log_p(self):
        q = NormalPosterior(
            torch.full((3, 1), 0.5, dtype=torch.float64),
            torch.full((3, 1), math.log(0.5) / 2, dtype=torch.float64),
        )
        log_p = torch.full((3,), -0.25 - 0.5 * math.log(4 * math.pi), dtype=torch.float64)
        torch.testing.assert_close(elbo(toy, q), log_p)
        torch.testing.assert_close(iwae_bound(toy, q, 3), log_p)


@pytest.mark.parametrize("make", [tiny, lambda: gaussian(0.8), lambda: gaussian("output")])
class TestSmallModels:
    def test_bounds_rise_to_log_p(self, make):
        model = make()
        log_p = log_evidence(lambda z: model.log_likelihood(X, z), len(X), 2)
        exact = exact_elbo(lambda z: model.log_likelihood(X, z), model.encode(X))
        gaps = [(log_p - exact).mean()]
        assert gaps[0] > 0.05, "hardly a gap to close"
        for k in (5, 50):
            mean, error = means_of(
                lambda seed, k=k: model.iwae_bound(X, k, generator=seeded(seed)).detach(), 400
            )
            assert ((log_p - mean) > -4 * error).all(), "above log p"
            gaps.append((log_p - mean).mean())
        assert gaps[0] > 1.2 * gaps[1] > 1.2 * 1.2 * gaps[2]

    def test_one_sample_is_the_elbo(self, make):
        model = make()
        exact = exact_elbo(lambda z: model.log_likelihood(X, z), model.encode(X))
        for estimate in (
            lambda seed: model.elbo(X, generator=seeded(seed)).detach(),
            lambda seed: model.elbo(X, num_samples=3, generator=seeded(seed)).detach(),
            lambda seed: model.iwae_bound(X, 1, generator=seeded(seed)).detach(),
        ):
            mean, error = means_of(estimate, 1000)
            assert ((mean - exact).abs() < 5 * error).all()

    def test_the_gap_is_the_kl_to_the_posterior(self, make):
        model = make()
        log_p = log_evidence(lambda z: model.log_likelihood(X, z), len(X), 2)
        exact = exact_elbo(lambda z: model.log_likelihood(X, z), model.encode(X))
        kl = kl_to_posterior(lambda z: model.log_joint(X, z), model.encode(X))
        torch.testing.assert_close(log_p - exact, kl, rtol=1e-3, atol=1e-5)

    def test_5000_samples_give_the_exact_nll(self, make):
        model = make()
        log_p = log_evidence(lambda z: model.log_likelihood(X, z), len(X), 2)
        found = importance_weighted_nll(model, X, generator=seeded())
        assert found.dtype == torch.float64
        assert (found + log_p).abs().max() < 0.1
        assert (found + log_p).mean().abs() < 0.02


def test_probabilities_from_quadrature_sum_to_1_and_agree_with_samples():
    model = tiny()
    p = log_evidence(lambda z: model.log_likelihood(X, z), len(X), 2).exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-10)
    n = 100_000
    drawn = model.sample(n, generator=seeded())
    states = (drawn @ torch.tensor([8.0, 4, 2, 1]).double()).long()
    share = torch.bincount(states, minlength=16) / n
    assert ((share - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 50])
def test_chunks_are_the_bound_of_all_their_samples(chunk_size):
    """The same noise, cut differently: chunks draw it in the order in which one draw would."""
    model = tiny()
    whole = model.iwae_bound(X, 7, generator=seeded(4))
    found = model.iwae_bound(X, 7, chunk_size=chunk_size, generator=seeded(4))
    torch.testing.assert_close(found, whole, rtol=1e-12, atol=1e-12)


def test_bound_is_the_logarithm_of_the_mean_weight():
    """By the formula, sample by sample."""
    model, k = tiny(), 6
    q = model.encode(X)
    z = q.draw(k, generator=seeded(1)).z
    weights = [(model.log_joint(X, z[i]) - log_normal(z[i], q.mean, q.sd)).exp() for i in range(k)]
    expected = (sum(weights) / k).log()
    torch.testing.assert_close(model.iwae_bound(X, k, generator=seeded(1)), expected)


def test_a_mixture_bounds_log_p_and_more_components_can_only_help():
    """A mixture of one is the normal; the bound of the mean log-weight stays below log p."""
    model = MixturePosteriorVAE((4,), num_components=3, num_latents=2, hidden=(5,)).double()
    randomised(model.decoder, 0, 0.8), randomised(model.encoder, 1, 0.3)
    log_p = log_evidence(lambda z: model.log_likelihood(X, z), len(X), 2)
    previous = None
    for estimate in (
        lambda seed: model.elbo(X, generator=seeded(seed)).detach(),
        lambda seed: model.iwae_bound(X, 1, generator=seeded(seed)).detach(),
        lambda seed: model.iwae_bound(X, 20, generator=seeded(seed)).detach(),
    ):
        mean, error = means_of(estimate, 400)
        assert (mean < log_p + 4 * error).all()
        assert previous is None or mean.mean() > previous
        previous = mean.mean()
    found = importance_weighted_nll(model, X, num_samples=5000, generator=seeded())
    assert (found + log_p).abs().max() < 0.1


def test_stratified_draws_weigh_components_by_their_probability():
    means = torch.tensor([[[-3.0], [1.0]]], dtype=torch.float64)
    log_sds = torch.tensor([[[0.1], [-0.5]]], dtype=torch.float64)
    q = MixturePosterior(torch.tensor([[0.3, 0.7]], dtype=torch.float64).log(), means, log_sds)
    z, log_q, log_share = q.draw(100_000, generator=seeded())
    assert log_share.exp().sum().item() == pytest.approx(1)
    assert (log_share.exp() * z[..., 0]).sum().item() == pytest.approx(-0.2, abs=0.01)
    assert q.mean.item() == pytest.approx(-0.2)
    grid = torch.linspace(-12, 12, 4001, dtype=torch.float64)[:, None, None]
    total = (q.log_prob(grid).exp() * 24 / 4000).sum()
    assert total.item() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(q.log_prob(z), log_q)


def test_mixture_gradients_are_those_of_the_exact_elbo():
    """Also of the weights, which plain sampling would leave without one."""
    logits = torch.tensor([[0.4, -0.3]], dtype=torch.float64, requires_grad=True)
    means = torch.tensor([[[-0.5], [1.0]]], dtype=torch.float64, requires_grad=True)
    log_sds = torch.tensor([[[-0.2], [-0.6]]], dtype=torch.float64, requires_grad=True)
    parameters = (logits, means, log_sds)

    q = MixturePosterior(logits.log_softmax(-1), means, log_sds)
    grid = torch.linspace(-12, 12, 20_001, dtype=torch.float64)[:, None, None]
    log_q = q.log_prob(grid)
    exact = (log_q.exp() * (toy(grid) - log_q)).sum() * 24 / 20_000
    expected = torch.autograd.grad(exact, parameters)
    q = MixturePosterior(logits.log_softmax(-1), means, log_sds)
    estimate = elbo(toy, q, num_samples=200_000, generator=seeded()).sum()
    for found, right in zip(torch.autograd.grad(estimate, parameters), expected, strict=True):
        torch.testing.assert_close(found, right, rtol=0.02, atol=0.01)


def test_gradient_of_the_iwae_bound_weighs_samples_by_their_weights():
    """∇ log 1/k Σ w_i = Σ (w_i / Σ w) ∇ log w_i (the paper's equation 14)."""
    model, k = tiny(), 4
    bound = model.iwae_bound(X, k, generator=seeded(2)).sum()
    parameters = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(bound, parameters)
    q = model.encode(X)
    draws = q.draw(k, generator=seeded(2))
    log_w = model.log_joint(X, draws.z) - draws.log_q
    weighted = (log_w.softmax(0).detach() * log_w).sum()
    for a, b in zip(found, torch.autograd.grad(weighted, parameters), strict=True):
        torch.testing.assert_close(a, b)


class TestBadInput:
    @pytest.mark.parametrize("k", [0, -3])
    def test_no_samples(self, k):
        model = tiny()
        with pytest.raises(ValueError, match=f"num_samples is {k}, expected at least 1"):
            model.iwae_bound(X, k)
        with pytest.raises(ValueError, match=f"num_samples is {k}, expected at least 1"):
            model.elbo(X, num_samples=k)
        with pytest.raises(ValueError, match=f"num_samples is {k}, expected at least 1"):
            importance_weighted_nll(model, X, num_samples=k)
        with pytest.raises(ValueError, match=f"num_samples is {k}, expected at least 1"):
            elbo(toy, prior_as_posterior(), num_samples=k)

    def test_chunks(self):
        with pytest.raises(ValueError, match="chunk_size is 0"):
            tiny().iwae_bound(X, 3, chunk_size=0)

    def test_no_rows(self):
        with pytest.raises(ValueError, match="no rows"):
            importance_weighted_nll(tiny(), X[:0])

    def test_posterior_shapes(self):
        with pytest.raises(ValueError, match=r"mean has shape \(3, 2\) and log_sd \(3, 1\)"):
            NormalPosterior(torch.zeros(3, 2), torch.zeros(3, 1))
        with pytest.raises(ValueError, match="log_weights, means, log_sds have shapes"):
            MixturePosterior(torch.zeros(3, 2), torch.zeros(3, 1, 2), torch.zeros(3, 1, 2))


def test_nll_leaves_the_mode_and_takes_images_and_data_sets():
    model = tiny().train()
    data = torch.utils.data.TensorDataset(X.reshape(-1, 1, 2, 2), torch.zeros(len(X)))
    a = importance_weighted_nll(model, data, num_samples=50, batch_size=5, generator=seeded())
    b = importance_weighted_nll(model, X, num_samples=50, batch_size=5, generator=seeded())
    assert model.training and torch.equal(a, b) and a.shape == (16,)


def test_closed_forms_of_the_normal_posterior():
    mean, log_sd = torch.randn(2, 5, 3, generator=seeded(), dtype=torch.float64)
    q, z = NormalPosterior(mean, log_sd), torch.randn(4, 5, 3, generator=seeded(1)).double()
    torch.testing.assert_close(q.kl(), kl_gaussian(mean, log_sd.exp(), event_dims=0))
    torch.testing.assert_close(q.log_prob(z), log_normal(z, mean, q.sd, event_dims=1))
    drawn = q.draw(4, generator=seeded())
    torch.testing.assert_close(drawn.log_q, q.log_prob(drawn.z))
    torch.testing.assert_close(log_standard_normal(z), log_normal(z, 0.0, 1.0, event_dims=1))
