"""Categorical latents against enumeration of z, and of x too."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from gencourse.densities import log_bernoulli, log_normal
from gencourse.train import fit
from gencourse.vae import CategoricalVAE, categorical_vae_loss, gumbel_softmax
from tests.vae.oracles import all_bits, randomised, seeded

X = all_bits(4)


def tiny(seed=0, **options):
    options = {"num_variables": 2, "num_categories": 3, "hidden": (5,)} | options
    return randomised(CategoricalVAE((4,), **options), seed).double()


@torch.no_grad()
def log_joint_by_a_loop(model, x):
    columns = []
    for z in itertools.product(range(3), repeat=2):
        one_hot = torch.cat([torch.eye(3, dtype=torch.float64)[k] for k in z])
        outputs = model.decoder(one_hot[None])[:, 0]
        if model.likelihood.num_outputs == 2:
            log_p = log_normal(x.double(), outputs[0], outputs[1].exp() + 1e-3)
        else:
            log_p = log_bernoulli(x, outputs[0].expand(len(x), -1))
        columns.append(log_p - 2 * math.log(3))
    return torch.stack(columns, 1)


@torch.no_grad()
def exact_elbo(model, x):
    q = model.encode(x)
    log_q = q.logits.log_softmax(-1)
    log_q = (log_q[:, 0, :, None] + log_q[:, 1, None, :]).flatten(1)  # (B, 9)
    return (log_q.exp() * (model.enumerate_log_joint(x) - log_q)).sum(1), log_q


@pytest.mark.parametrize("options", [{}, {"likelihood": "gaussian", "sd": "output"}])
def test_enumeration_is_the_loop_over_z(options):
    model = tiny(**options)
    found = model.enumerate_log_joint(X)
    assert found.shape == (16, 9)
    torch.testing.assert_close(found, log_joint_by_a_loop(model, X))
    torch.testing.assert_close(model.log_joint(X, model.states()[:, None].expand(-1, 16, -1, -1)),
                               found.T)  # fmt: skip


def test_log_p_sums_to_1_and_agrees_with_samples():
    model = tiny()
    p = model.enumerate_log_joint(X).logsumexp(1).exp().detach()
    assert p.sum().item() == pytest.approx(1, abs=1e-12)
    n = 100_000
    drawn = model.sample(n, generator=seeded())
    share = (
        torch.bincount((drawn @ torch.tensor([8.0, 4, 2, 1]).double()).long(), minlength=16) / n
    )
    assert ((share - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


def test_elbo_plus_kl_to_the_posterior_is_log_p():
    model = tiny()
    log_joint = model.enumerate_log_joint(X).detach()
    elbo, log_q = exact_elbo(model, X)
    kl = (log_q.exp() * (log_q - log_joint.log_softmax(1))).sum(1)
    torch.testing.assert_close(elbo + kl, log_joint.logsumexp(1))


def test_bounds_rise_to_log_p():
    model = tiny()
    log_p = model.enumerate_log_joint(X).logsumexp(1).detach()
    elbo, _ = exact_elbo(model, X)
    gaps = [(log_p - elbo).mean()]
    estimate = model.elbo(X, num_samples=40_000, generator=seeded()).detach()
    torch.testing.assert_close(estimate, elbo, rtol=0, atol=0.05)
    many = X.repeat(3000, 1)
    for k in (1, 5, 50):
        values = model.iwae_bound(many, k, generator=seeded()).detach().reshape(3000, 16)
        mean, error = values.mean(0), values.std(0) / 3000**0.5
        if k == 1:
            assert ((mean - elbo).abs() < 5 * error).all()
            continue
        assert (mean < log_p + 4 * error).all()
        gaps.append((log_p - mean).mean())
    assert gaps[0] > 1.2 * gaps[1] > 1.2 * 1.2 * gaps[2]


@pytest.mark.parametrize("hard", [False, True])
def test_the_largest_gumbel_softmax_is_an_exact_draw(hard):
    logits = torch.tensor([0.0, 1.0, -2.0, 0.5])
    n = 100_000
    z = gumbel_softmax(logits.expand(n, 4), temperature=0.7, hard=hard, generator=seeded())
    share = torch.bincount(z.argmax(-1), minlength=4) / n
    p = logits.softmax(0)
    assert ((share - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()
    torch.testing.assert_close(z.sum(-1), torch.ones(n))
    again = gumbel_softmax(logits.expand(n, 4), temperature=0.7, hard=hard, generator=seeded())
    assert torch.equal(z, again)


def test_temperature():
    logits = torch.randn(1000, 4, generator=seeded())
    cold = gumbel_softmax(logits, temperature=1e-3, generator=seeded())
    assert (cold.max(-1).values > 0.99).float().mean() > 0.98
    hot = gumbel_softmax(logits, temperature=1e3, generator=seeded())
    torch.testing.assert_close(hot, torch.full_like(hot, 0.25), atol=0.01, rtol=0)
    with pytest.raises(ValueError, match="temperature is 0, expected more than 0"):
        gumbel_softmax(logits, temperature=0)


def test_hard_samples_are_one_hot_with_the_gradient_of_soft_ones():
    logits = torch.randn(50, 4, generator=seeded(), requires_grad=True)
    weights = torch.randn(50, 4, generator=seeded(1))
    soft = gumbel_softmax(logits, temperature=0.5, generator=seeded(2))
    hard = gumbel_softmax(logits, temperature=0.5, hard=True, generator=seeded(2))
    assert torch.equal(hard.detach().round(), F.one_hot(soft.argmax(-1), 4).float())
    a, b = (torch.autograd.grad((z * weights).sum(), logits)[0] for z in (soft, hard))
    torch.testing.assert_close(a, b)


def test_the_relaxed_gradient_points_along_the_exact_one():
    """Biased, but nearly the gradient of the ELBO that enumeration gives."""
    model, x = tiny(), X[[6]]
    with torch.enable_grad():
        logits = model.encode(x).logits.detach().requires_grad_()
        log_q = logits.log_softmax(-1)
        log_q = (log_q[:, 0, :, None] + log_q[:, 1, None, :]).flatten(1)
        exact = (log_q.exp() * (model.enumerate_log_joint(x).detach() - log_q)).sum()
        (expected,) = torch.autograd.grad(exact, logits)
        n = 100_000
        z = gumbel_softmax(logits.expand(n, 2, 3), temperature=0.3, generator=seeded())
        kl = (logits.softmax(-1) * (logits.log_softmax(-1) + math.log(3))).sum()
        relaxed = model.log_likelihood(x.expand(n, -1), z).mean() - kl
        (found,) = torch.autograd.grad(relaxed, logits)
    assert F.cosine_similarity(found.flatten(), expected.flatten(), 0) > 0.95
    assert 0.7 < found.norm() / expected.norm() < 1.4


def test_training_finds_clusters_and_evaluation_is_the_elbo():
    """The relaxed samples bound nothing: what training ends with can be far from the ELBO."""
    torch.manual_seed(0)
    patterns = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
    x = patterns.repeat(40, 1)
    model = CategoricalVAE((4,), num_variables=2, num_categories=3, hidden=(8,))
    fit(model, x, loss=categorical_vae_loss, steps=400, lr=0.03, batch_size=120, progress=False)
    log_p = model.enumerate_log_joint(x).logsumexp(1).mean().item()
    assert log_p == pytest.approx(-math.log(3), abs=0.2), "the entropy of three patterns"
    exact = exact_elbo(model, x)[0].mean().item()
    torch.manual_seed(1)
    found = sum(categorical_vae_loss(model, (x,)).item() for _ in range(100)) / 100
    assert found == pytest.approx(-exact, abs=0.1) and exact < log_p


def test_refuses_to_enumerate_too_much():
    with pytest.raises(ValueError, match=f"z has {10**10} states, expected at most 65536"):
        CategoricalVAE((4,)).enumerate_log_joint(X)


def test_bad_pixels():
    with pytest.raises(ValueError, match=r"x\[0, 1\] is 0.5, expected 0 or 1"):
        tiny().enumerate_log_joint(torch.tensor([[0, 0.5, 0, 0]]))
