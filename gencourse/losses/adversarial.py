"""The two sides of an adversarial game.

In a game (Goodfellow et al., "Generative adversarial nets", NIPS 2014) a discriminator D gives
data a high number and generated x a low one, and a generator moves its x to where that number is
high. Every game here is an `AdversarialLoss`: two functions, both to be *minimised*, of D's
outputs, and both return a scalar (), the mean over all outputs.

The outputs are logits: any real number, before a sigmoid. A probability is a real number too, so
no loss can tell that it was given one: `require_logits` looks at the network instead.

Shapes: B batch, ... the axes of one event, or of the patches that a discriminator judges.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class AdversarialLoss:
    """The two sides of a game, each a term for real logits and a term for fake ones.

    Terms are functions of one logit that keep the shape; the methods take their means.

    Attributes:
        on_real: what the discriminator pays for the logit of a real x.
        on_fake: what it pays for the logit of a generated x.
        for_generator: what the generator pays for the same logit.
    """

    on_real: Callable[[Tensor], Tensor]
    on_fake: Callable[[Tensor], Tensor]
    for_generator: Callable[[Tensor], Tensor]

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the discriminator's loss, (B, ...) and (B', ...) -> ().

        Raises:
            ValueError: no logits of one kind.
        """
        return self.on_real(_some(real_logits)).mean() + self.on_fake(_some(fake_logits)).mean()

    def generator(self, fake_logits: Tensor) -> Tensor:
        """Return the generator's loss, (B, ...) -> (); real x do not depend on the generator.

        Raises:
            ValueError: no logits.
        """
        return self.for_generator(_some(fake_logits)).mean()


def _some(logits: Tensor) -> Tensor:
    if not logits.numel():
        raise ValueError(f"logits have shape {tuple(logits.shape)}, expected at least 1 of them")
    return logits


minimax_loss = AdversarialLoss(
    on_real=lambda logits: F.softplus(-logits),  # -log D(x)
    on_fake=F.softplus,  # -log(1 - D(G(z)))
    for_generator=lambda logits: -F.softplus(logits),  # log(1 - D(G(z)))
)
"""The game of the paper: -V for the discriminator, V's second term for the generator, in nats.

At D* = p / (p + q) the discriminator's loss is log 4 - 2 JSD(p ‖ q). The generator's saturates: by
the logit its gradient is -D, which is -0.01 where D = 0.01 sees through it.
"""

non_saturating_loss = AdversarialLoss(
    on_real=minimax_loss.on_real,
    on_fake=minimax_loss.on_fake,
    for_generator=minimax_loss.on_real,  # -log D(G(z))
)
"""The paper's advice for practice: the generator minimises -log D(G(z)), in nats.

By the logit its gradient is -(1 - D), which is -0.99 where D = 0.01.
"""

least_squares_loss = AdversarialLoss(
    on_real=lambda output: (output - 1).square() / 2,
    on_fake=lambda output: output.square() / 2,
    for_generator=lambda output: (output - 1).square() / 2,
)
"""LSGAN (Mao et al., ICCV 2017, equation 9): targets 1 for real, 0 for fake, without a sigmoid.

The best output is p / (p + q), the same as D*; the gradient does not fade far from the target.
"""

wasserstein_loss = AdversarialLoss(
    on_real=torch.neg, on_fake=lambda output: output, for_generator=torch.neg
)
"""WGAN (Arjovsky et al., ICML 2017): E D(G(z)) - E D(x) for the critic, -E D(G(z)) against it.

Over critics with Lipschitz constant 1 minus the critic's loss is at most the Wasserstein-1
distance, in the unit of x. What holds the constant down is the network's or `gradient_penalty`'s.
"""

# g(v), and f*(g(v)) written out so that it does not overflow before it has to
_DIVERGENCES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "kl": (lambda v: v, lambda v: (v - 1).exp()),
    "reverse_kl": (lambda v: -(-v).exp(), lambda v: v - 1),
    "pearson": (lambda v: v, lambda v: v.square() / 4 + v),
    "squared_hellinger": (lambda v: 1 - (-v).exp(), lambda v: v.exp() - 1),
    "jensen_shannon": (
        lambda v: math.log(2) + F.logsigmoid(v),
        lambda v: F.softplus(v) - math.log(2),
    ),
}


def f_gan_loss(divergence: str) -> AdversarialLoss:
    """Return the game whose value is D_f(p ‖ q) (Nowozin, Cseke & Tomioka, NIPS 2016, table 2).

    Any T gives a lower bound, E_p T - E_q f*(T) <= D_f(p ‖ q), tight at T = f'(p / q). The
    discriminator's output v is unbounded, and T = g(v) has the range that the conjugate f* needs.
    The discriminator minimises minus the bound, the generator minimises the bound itself.

    Args:
        divergence: of the data p from the model q: "kl" for KL(p ‖ q), "reverse_kl" for KL(q ‖ p),
            "pearson" for ∫ (p - q)² / q, "squared_hellinger" for ∫ (√p - √q)²,
            "jensen_shannon" for KL(p ‖ m) + KL(q ‖ m) with m = (p + q) / 2, which is 2 JSD.

    Raises:
        ValueError: another name.
    """
    if divergence not in _DIVERGENCES:
        raise ValueError(f"divergence is {divergence!r}, expected one of {list(_DIVERGENCES)}")
    g, conjugate = _DIVERGENCES[divergence]
    return AdversarialLoss(
        on_real=lambda v: -g(v), on_fake=conjugate, for_generator=lambda v: -conjugate(v)
    )


_RESHAPING = (nn.Identity, nn.Flatten, nn.Unflatten)
_BOUNDED = (nn.Sigmoid, nn.LogSigmoid, nn.Hardsigmoid, nn.Softmax, nn.LogSoftmax, nn.Tanh)


def require_logits(network: nn.Module) -> None:
    """Refuse a discriminator whose last layer squashes its outputs.

    Looks at the last layer in the order in which the layers were made. A squashing that is written
    in `forward` cannot be seen.

    Raises:
        ValueError: the last layer is a sigmoid or something like it.
    """
    layers = [m for m in network.modules() if not any(m.children())]
    layers = [m for m in layers if not isinstance(m, _RESHAPING)]
    if layers and isinstance(layers[-1], _BOUNDED):
        raise ValueError(
            f"the last layer of {type(network).__name__} is {type(layers[-1]).__name__}, expected "
            "logits without a bound: leave it out, the losses apply their own sigmoid"
        )
