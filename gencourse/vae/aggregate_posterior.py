"""The aggregate posterior q(z) = 1/N Σ_n q(z | x_n): where the encoder puts the data.

With the encoder fixed, no prior gives a better mean ELBO than q(z), because the mean KL to a prior
splits into what z says about which row it came from, and a KL that only the prior can make vanish
(Hoffman & Johnson, "ELBO surgery", 2016; Tomczak & Welling, AISTATS 2018):

    1/N Σ_n KL(q(z|x_n) ‖ p(z)) = I(n; z) + KL(q(z) ‖ p(z)),  and  I(n; z) <= log N.

Shapes: N rows, S samples, n samples, L latents.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gencourse.densities import log_normal
from gencourse.vae.posteriors import NormalPosterior, standard_normal

_TERMS = 2**22  # of samples x rows x latents at a time, which bounds the memory


class Surgery(NamedTuple):
    """The two parts of the mean KL, in nats; estimates.

    Attributes:
        mutual_information: I(n; z) between the row's number and its latents, at most log N.
        marginal_kl: KL(q(z) ‖ p(z)) to the standard normal prior.
    """

    mutual_information: float
    marginal_kl: float


class AggregatePosterior:
    """q(z), a mixture of one normal for each row: an exact density over the latents.

    To see what the decoder has been trained on, decode draws from it rather than from N(0, I).

    Args:
        q: posteriors of N rows, such as `model.encode(x)`.
    """

    def __init__(self, q: NormalPosterior) -> None:
        self.means, self.log_sds = q.mean.detach(), q.log_sd.detach()
        self.event_shape = (self.means.shape[1],)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log q(z) in nats, (n, L) -> (n,); as the prior of samples (S, B, L) -> (S, B)."""
        z = x.reshape(-1, *self.event_shape)
        size = max(1, _TERMS // self.means.numel())
        parts = [self._log_components(part).logsumexp(-1) for part in z.split(size)]
        return (torch.cat(parts) - math.log(len(self.means))).reshape(x.shape[:-1])

    def _log_components(self, z: Tensor) -> Tensor:
        """Return log q(z | x_n) for each row, (n, L) -> (n, N)."""
        return log_normal(z[:, None], self.means, self.log_sds.exp(), event_dims=1)

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n exact samples, each from the posterior of a random or a given row, -> (n, L)."""
        device = self.means.device
        if condition is None:
            rows = torch.randint(len(self.means), (n,), generator=generator, device=device)
        else:
            rows = torch.as_tensor(condition, device=device).expand(n)
        means, sds = self.means[rows], self.log_sds[rows].exp()
        return means + sds * standard_normal(means, 1, generator)[0]


@torch.no_grad()
def elbo_surgery(
    q: NormalPosterior, *, num_samples: int = 10, generator: torch.Generator | None = None
) -> Surgery:
    """Return the two parts of the mean KL of these posteriors to N(0, I).

    Args:
        q: posteriors of N rows.
        num_samples: S samples from each, N S in all.
        generator: source of randomness.

    Raises:
        ValueError: no sample.
    """
    z, log_q, _ = q.draw(num_samples, generator=generator)  # (S, N, L), (S, N)
    log_aggregate = AggregatePosterior(q).log_prob(z)
    information = float((log_q - log_aggregate).mean())
    # from the closed form, whose only error is then that of the first part
    return Surgery(information, float(q.kl().sum(-1).mean()) - information)
