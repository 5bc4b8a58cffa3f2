"""Wake-sleep: to train decoder and encoder without a gradient through the draw of z.

Hinton, Dayan, Frey & Neal, "The wake-sleep algorithm for unsupervised neural networks" (Science
268, 1995). Awake, the encoder explains data and the decoder θ learns to make them from that: it
ascends the ELBO. Asleep, the decoder dreams pairs (x, z) and the encoder φ learns to guess z: it
descends KL(p(z|x) ‖ q(z|x)), the other direction, and on dreams instead of data.

Shapes: B batch.
"""

import torch
from torch import Tensor

from gencourse.protocols import as_events
from gencourse.vae.posteriors import standard_normal
from gencourse.vae.vae import VAE


def wake_sleep_loss(
    model: VAE, batch: tuple[Tensor, ...], *, generator: torch.Generator | None = None
) -> Tensor:
    """Return wake loss + sleep loss in nats over a batch (x, ...), -> ().

    The first has gradients for the decoder only, the second for the encoder only, so that one
    optimiser can make both steps at once. As many dreams as data. The value itself is no bound.

    Args:
        model: a VAE with a normal posterior.
        batch: x and anything else.
        generator: source of randomness.
    """
    x = as_events(batch[0], model.event_shape)
    with torch.no_grad():
        z = model.encode(x).draw(1, generator=generator).z[0]
        dreamt_z = standard_normal(z[0], len(z), generator)
        dream = model.sample(len(z), condition=dreamt_z, generator=generator)
    wake = -model.log_joint(x, z)
    sleep = -model.encode(dream).log_prob(dreamt_z)
    return (wake + sleep).mean()
