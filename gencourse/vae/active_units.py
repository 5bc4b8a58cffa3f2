"""Which latents a VAE uses: those whose posterior mean moves with x.

Posterior collapse leaves q(z_l | x) = p(z_l) for every x, so that the decoder learns to ignore
z_l. Burda, Grosse & Salakhutdinov (ICLR 2016, section 5.2) call a latent active when the variance
over the data of its posterior mean, Cov_x(E_q[z_l]), exceeds 0.01.

Shapes: N rows, L latents.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gencourse.protocols import as_events


class Encodes(Protocol):
    """A model whose encoder gives something with a mean."""

    event_shape: tuple[int, ...]

    def encode(self, x: Tensor) -> object:
        """Return q(z | x) with a `mean` (B, L)."""


class ActiveUnits(NamedTuple):
    """How much each latent says about x.

    Attributes:
        variance: of the posterior mean over the data, (L,); the prior's variance is 1.
        active: whether it exceeds the threshold, bool (L,).
    """

    variance: Tensor
    active: Tensor

    @property
    def count(self) -> int:
        """Number of active latents."""
        return int(self.active.sum())


@torch.no_grad()
def active_units(
    model: Encodes, x: Tensor, *, threshold: float = 0.01, batch_size: int = 1000
) -> ActiveUnits:
    """Return which latents are active on the rows x, (N, ...).

    Args:
        model: a VAE of any kind whose `encode(x).mean` is E_q[z], (B, L).
        x: data, reshaped to `event_shape`.
        threshold: least variance of an active latent.
        batch_size: rows at a time; changes the memory, not the result.

    Raises:
        ValueError: fewer than two rows.
    """
    if len(x) < 2:
        raise ValueError(f"x has {len(x)} rows, expected at least 2 for a variance")
    rows = as_events(x, model.event_shape).split(batch_size)
    variance = torch.cat([model.encode(batch).mean for batch in rows]).var(0)
    return ActiveUnits(variance, variance > threshold)
