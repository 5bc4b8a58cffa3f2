"""Lower bounds on log p(x) from samples of q(z | x): ELBO and importance-weighted bound.

With weights w = p(x, z) / q(z | x), E_q w = p(x). The ELBO takes the logarithm inside of the
average, E log w, and falls short of log p(x) by KL(q(z|x) ‖ p(z|x)) (Kingma & Welling,
"Auto-encoding variational Bayes", ICLR 2014). The importance-weighted bound takes it outside,
E log 1/k Σ_i w_i, which rises with k to log p(x) (Burda, Grosse & Salakhutdinov, "Importance
weighted autoencoders", ICLR 2016, theorem 1).

Shapes: B batch, S samples, L latents, N rows.
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gencourse.protocols import as_events
from gencourse.vae.posteriors import Posterior, check_num_samples

LogJoint = Callable[[Tensor], Tensor]


def elbo(
    log_joint: LogJoint,
    q: Posterior,
    *,
    num_samples: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return an unbiased estimate of E_q[log p(x, z) - log q(z | x)] in nats, -> (B,).

    Args:
        log_joint: log p(x, z) as a function of z, (S, B, L) -> (S, B).
        q: the approximate posterior; gradients reach its parameters.
        num_samples: S, or of a mixture S / K.
        generator: source of randomness.

    Raises:
        ValueError: no sample.
    """
    draws = q.draw(num_samples, generator=generator)
    return (draws.log_share.exp() * (log_joint(draws.z) - draws.log_q)).sum(0)


def iwae_bound(
    log_joint: LogJoint,
    q: Posterior,
    num_samples: int,
    *,
    chunk_size: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return an unbiased estimate of E log 1/k Σ_i p(x, z_i) / q(z_i | x) in nats, -> (B,).

    One sample gives the ELBO. The estimate of p(x) itself is unbiased, its logarithm too low.

    Args:
        log_joint: log p(x, z) as a function of z, (S, B, L) -> (S, B).
        q: the approximate posterior; gradients reach its parameters.
        num_samples: k; of a mixture, samples of each component.
        chunk_size: samples at a time; all when None. Without gradients the memory grows with
            the chunk, not with k.
        generator: source of randomness.

    Raises:
        ValueError: k or `chunk_size` below 1.
    """
    check_num_samples(num_samples)
    chunk_size = num_samples if chunk_size is None else chunk_size
    if chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}, expected at least 1")
    total = None
    for start in range(0, num_samples, chunk_size):
        size = min(chunk_size, num_samples - start)
        draws = q.draw(size, generator=generator)
        log_w = log_joint(draws.z) - draws.log_q  # (S, B)
        part = (draws.log_share + log_w).logsumexp(0) + math.log(size / num_samples)
        total = part if total is None else torch.logaddexp(total, part)
    return total


class Bounded(Protocol):
    """A model with a bound only."""

    event_shape: tuple[int, ...]

    def iwae_bound(
        self,
        x: Tensor,
        num_samples: int,
        *,
        chunk_size: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the importance-weighted bound, (B, *event_shape) -> (B,)."""


@torch.no_grad()
def importance_weighted_nll(
    model: Bounded,
    data: Dataset | Tensor,
    *,
    num_samples: int = 5000,
    batch_size: int = 20,
    max_rows: int = 2000,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return -log p(x) of each row from above, by the importance-weighted bound, -> (N,).

    The papers' L_5000 is the mean over the test rows; its standard error is std / √N. Each row is
    encoded once, and its samples stream through the decoder. The model is in evaluation mode
    meanwhile.

    Args:
        model: has `iwae_bound`.
        data: rows (N, ...), or a data set that yields (x, ...); x is reshaped to `event_shape`.
        num_samples: k.
        batch_size: rows encoded together.
        max_rows: rows that the decoder sees at a time, which bounds the memory. On a CPU what fits
            into its cache is fastest; a GPU wants more.
        generator: source of randomness, on the device of the model.

    Raises:
        ValueError: no rows, k below 1, or what the model refuses.
    """
    rows = TensorDataset(data) if isinstance(data, Tensor) else data
    device = next(model.parameters()).device if isinstance(model, nn.Module) else None
    training = isinstance(model, nn.Module) and model.training
    values = []
    if training:
        model.eval()
    try:
        for batch in DataLoader(rows, batch_size=batch_size):
            x = as_events(batch[0].to(device), model.event_shape)
            chunk = max(1, min(num_samples, max_rows // len(x)))
            bound = model.iwae_bound(x, num_samples, chunk_size=chunk, generator=generator)
            values.append(-bound.double().cpu())
    finally:
        if training:
            model.train()
    if not values:
        raise ValueError("data has no rows, expected at least 1")
    return torch.cat(values)
