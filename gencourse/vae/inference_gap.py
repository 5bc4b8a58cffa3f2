"""Why an ELBO falls short of log p(x): the family of q, and the encoder's haste.

The gap log p(x) - ELBO = KL(q(z|x) ‖ p(z|x)) has two parts (Cremer, Li & Duvenaud, ICML 2018).
The *approximation* gap is that of the best q* of the family, here independent normals; what the
encoder loses against q*, because one network has to serve all x, is the *amortisation* gap.

Shapes: B batch, L latents.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gencourse.vae.posteriors import NormalPosterior, check_num_samples, standard_normal
from gencourse.vae.vae import VAE


class InferenceGaps(NamedTuple):
    """The two parts of log p(x) - ELBO in nats, (B,) each, up to the noise of the estimates.

    Attributes:
        approximation: log p(x) - ELBO(q*).
        amortisation: ELBO(q*) - ELBO(q_φ).
        best: q*.
    """

    approximation: Tensor
    amortisation: Tensor
    best: NormalPosterior


def inference_gaps(
    model: VAE,
    x: Tensor,
    log_p: Tensor,
    *,
    steps: int = 500,
    lr: float = 0.02,
    num_samples: int = 64,
    generator: torch.Generator | None = None,
) -> InferenceGaps:
    """Split the gap of each row, with q* found by gradient ascent from the encoder's answer.

    Args:
        model: a VAE with a normal posterior.
        x: (B, *event_shape).
        log_p: log p(x) in nats, (B,): exact, or a tight importance-weighted bound, whose shortfall
            then is missing from the approximation gap.
        steps: of Adam; the step size falls to 0 meanwhile.
        lr: the first step size.
        num_samples: samples for each gradient; the ELBOs themselves are taken from 100 times as
            many, with the same noise for both.
        generator: source of randomness.

    Raises:
        ValueError: `log_p` that is not (B,), or no sample.
    """
    if log_p.shape != (len(x),):
        raise ValueError(f"log_p has shape {tuple(log_p.shape)}, expected ({len(x)},)")
    check_num_samples(num_samples)
    with torch.no_grad():
        q = model.encode(x)
    parameters = [t.clone().requires_grad_() for t in (q.mean, q.log_sd)]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    with torch.enable_grad():
        for _ in range(steps):
            local = NormalPosterior(*parameters)
            z = local.draw(num_samples, generator=generator).z
            value = model.log_likelihood(x, z).mean(0).sum() - local.kl().sum()
            gradients = torch.autograd.grad(-value, parameters)  # the model's own stay as they are
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
            schedule.step()
    best = NormalPosterior(*(p.detach() for p in parameters))
    amortised, optimal = _elbos(model, x, [q, best], 100, num_samples, generator)
    return InferenceGaps(log_p - optimal, optimal - amortised, best)


@torch.no_grad()
def _elbos(
    model: VAE,
    x: Tensor,
    posteriors: list[NormalPosterior],
    chunks: int,
    num_samples: int,
    generator: torch.Generator | None,
) -> list[Tensor]:
    """Return the ELBO of each posterior from the same noise, (B,) each."""
    totals = [-q.kl().sum(-1) for q in posteriors]
    for _ in range(chunks):
        noise = standard_normal(posteriors[0].mean, num_samples, generator)
        for i, q in enumerate(posteriors):
            likelihood = model.log_likelihood(x, q.mean + q.sd * noise)
            totals[i] = totals[i] + likelihood.mean(0) / chunks
    return totals
