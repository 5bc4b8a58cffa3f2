"""The denoising autoencoder (Vincent, Larochelle, Bengio & Manzagol, ICML 2008).

The input is damaged and the target is not, so that copying is no solution, however wide the code:
the network has to know what the data look like. The least squared error has the conditional mean
E[x | damaged x]; for Gaussian data with covariance S and noise of variance σ² that is the linear
map S (S + σ² I)⁻¹.

Shapes: B batch, L latents.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gencourse.protocols import as_events
from gencourse.vae.autoencoder import Autoencoder, squared_error


class DenoisingAutoencoder(Autoencoder):
    """An autoencoder that is trained on damaged inputs; used, it takes x as it is.

    Args:
        event_shape: the axes of one event.
        num_latents: L.
        hidden: widths of the encoder's fully connected layers.
        channels: of convolutions before them.
        noise: "gaussian", which adds noise, or "mask", which sets values to 0.
        level: standard deviation of the noise, or the probability that a value is set to 0.
        activation: name of the class in `torch.nn`.

    Raises:
        ValueError: unknown noise, a level outside its range, and as in `Autoencoder`.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 32,
        hidden: Sequence[int] = (200,),
        channels: Sequence[int] = (),
        noise: str = "gaussian",
        level: float = 0.5,
        activation: str = "ReLU",
    ) -> None:
        nn.Module.__init__(self)
        if noise not in ("gaussian", "mask"):
            raise ValueError(f"noise is {noise!r}, expected 'gaussian' or 'mask'")
        if not level >= 0 or (noise == "mask" and level > 1):
            raise ValueError(f"level is {level}, expected at least 0, and at most 1 for a mask")
        self.noise, self.level = noise, level
        self._build(event_shape, num_latents, hidden, channels, activation)

    @torch.no_grad()
    def corrupt(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Return x with noise, or with some values at 0, same shape."""
        x = x.to(next(self.parameters()))
        options = {"generator": generator, "dtype": x.dtype, "device": x.device}
        if self.noise == "gaussian":
            return x + self.level * torch.randn(x.shape, **options)
        return x * (torch.rand(x.shape, **options) >= self.level)


def denoising_loss(model: DenoisingAutoencoder, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the squared error of x from its damaged copy, averaged over a batch (x, ...), -> ().

    In evaluation mode x is damaged too: that is the error which training makes small.
    """
    x = as_events(batch[0], model.event_shape)
    return squared_error(model(model.corrupt(x)), x)
