"""Probabilistic PCA: exact in every respect, so checked against exact numbers only."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch.distributions import MultivariateNormal

from gencourse.losses import nll_loss
from gencourse.train import fit
from gencourse.vae import NormalPosterior, ProbabilisticPCA, elbo, factorised_gaussian
from tests.density_suite import CHECKS, Box, Case
from tests.vae.oracles import exact_elbo, linear_vae, log_evidence, ppca, rows, seeded

CASES = {
    "two features": Case(lambda seed: ppca(2, 1, seed).float(), Box(((-12, 12),) * 2)),
    "in double precision": Case(lambda seed: ppca(2, 1, seed + 3), Box(((-14, 14),) * 2)),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_density(case, check):
    check(case)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_density_on_a_gpu():
    for check in CHECKS:
        check(Case(CASES["two features"].make, CASES["two features"].support, device="cuda"))


def joint(model):
    """The joint normal of (z, x), from its definition."""
    W, D, L = model.W, *model.W.shape
    covariance = torch.zeros(L + D, L + D, dtype=W.dtype)
    covariance[:L, :L], covariance[L:, :L] = torch.eye(L), W
    covariance[:L, L:], covariance[L:, L:] = W.T, W @ W.T + model.sd**2 * torch.eye(D)
    return torch.cat([torch.zeros(L), model.mu]), covariance


def conditioned(mean, covariance, seen, values):
    """Bishop 2006, equations 2.81 and 2.82, for everything that is not seen."""
    unseen = ~seen
    gain = covariance[unseen][:, seen] @ torch.linalg.inv(covariance[seen][:, seen])
    return (
        mean[unseen] + (values - mean[seen]) @ gain.T,
        covariance[unseen][:, unseen] - gain @ covariance[seen][:, unseen],
    )


@torch.no_grad()
def test_log_prob_and_posterior_are_those_of_the_joint_normal():
    model, x = ppca(), rows(7)
    mean, covariance = joint(model)
    expected = MultivariateNormal(mean[2:], covariance[2:, 2:]).log_prob(x)
    torch.testing.assert_close(model.log_prob(x), expected)
    torch.testing.assert_close(model.covariance(), covariance[2:, 2:])
    seen = torch.arange(7) >= 2
    posterior = conditioned(mean, covariance, seen, x)
    torch.testing.assert_close(model.posterior(x).mean, posterior[0])
    torch.testing.assert_close(model.posterior(x).covariance, posterior[1])


@torch.no_grad()
def test_log_prob_is_the_integral_over_z():
    model, x = ppca(sd=1.5), rows(6) / 3

    def log_likelihood(z):
        return model.log_joint(x, z) + 0.5 * z.square().sum(-1) + math.log(2 * math.pi)

    found = log_evidence(log_likelihood, len(x), 2, points=100)
    torch.testing.assert_close(model.log_prob(x), found, rtol=1e-6, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("given", [[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
def test_completion_is_the_conditional_of_the_joint_normal(given):
    model, x = ppca(), rows(4)
    given = torch.tensor(given).bool()
    mean, covariance = conditioned(model.mu, model.covariance(), given, x[:, given])
    damaged = torch.where(given, x, math.nan)  # what is missing is not read
    found = model.complete(damaged, given)
    torch.testing.assert_close(found.mean[:, ~given], mean.expand(4, -1))
    torch.testing.assert_close(found.sd[~given], covariance.diagonal().sqrt())
    assert torch.equal(found.mean[:, given], x[:, given]) and not found.sd[given].any()

    n = 100_000
    drawn = model.sample(n, condition=(damaged[0], given), generator=seeded(5))
    assert torch.equal(drawn[:, given], x[:1, given].expand(n, -1))
    if not given.all():
        torch.testing.assert_close(drawn[:, ~given].mean(0), mean[0], atol=0.05, rtol=0)
        found = drawn[:, ~given].T.cov()
        torch.testing.assert_close(found, covariance, atol=0.1, rtol=0.03)


def test_maximum_likelihood_is_scikit_learns():
    x = rows()
    model = ProbabilisticPCA(5, num_latents=2).double().fit(x)
    reference = PCA(n_components=2).fit(x.numpy())
    # scikit-learn divides by N - 1, which is not the maximum of the likelihood
    unbiased = len(x) / (len(x) - 1)
    with torch.no_grad():
        np.testing.assert_allclose(
            model.covariance() * unbiased, reference.get_covariance(), rtol=1e-9
        )
        model.W *= math.sqrt(unbiased)
        model.log_sigma += 0.5 * math.log(unbiased)
        assert model.log_prob(x).mean().item() == pytest.approx(reference.score(x.numpy()))
        np.testing.assert_allclose(model.log_prob(x), reference.score_samples(x.numpy()))


def test_no_parameters_near_the_fit_are_likelier():
    x = rows()
    model = ProbabilisticPCA(5, num_latents=2).double().fit(x)
    best = model.log_prob(x).mean()
    for gradient in torch.autograd.grad(best, list(model.parameters())):
        assert gradient.abs().max() < 1e-8
    fitted = {key: value.clone() for key, value in model.state_dict().items()}
    for seed in range(20):
        with torch.no_grad():
            for i, (key, parameter) in enumerate(model.named_parameters()):
                noise = torch.randn(parameter.shape, generator=seeded(10 * seed + i))
                parameter.copy_(fitted[key] + 0.05 * noise)
        assert model.log_prob(x).mean() < best


def test_em_climbs_to_the_closed_form():
    x = rows()
    exact = ProbabilisticPCA(5, num_latents=2).double().fit(x)
    model = ppca().fit(x, method="em", tolerance=1e-13, max_iterations=5000)
    assert (np.diff(model.history[:-1]) > -1e-12).all(), "EM never falls"
    torch.testing.assert_close(model.covariance(), exact.covariance(), rtol=1e-4, atol=1e-4)
    assert model.history[-1] == pytest.approx(exact.history[-1], abs=1e-9)


def test_gradient_ascent_finds_the_same_density():
    x = rows()
    exact = ProbabilisticPCA(5, num_latents=2).double().fit(x)
    model = ppca()
    with torch.no_grad():
        model.mu.copy_(x.mean(0))
    fit(model, x, loss=nll_loss, steps=600, batch_size=300, lr=0.05, progress=False)
    torch.testing.assert_close(model.covariance(), exact.covariance(), rtol=0.01, atol=0.01)


@torch.no_grad()
def test_elbo_plus_kl_is_log_p():
    """log p(x) = ELBO + KL(q ‖ p(z|x)), all three in closed form, for any q."""
    model, x = ppca(), rows(6)
    mean, log_sd = torch.randn(2, 6, 2, generator=seeded(), dtype=torch.float64)
    q = NormalPosterior(mean, 0.3 * log_sd)
    posterior = model.posterior(x)
    kl = torch.stack(
        [
            torch.distributions.kl_divergence(
                MultivariateNormal(q.mean[i], torch.diag(q.sd[i] ** 2)),
                MultivariateNormal(posterior.mean[i], posterior.covariance),
            )
            for i in range(len(x))
        ]
    )
    # E_q |x - W z - μ|² = |x - W m - μ|² + Σ_l |w_l|² s_l²
    residual = (x - q.mean @ model.W.T - model.mu).square().sum(-1)
    spread = q.sd.square() @ model.W.square().sum(0)
    reconstruction = -(residual + spread) / (2 * model.sd**2)
    reconstruction -= 5 * (model.sd.log() + 0.5 * math.log(2 * math.pi))
    exact = reconstruction - q.kl().sum(-1)
    torch.testing.assert_close(model.log_prob(x), exact + kl)
    found = elbo(lambda z: model.log_joint(x, z), q, num_samples=200_000, generator=seeded(1))
    torch.testing.assert_close(found, exact, rtol=0, atol=0.2)


@torch.no_grad()
def test_the_vae_with_the_exact_posterior_has_no_gap():
    """The closed form gives W orthogonal columns, so the posterior's latents are independent."""
    x = rows()
    model = ProbabilisticPCA(5, num_latents=2).double().fit(x)
    posterior = model.posterior(x)
    assert posterior.covariance[0, 1].abs() < 1e-12
    weight = posterior.covariance @ model.W.T / model.sd**2
    log_sd = posterior.covariance.diagonal().log() / 2
    vae = linear_vae(model, weight, log_sd, -weight @ model.mu)
    torch.testing.assert_close(vae.encode(x).mean, posterior.mean)
    torch.testing.assert_close(vae.iwae_bound(x, 1), model.log_prob(x))
    elbo_of_vae = exact_elbo(lambda z: vae.log_likelihood(x, z), vae.encode(x))
    torch.testing.assert_close(elbo_of_vae, model.log_prob(x))


class TestFactorisedGaussian:
    COVARIANCE = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=torch.float64)

    def test_numbers_of_the_course(self):
        assert factorised_gaussian(self.COVARIANCE).tolist() == pytest.approx([0.19, 0.19])
        forward = factorised_gaussian(self.COVARIANCE, direction="p||q")
        assert forward.tolist() == [1, 1]

    @pytest.mark.parametrize("direction", ["q||p", "p||q"])
    def test_no_other_variances_are_nearer(self, direction):
        mix = torch.randn(3, 3, generator=seeded(), dtype=torch.float64)
        covariance = mix @ mix.T + torch.eye(3)
        p = MultivariateNormal(torch.zeros(3).double(), covariance)

        def divergence(log_variance):
            q = MultivariateNormal(torch.zeros(3).double(), torch.diag(log_variance.exp()))
            pair = (q, p) if direction == "q||p" else (p, q)
            return torch.distributions.kl_divergence(*pair)

        best = factorised_gaussian(covariance, direction=direction).log().requires_grad_()
        value = divergence(best)
        assert torch.autograd.grad(value, best)[0].abs().max() < 1e-10
        for seed in range(10):
            assert divergence(best + 0.1 * torch.randn(3, generator=seeded(seed))) > value

    def test_bad_input(self):
        for wrong in (torch.zeros(2, 3), torch.tensor([[1.0, 0.5], [0.2, 1.0]])):
            with pytest.raises(ValueError, match="expected a symmetric matrix"):
                factorised_gaussian(wrong)
        with pytest.raises(ValueError, match="eigenvalue"):
            factorised_gaussian(torch.tensor([[1.0, 2.0], [2.0, 1.0]]))
        with pytest.raises(ValueError, match="direction is 'q'"):
            factorised_gaussian(self.COVARIANCE, direction="q")


class TestBadInput:
    def test_arguments(self):
        for latents in (0, 5, 6):
            with pytest.raises(ValueError, match=rf"num_latents is {latents}, expected 1\.\.4"):
                ProbabilisticPCA(5, num_latents=latents)
        with pytest.raises(ValueError, match="sd is 0"):
            ProbabilisticPCA(5, num_latents=2, sd=0.0)

    def test_rows(self):
        model = ppca()
        with pytest.raises(ValueError, match=r"x has shape \(2, 4\), expected \(B, 5\)"):
            model.log_prob(torch.zeros(2, 4))
        x = torch.zeros(2, 5)
        x[1, 3] = math.nan
        for call in (model.log_prob, model.posterior, model.fit):
            with pytest.raises(ValueError, match=r"x\[1, 3\] is nan"):
                call(x)
        with pytest.raises(ValueError, match=r"x\[1, 3\] is nan"):
            model.complete(x, torch.ones(5))
        with pytest.raises(ValueError, match="given has shape"):
            model.complete(x, torch.ones(4))

    def test_fit(self):
        model = ppca()
        with pytest.raises(ValueError, match="method is 'pca'"):
            model.fit(rows(), method="pca")
        with pytest.raises(ValueError, match="has 1 rows"):
            model.fit(rows(1))
        flat = rows()[:, :2] @ torch.ones(2, 5).double().tril()
        with pytest.raises(ValueError, match="expected more than 0"):
            model.fit(flat)


def test_config_makes_the_model_again():
    model = ppca()
    again = ProbabilisticPCA(**model.config).double()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.log_prob(rows(3)), model.log_prob(rows(3)))


def test_one_row():
    model = ppca()
    x = model.sample(1, generator=seeded())
    assert model.log_prob(x).shape == (1,)
    assert model.complete(x, torch.ones(5)).mean.shape == (1, 5)
