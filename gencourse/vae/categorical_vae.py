"""A VAE with categorical latents, trained through Gumbel-softmax samples.

argmax(logits + Gumbel noise) is an exact draw of a category, but has no gradient; softmax of the
same sum over a temperature has one, and tends to the draw as the temperature falls to 0 (Jang, Gu
& Poole, ICLR 2017; Maddison, Mnih & Teh, ICLR 2017). The relaxed objective bounds nothing: `elbo`
and `iwae_bound` use exact draws. With few latents everything can be enumerated.

Shapes: B batch, S or ... samples, n samples of x, N latent variables with K categories each.
"""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.densities import kl_discrete, log_categorical, sample_categorical
from gencourse.protocols import Configurable, as_events
from gencourse.vae import bounds
from gencourse.vae.likelihoods import make_likelihood
from gencourse.vae.posteriors import Draws, check_num_samples
from gencourse.vae.trunks import Decoder, encoder

_MOST_STATES = 2**16


class CategoricalPosterior:
    """q(z | x) of N independent categorical variables; draws are one-hot and have no gradient.

    Args:
        logits: unnormalised log-probabilities, (B, N, K).
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        """The probabilities, E[z | x] of one-hot z, (B, N * K)."""
        return self.logits.softmax(-1).flatten(1)

    def draw(self, num_samples: int, *, generator: torch.Generator | None = None) -> Draws:
        """Draw one-hot z, (S, B, N, K)."""
        check_num_samples(num_samples)
        logits = self.logits.expand(num_samples, *self.logits.shape)
        k = sample_categorical(logits, generator=generator)
        log_q = log_categorical(k, self.logits, event_dims=1)
        share = log_q.new_full((num_samples, 1), num_samples).log().neg()
        return Draws(F.one_hot(k, logits.shape[-1]).to(logits), log_q, share)

    def kl(self) -> Tensor:
        """Return KL(q(z_n | x) ‖ uniform) of each variable in nats, (B, N)."""
        return kl_discrete(self.logits, torch.zeros_like(self.logits), event_dims=0)


class CategoricalVAE(Configurable, nn.Module):
    """x | z with z of N independent variables, each uniform over K categories.

    Args:
        event_shape: (D,), or (C, H, W).
        num_variables: N.
        num_categories: K.
        hidden: widths of the encoder's fully connected layers; the decoder has them in reverse.
        channels: of convolutions before them.
        likelihood: "bernoulli" or "gaussian".
        sd: of the Gaussian likelihood, as in `VAE`.
        activation: name of the class in `torch.nn`.

    Raises:
        ValueError: a size below 1, or an unknown name.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_variables: int = 10,
        num_categories: int = 10,
        hidden: Sequence[int] = (200, 200),
        channels: Sequence[int] = (),
        likelihood: str = "bernoulli",
        sd: float | str = 1.0,
        activation: str = "Tanh",
    ) -> None:
        super().__init__()
        if min(num_variables, num_categories) < 1:
            raise ValueError(
                f"num_variables, num_categories are {num_variables}, {num_categories}, "
                "expected at least 1"
            )
        self.event_shape = tuple(event_shape)
        self.num_variables, self.num_categories = num_variables, num_categories
        self.likelihood = make_likelihood(likelihood, self.event_shape, sd)
        nets = {"channels": channels, "activation": activation}
        size = num_variables * num_categories
        self.encoder = encoder(self.event_shape, size, hidden=hidden, **nets)
        outputs = self.likelihood.num_outputs
        self.decoder = Decoder(size, self.event_shape, outputs, hidden=hidden[::-1], **nets)

    def checked(self, x: Tensor) -> Tensor:
        """Return x in the dtype of the parameters; see `Likelihood.checked` for the errors."""
        return self.likelihood.checked(x, self._like())

    def encode(self, x: Tensor) -> CategoricalPosterior:
        """Return q(z | x), with logits (B, N, K)."""
        logits = self.encoder(self.checked(x)).to(self._like())
        return CategoricalPosterior(logits.unflatten(-1, (self.num_variables, -1)))

    def decode(self, z: Tensor) -> Tensor:
        """Return E[x | z] for one-hot or relaxed z, (..., N, K) -> (..., *event_shape)."""
        return self.likelihood.mean(self.decoder(z.flatten(-2)))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z) in nats, (B, *event_shape) and (..., B, N, K) -> (..., B)."""
        outputs = self.decoder(z.flatten(-2)).to(self._like())
        return self.likelihood.log_prob(self.checked(x), outputs)

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x | z) - N log K in nats, for one-hot z, -> (..., B)."""
        return self.log_likelihood(x, z) + self._log_prior()

    def elbo(
        self, x: Tensor, *, num_samples: int = 1, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return an unbiased estimate of the ELBO in nats, (B, *event_shape) -> (B,).

        The draws are exact. Gradients are right for the decoder; the encoder's miss the part
        through the draws.
        """
        q = self.encode(x)
        z = q.draw(num_samples, generator=generator).z
        return self.log_likelihood(x, z).mean(0) - q.kl().sum(-1)

    def iwae_bound(
        self,
        x: Tensor,
        num_samples: int,
        *,
        chunk_size: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the importance-weighted bound in nats, (B, *event_shape) -> (B,)."""
        options = {"chunk_size": chunk_size, "generator": generator}
        return bounds.iwae_bound(
            partial(self.log_joint, x), self.encode(x), num_samples, **options
        )

    def states(self) -> Tensor:
        """Return all states of z one-hot, (K^N, N, K), the last variable changing fastest.

        Raises:
            ValueError: more than 65,536 of them.
        """
        count = self.num_categories**self.num_variables
        if count > _MOST_STATES:
            raise ValueError(f"z has {count} states, expected at most {_MOST_STATES} to enumerate")
        categories = torch.arange(self.num_categories, device=self._like().device)
        all_states = torch.cartesian_prod(*[categories] * self.num_variables)
        one_hot = F.one_hot(all_states.reshape(count, self.num_variables), self.num_categories)
        return one_hot.to(self._like())

    def enumerate_log_joint(self, x: Tensor) -> Tensor:
        """Return log p(x, z) for each state of z in nats, (B, *event_shape) -> (B, K^N).

        Its logsumexp is log p(x), its softmax the posterior p(z | x): both exact.

        Raises:
            ValueError: too many states, or what `checked` refuses.
        """
        x = self.checked(x)
        outputs = self.decoder(self.states().flatten(-2)).to(self._like())  # (R, K^N, *event)
        outputs = outputs.unsqueeze(2).expand(-1, -1, len(x), *self.event_shape)
        return (self.likelihood.log_prob(x, outputs) + self._log_prior()).T

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw n samples of x, or of x given z = condition (n, N, K), -> (n, *event_shape)."""
        z = condition
        if z is None:
            shape = (n, self.num_variables, self.num_categories)
            k = sample_categorical(self._like().new_zeros(shape), generator=generator)
            z = F.one_hot(k, self.num_categories).to(self._like())
        return self.likelihood.sample(self.decoder(z.flatten(-2)), generator=generator)

    def _log_prior(self) -> Tensor:
        return -self.num_variables * self._like().new_tensor(self.num_categories).log()

    def _like(self) -> Tensor:
        return next(self.parameters())


def gumbel_softmax(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    hard: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return softmax((logits + Gumbel noise) / temperature), (..., K) -> (..., K).

    Args:
        logits: unnormalised log-probabilities.
        temperature: near 0, nearly one-hot with gradients of large variance; large, nearly
            uniform whatever the logits.
        hard: return the one-hot argmax, with the gradient of the soft sample (straight-through).
        generator: source of randomness.

    Raises:
        ValueError: a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, expected more than 0")
    noise = -torch.empty_like(logits).exponential_(generator=generator).log()
    soft = ((logits + noise) / temperature).softmax(-1)
    if not hard:
        return soft
    one_hot = F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)
    return one_hot + soft - soft.detach()


def categorical_vae_loss(
    model: CategoricalVAE,
    batch: tuple[Tensor, ...],
    *,
    temperature: float = 1.0,
    hard: bool = False,
    beta: float = 1.0,
) -> Tensor:
    """Return the mean relaxed objective over a batch (x, ...) in nats, -> ().

    In training a Gumbel-softmax sample stands for z, and the KL is that of the categories: no
    bound. In evaluation mode it is the mean of -ELBO, with exact draws.

    Args:
        model: the CategoricalVAE.
        batch: x and anything else.
        temperature: of the relaxation.
        hard: straight-through samples.
        beta: weight of the KL in training.
    """
    x = as_events(batch[0], model.event_shape)
    if not model.training:
        return -model.elbo(x).mean()
    q = model.encode(x)
    z = gumbel_softmax(q.logits, temperature=temperature, hard=hard)
    return (beta * q.kl().sum(-1) - model.log_likelihood(x, z)).mean()
