"""VQ-VAE: nearest vectors, the straight-through gradient, an exact bound, and its prior."""

import math

import pytest
import torch

from gencourse.losses import nll_loss
from gencourse.train import fit
from gencourse.vae import VQVAE, CodePrior, code_prior_loss, vqvae_loss
from tests.density_suite import CHECKS, Case, Finite
from tests.vae.oracles import all_bits, randomised, seeded

PRIOR = Case(
    lambda seed: randomised(CodePrior(3, num_codes=4, num_hidden=5), seed), Finite((4,) * 3)
)
X = all_bits(4)


def tiny(seed=0, **options):
    options = {"num_codes": 3, "code_size": 2, "num_positions": 2, "hidden": (6,)} | options
    return randomised(VQVAE((4,), likelihood="bernoulli", **options), seed).double()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
def test_the_prior_is_a_density(check):
    check(PRIOR)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_prior_on_a_gpu():
    for check in CHECKS:
        check(Case(PRIOR.make, PRIOR.support, device="cuda"))


def test_the_prior_looks_back_only():
    """What comes before p(c_i | ...) moves it, what comes from i on does not."""
    prior = randomised(CodePrior(4, num_codes=3, num_hidden=6)).double()
    codes = torch.tensor([[0, 1, 2, 0]])
    for i in range(4):
        changed = codes.clone()
        changed[0, i] = (changed[0, i] + 1) % 3
        same = (prior.logits(codes) == prior.logits(changed)).all(-1)[0]
        assert same[: i + 1].all() and not same[i + 1 :].any()


def test_the_prior_learns_the_entropy_of_its_codes():
    torch.manual_seed(0)
    codes = torch.tensor([[0, 1, 2], [2, 2, 0]]).repeat(10, 1)
    prior = CodePrior(3, num_codes=3, num_hidden=8)
    fit(prior, codes, loss=nll_loss, steps=300, lr=0.02, progress=False)
    assert nll_loss(prior, (codes,)).item() == pytest.approx(math.log(2), abs=0.02)


@pytest.mark.parametrize("codes, message", [
    ([[0, 3, 0]], r"codes holds 3, expected integers in 0\.\.2"),
    ([[0, -1, 0]], "codes holds -1"),
    ([[0, 0.5, 0]], "codes holds 0.5"),
    ([[0, 1]], r"codes has shape \(1, 2\), expected \(B, 3\)"),
])  # fmt: skip
def test_the_prior_refuses(codes, message):
    with pytest.raises(ValueError, match=message):
        CodePrior(3, num_codes=3).log_prob(torch.tensor(codes))


def test_codes_are_the_nearest_vectors():
    model = tiny(num_codes=9, code_size=3)
    features = model.features(X)
    expected = torch.cdist(features, model.codebook[None].expand(16, -1, -1)).argmin(-1)
    assert torch.equal(model.encode(X), expected)
    assert len(expected.unique()) > 2, "one code would prove nothing"


def test_the_bound_is_below_log_p_by_the_kl_to_the_posterior():
    """All 9 codes enumerated: log p(x) - bound = -log p(codes | x), KL of a certain posterior."""
    model = tiny()
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    log_joint = torch.stack(
        [
            model.prior.log_prob(codes[None]) + model.log_likelihood(X, codes.expand(16, -1))
            for codes in every
        ],
        1,
    )
    log_p = log_joint.logsumexp(1)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-12)
    number = model.encode(X) @ torch.tensor([3, 1])
    chosen = log_joint.log_softmax(1).gather(1, number[:, None])[:, 0]
    torch.testing.assert_close(log_p - model.elbo(X), -chosen)
    assert (model.elbo(X) < log_p).all()

    n = 100_000
    drawn = model.sample(n, generator=seeded())
    share = (
        torch.bincount((drawn @ torch.tensor([8.0, 4, 2, 1]).double()).long(), minlength=16) / n
    )
    p = log_p.exp().detach()
    assert ((share - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


def test_the_straight_through_gradient_is_that_of_the_vectors():
    """The encoder gets ∂(-log p)/∂vectors, plus the commitment; the vectors their own pull."""
    model, x = tiny(), X[:7]
    features = model.features(x).detach()
    vectors = model.codebook[model.nearest(features)].detach().requires_grad_()
    reconstruction = -model.likelihood.log_prob(x.double(), model.outputs(vectors)).mean()
    (through,) = torch.autograd.grad(reconstruction, vectors)
    distance = features - vectors.detach()
    expected = through + 2 * model.commitment * distance / len(x)

    found = model.features(x)
    (gradient,) = torch.autograd.grad(found, model.encoder[0][-1].layers[-1].bias, expected)
    vqvae_loss(model, (x,)).backward()
    torch.testing.assert_close(model.encoder[0][-1].layers[-1].bias.grad, gradient)
    pull = torch.zeros_like(model.codebook).index_add(
        0, model.encode(x).flatten(), -2 * distance.flatten(0, 1) / len(x)
    )
    torch.testing.assert_close(model.codebook.grad, pull)


def test_loss_at_perfect_codes_is_the_reconstruction_alone():
    """A Gaussian decoder with sd 1 adds D/2 log 2π to half the squared error of the paper."""
    model = randomised(VQVAE((4,), num_codes=3, num_positions=2, hidden=(6,)))
    x = torch.randn(5, 4, generator=seeded())
    squared = (model.decode(model.encode(x)) - x).square().sum(1)
    expected = -(0.5 * squared + 2 * math.log(2 * math.pi))
    torch.testing.assert_close(model.log_likelihood(x, model.encode(x)), expected)


def test_usage_counts_codes():
    model = tiny(num_codes=5)
    usage = model.usage(X)
    codes = model.encode(X).flatten().tolist()
    assert usage.tolist() == pytest.approx([codes.count(k) / len(codes) for k in range(5)])


@pytest.mark.parametrize("options", [
    {"num_positions": 2, "hidden": (16,)}, {"channels": (8,), "code_size": 4},
])  # fmt: skip
def test_two_stages_of_training(options):
    """Patterns are coded apart; then the prior learns which codes go together, and only it."""
    torch.manual_seed(0)
    x = torch.randn(4, 1, 4, 4, generator=seeded()).repeat(16, 1, 1, 1)
    model = VQVAE((1, 4, 4), num_codes=8, sd=0.1, **options)
    fit(model, x, loss=vqvae_loss, steps=300, lr=0.015, batch_size=64, progress=False)
    assert len(model.encode(x[:4]).unique(dim=0)) == 4
    assert (model.usage(x) > 0).sum() >= 2
    state = {key: value.clone() for key, value in model.state_dict().items()}
    fit(model, x, loss=code_prior_loss, steps=200, lr=0.03, batch_size=64, progress=False)
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]) != key.startswith("prior"), key
    assert code_prior_loss(model, (x,)).item() == pytest.approx(math.log(4), abs=0.05)
    drawn = model.sample(200, generator=seeded())
    nearest = (drawn[:, None] - x[:4]).square().mean((2, 3, 4)).min(1).values
    assert (nearest < 0.7).float().mean() > 0.95  # pixels have the variance 1


def test_another_density_serves_as_prior():
    class Uniform(torch.nn.Module):
        event_shape = (2,)

        def log_prob(self, codes):
            return torch.full((len(codes),), -2 * math.log(3), dtype=torch.float64)

        def sample(self, n, *, condition=None, generator=None):
            return torch.randint(3, (n, 2), generator=generator)

    model = tiny()
    model.prior = Uniform()
    expected = model.log_likelihood(X, model.encode(X)) - 2 * math.log(3)
    torch.testing.assert_close(model.elbo(X), expected)
    assert model.sample(5, generator=seeded()).shape == (5, 4)
