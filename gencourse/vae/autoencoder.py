"""Autoencoders: a network that has to reproduce its input through few numbers.

What passes the bottleneck is a compression of the data, of use as features where labels are few
(Hinton & Salakhutdinov, Science 313, 2006). Nothing says how the codes are spread: which z decode
to something like the data is unknown, so that an autoencoder is no generative model.

Shapes: B batch, L latents.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from gencourse.protocols import Configurable, as_events
from gencourse.vae.trunks import Decoder, encoder


class Reconstructs(Protocol):
    """A model that maps x to something like x."""

    event_shape: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the reconstruction, (B, *event_shape) -> the same shape."""


class Autoencoder(Configurable, nn.Module):
    """x -> z -> x with fully connected layers; the output is linear.

    Args:
        event_shape: the axes of one event.
        num_latents: L.
        hidden: widths of the encoder's layers; the decoder has them in reverse.
        activation: name of the class in `torch.nn`.

    Raises:
        ValueError: a size below 1, or an unknown activation.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 32,
        hidden: Sequence[int] = (200,),
        activation: str = "ReLU",
    ) -> None:
        super().__init__()
        self._build(event_shape, num_latents, hidden, (), activation)

    def _build(
        self,
        event_shape: Sequence[int],
        num_latents: int,
        hidden: Sequence[int],
        channels: Sequence[int],
        activation: str,
    ) -> None:
        if num_latents < 1:
            raise ValueError(f"num_latents is {num_latents}, expected at least 1")
        self.event_shape, self.num_latents = tuple(event_shape), num_latents
        nets = {"channels": channels, "activation": activation}
        self.encoder = encoder(self.event_shape, num_latents, hidden=hidden, **nets)
        self.decoder = Decoder(num_latents, self.event_shape, hidden=hidden[::-1], **nets)

    def encode(self, x: Tensor) -> Tensor:
        """Return the code, (B, *event_shape) -> (B, L).

        Raises:
            ValueError: another shape, or a value that is not finite.
        """
        if x.shape[1:] != self.event_shape:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected (B, *event_shape) "
                f"with event_shape {self.event_shape}"
            )
        if not x.isfinite().all():
            place = (~x.isfinite()).nonzero()[0].tolist()
            raise ValueError(f"x{place} is {x[tuple(place)].item()}, expected a finite number")
        return self.encoder(x.to(next(self.parameters())))

    def decode(self, z: Tensor) -> Tensor:
        """Return the reconstruction, (..., L) -> (..., *event_shape)."""
        return self.decoder(z)[0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction, (B, *event_shape) -> the same shape."""
        return self.decode(self.encode(x))


class ConvAutoencoder(Autoencoder):
    """x -> z -> x with convolutions that halve the image, and their transposes.

    Args:
        event_shape: (C, H, W), sides divisible by 2 for each convolution.
        num_latents: L.
        channels: of the convolutions.
        hidden: widths of fully connected layers between them and the code.
        activation: name of the class in `torch.nn`.

    Raises:
        ValueError: a size below 1, or sides that cannot be halved.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 32,
        channels: Sequence[int] = (32, 64),
        hidden: Sequence[int] = (),
        activation: str = "ReLU",
    ) -> None:
        nn.Module.__init__(self)
        self._build(event_shape, num_latents, hidden, channels, activation)


def autoencoder_loss(model: Reconstructs, batch: tuple[Tensor, ...]) -> Tensor:
    """Return the squared error, summed over an event and averaged over a batch (x, ...), -> ().

    Half of it is, up to a constant, -log p(x | z) in nats of a normal decoder with sd 1.
    """
    x = as_events(batch[0], model.event_shape)
    return squared_error(model(x), x)


def squared_error(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Return the squared error, summed over an event and averaged over the rows, -> ()."""
    return (reconstruction - x.to(reconstruction)).square().flatten(1).sum(1).mean()
