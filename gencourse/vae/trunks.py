"""The networks of an encoder and a decoder: fully connected, or convolutions around them.

Each convolution of the encoder halves the height and width, each transposed convolution of the
decoder (kernel 4, stride 2, padding 1) doubles them, so the two mirror each other.

Shapes: B batch, C channels, H x W pixels, L latents, R numbers for each value of the event.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gencourse.nets import MLP


def feature_shape(event_shape: Sequence[int], channels: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of the last feature map, (C', H / 2^n, W / 2^n) after n convolutions.

    Without convolutions it is the shape of the event.

    Raises:
        ValueError: an axis below 1; or, with convolutions, an event that is no image or whose
            sides cannot be halved as often.
    """
    shape = tuple(event_shape)
    if not shape or min(shape) < 1:
        raise ValueError(f"event_shape is {shape}, expected axes of at least 1")
    if not channels:
        return shape
    if min(channels) < 1:
        raise ValueError(f"channels is {list(channels)}, expected numbers of at least 1")
    factor = 2 ** len(channels)
    if len(shape) != 3 or shape[1] % factor or shape[2] % factor:
        raise ValueError(
            f"event_shape is {shape}, expected (C, H, W) with sides divisible by {factor} for "
            f"{len(channels)} convolutions that halve them"
        )
    return (channels[-1], shape[1] // factor, shape[2] // factor)


def down(event_shape: Sequence[int], channels: Sequence[int], activation: str) -> list[nn.Module]:
    """Return the convolutions of an encoder, (B, C, H, W) -> (B, *feature_shape)."""
    if not channels:
        return []
    layers: list[nn.Module] = []
    for i, o in itertools.pairwise([event_shape[0], *channels]):
        layers += [nn.Conv2d(i, o, 4, stride=2, padding=1), getattr(nn, activation)()]
    return layers


def up(channels: Sequence[int], num_outputs: int, activation: str) -> list[nn.Module]:
    """Return the convolutions of a decoder, (B, *feature_shape) -> (B, num_outputs, H, W)."""
    layers: list[nn.Module] = []
    for i, o in itertools.pairwise([*reversed(channels), num_outputs]):
        layers += [nn.ConvTranspose2d(i, o, 4, stride=2, padding=1), getattr(nn, activation)()]
    return layers[:-1]


def encoder(
    event_shape: Sequence[int],
    num_outputs: int,
    *,
    hidden: Sequence[int],
    channels: Sequence[int] = (),
    activation: str,
) -> nn.Sequential:
    """Return a network (B, *event_shape) -> (B, num_outputs)."""
    num_features = torch.Size(feature_shape(event_shape, channels)).numel()
    mlp = MLP(num_features, num_outputs, hidden=hidden, activation=activation)
    return nn.Sequential(*down(event_shape, channels, activation), nn.Flatten(), mlp)


class Decoder(nn.Module):
    """A network that gives R numbers for each value of the event, (..., L) -> (R, ..., *event).

    Args:
        num_latents: L.
        event_shape: the axes of one event.
        num_outputs: R.
        hidden: widths from the latents outwards: those of the encoder in reverse.
        channels: of the encoder's convolutions, in the encoder's order.
        activation: name of the class in `torch.nn`.
    """

    def __init__(
        self,
        num_latents: int,
        event_shape: Sequence[int],
        num_outputs: int = 1,
        *,
        hidden: Sequence[int],
        channels: Sequence[int] = (),
        activation: str,
    ) -> None:
        super().__init__()
        self.event_shape, self.num_outputs = tuple(event_shape), num_outputs
        inner = feature_shape(event_shape, channels)
        size = torch.Size(inner).numel() * (1 if channels else num_outputs)
        layers: list[nn.Module] = [MLP(num_latents, size, hidden=hidden, activation=activation)]
        if channels:
            layers += [getattr(nn, activation)(), nn.Unflatten(1, inner)]
            layers += up(channels, num_outputs * self.event_shape[0], activation)
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Map (..., L) -> (R, ..., *event_shape)."""
        outputs = self.layers(z.reshape(-1, z.shape[-1]))
        if self.num_outputs == 1:  # the usual case, without a strided copy
            return outputs.reshape(1, *z.shape[:-1], *self.event_shape)
        outputs = outputs.reshape(*z.shape[:-1], self.num_outputs, *self.event_shape)
        return outputs.movedim(-1 - len(self.event_shape), 0)

    @torch.no_grad()
    def set_bias(self, bias: Tensor) -> None:
        """Set the last layer's bias of the first output, from (*event_shape)."""
        last = self.layers[-1].layers[-1] if isinstance(self.layers[-1], MLP) else self.layers[-1]
        if isinstance(last, nn.ConvTranspose2d):  # which has one number a channel
            bias = bias.mean((1, 2))
        last.bias[: bias.numel()].copy_(bias.flatten())
