"""What is known without sampling: log p(x) of small latent variable models, by quadrature."""

import numpy as np
import torch

from gencourse.vae import VAE, ProbabilisticPCA


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randomised(model, seed=0, scale=1.0):
    """Give a module parameters far from their small initial values."""
    generator = seeded(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(
                scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            )
    return model


def all_bits(num_vars):
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * num_vars).reshape(-1, num_vars)


def hermite(num_latents, points=60):
    """Nodes (P, L) and log-weights (P,) of Σ w f(node) = E f(z) for z ~ N(0, I)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    nodes, weights = torch.tensor(nodes), torch.tensor(weights / weights.sum())
    grid = torch.cartesian_prod(*[nodes] * num_latents).reshape(-1, num_latents)
    log_weights = torch.cartesian_prod(*[weights.log()] * num_latents)
    return grid, log_weights.reshape(len(grid), -1).sum(-1)


@torch.no_grad()
def log_evidence(log_likelihood, num_rows, num_latents, points=60):
    """log p(x) in nats from log p(x | z), (P, B, L) -> (P, B), by Gauss-Hermite quadrature."""
    nodes, log_weights = hermite(num_latents, points)
    z = nodes[:, None].expand(-1, num_rows, -1)
    return (log_weights[:, None] + log_likelihood(z)).logsumexp(0)


@torch.no_grad()
def exact_elbo(log_likelihood, q, points=60):
    """The ELBO of normal posteriors without sampling noise, (B,)."""
    nodes, log_weights = hermite(q.mean.shape[1], points)
    z = q.mean + q.sd * nodes[:, None]
    return (log_weights.exp()[:, None] * log_likelihood(z)).sum(0) - q.kl().sum(-1)


@torch.no_grad()
def kl_to_posterior(log_joint, q, width=9.0, points=241):
    """KL(q ‖ p(z | x)) on an even grid of z, with the posterior normalised on it, (B,)."""
    num_latents = q.mean.shape[1]
    axis = torch.linspace(-width, width, points, dtype=q.mean.dtype)
    grid = torch.cartesian_prod(*[axis] * num_latents).reshape(-1, 1, num_latents)
    grid = grid.expand(-1, len(q.mean), -1)
    log_cell = num_latents * (axis[1] - axis[0]).log()
    log_joint, log_q = log_joint(grid), q.log_prob(grid)
    assert ((log_q + log_cell).logsumexp(0).abs() < 1e-6).all(), "the grid is too coarse or small"
    log_posterior = log_joint - (log_joint + log_cell).logsumexp(0)
    return ((log_q + log_cell).exp() * (log_q - log_posterior)).sum(0)


def ppca(num_features=5, num_latents=2, seed=0, sd=0.7):
    model = ProbabilisticPCA(
        num_features, num_latents=num_latents, sd=sd, generator=seeded(seed)
    ).double()
    with torch.no_grad():
        model.mu.copy_(torch.randn(num_features, generator=seeded(seed + 1)))
        model.log_sigma += 0.1 * seed
    return model


def rows(n=300, num_features=5, seed=0):
    """Correlated rows with unequal variances."""
    mix = torch.randn(num_features, num_features, generator=seeded(seed), dtype=torch.float64)
    noise = torch.randn(n, num_features, generator=seeded(seed + 1), dtype=torch.float64)
    return noise @ mix + torch.arange(num_features)


def linear_vae(model, mean_weight, log_sd, mean_bias):
    """A VAE with the decoder of probabilistic PCA and this encoder."""
    D, L = model.W.shape
    vae = VAE((D,), num_latents=L, hidden=(), likelihood="gaussian", sd=model.sd.item()).double()
    encode, decode = vae.encoder[-1].layers[0], vae.decoder.layers[0].layers[0]
    with torch.no_grad():
        decode.weight.copy_(model.W), decode.bias.copy_(model.mu)
        encode.weight.zero_()
        encode.weight[:L], encode.bias[:L], encode.bias[L:] = mean_weight, mean_bias, 2 * log_sd
    return vae
