"""The formulas of the lecture, one variable after the other, as oracles."""

import torch

from gencourse.densities import log_mixture, log_normal


def before(x, order, k):
    """The values of the variables that come before place k, 0 elsewhere, (B, D)."""
    seen = torch.zeros_like(x)
    seen[:, order[:k]] = x[:, order[:k]]
    return seen


def fvsbn_logits(model, x):
    order = model.order.tolist()
    logits = torch.empty_like(x)
    for k, i in enumerate(order):
        logits[:, i] = model.b[i]
        for j in order[:k]:
            logits[:, i] = logits[:, i] + x[:, j] * model.W[i, j]
    return logits


def nade_logits(model, x, *, activation=None):
    """h_i = g(W_{<i} x_{<i} + c), p(x_i=1 | x_<i) = σ(V_i h_i + b_i)."""
    activation = activation or {"sigmoid": torch.sigmoid, "relu": torch.relu}[model.activation]
    order = model.order.tolist()
    logits = {}
    for k, i in enumerate(order):
        h = activation(model.c + before(x, order, k) @ model.W.T)
        logits[i] = h @ model.V[i] + model.b[i]
    return torch.stack([logits[i] for i in range(len(order))], 1)


def rnade_log_prob(model, x):
    order = model.order.tolist()
    activation = {"sigmoid": torch.sigmoid, "relu": torch.relu}[model.activation]
    total = 0
    for k, i in enumerate(order):
        h = activation(model.rho[i] * (model.c + before(x, order, k) @ model.W.T))
        weights, means, log_sds = (h @ model.V[s, i].T + model.b[s, i] for s in range(3))
        log_p = log_normal(x[:, i, None], means, log_sds.exp() + model.min_sd, event_dims=0)
        total = total + log_mixture(log_p, weights)
    return total


def binary_states(num_vars):
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * num_vars).reshape(-1, num_vars)


def randomised(model, seed=0, *, scale=1.0):
    """The model with asymmetric parameters of order 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return model
