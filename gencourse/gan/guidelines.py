"""DCGAN with one of its guidelines taken away, to measure what each is worth.

The five of the paper (Radford, Metz & Chintala, ICLR 2016), and its initial weights. The number of
feature maps stays as in `DCGAN`.

Shapes: B batch, C channels, S side of the image in pixels, L latents.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.gan.layers import SLOPE, initialise, widths
from gencourse.gan.picture_gan import PictureGAN

GUIDELINES = {
    "strides": "pooling and up-sampling by repetition instead of strided convolutions",
    "batch norm": "no batch norm in either network",
    "no hidden layer": "a fully connected hidden layer in both networks",
    "ReLU in G": "tanh in the generator's hidden layers",
    "tanh at the end": "no tanh at the generator's end: pixels are cut off instead",
    "leaky ReLU in D": "ReLU in the discriminator",
    "small weights at first": "torch's own initial weights, not N(0, 0.02²)",
}


class AblatedDCGAN(PictureGAN):
    """A DCGAN that keeps all of its guidelines but one.

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        removed: a key of GUIDELINES, or "nothing".
        num_latents: L.
        width: channels of the layer next to the image, in both networks.
        **game: loss, as in `GAN`.

    Raises:
        ValueError: an unknown guideline, and as in `GAN` and `DCGAN`.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        removed: str = "nothing",
        num_latents: int = 64,
        width: int = 32,
        **game: Any,
    ) -> None:
        if removed not in ("nothing", *GUIDELINES):
            known = ["nothing", *GUIDELINES]
            raise ValueError(f"removed is {removed!r}, expected one of {known}")
        channels = widths(event_shape, width)
        generator = nn.Sequential(
            *_generator(num_latents, channels[::-1], event_shape[0], removed=removed)
        )
        discriminator = nn.Sequential(*_discriminator(event_shape[0], channels, removed=removed))
        if removed != "small weights at first":
            initialise(generator)
            initialise(discriminator)
        shapes = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, **shapes, **game)
        self.removed = removed


def _generator(
    num_latents: int, channels: Sequence[int], image: int, *, removed: str
) -> list[nn.Module]:
    """Layers from z to pixels in [0, 1], (B, L) -> (B, C, S, S)."""
    norm = removed != "batch norm"

    def after(maps: int) -> list[nn.Module]:
        act = nn.Tanh() if removed == "ReLU in G" else nn.ReLU()
        return [nn.BatchNorm2d(maps), act] if norm else [act]

    layers: list[nn.Module] = []
    inputs = num_latents
    if removed == "no hidden layer":
        hidden = 4 * channels[0]
        layers += [nn.Linear(num_latents, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
        inputs = hidden
    layers += [nn.Unflatten(1, (inputs, 1, 1)), nn.ConvTranspose2d(inputs, channels[0], 4)]
    layers += after(channels[0])
    steps = list(itertools.pairwise([*channels, image]))
    for i, o in steps:
        if removed == "strides":
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(i, o, 3, padding=1)]
        else:
            layers += [nn.ConvTranspose2d(i, o, 4, 2, 1)]
        layers += after(o) if o != image else []
    return [*layers, _ToPixels(squash=removed != "tanh at the end")]


def _discriminator(image: int, channels: Sequence[int], *, removed: str) -> list[nn.Module]:
    """Layers from pixels in [0, 1] to logits, (B, C, S, S) -> (B,)."""
    layers: list[nn.Module] = [_FromPixels()]
    for i, o in itertools.pairwise([image, *channels]):
        if removed == "strides":
            layers += [nn.Conv2d(i, o, 3, padding=1), nn.MaxPool2d(2)]
        else:
            layers += [nn.Conv2d(i, o, 4, 2, 1)]
        layers += [nn.BatchNorm2d(o)] if i != image and removed != "batch norm" else []
        layers += [nn.ReLU() if removed == "leaky ReLU in D" else nn.LeakyReLU(SLOPE)]
    last = channels[-1]
    if removed == "no hidden layer":
        hidden = 4 * last
        layers += [nn.Flatten(), nn.Linear(16 * last, hidden), nn.LeakyReLU(SLOPE)]
        return [*layers, nn.Linear(hidden, 1), nn.Flatten(0)]
    return [*layers, nn.Conv2d(last, 1, 4), nn.Flatten(0)]


class _ToPixels(nn.Module):
    """From (-1, 1), or from all numbers without a squashing, to pixels in [0, 1]."""

    def __init__(self, *, squash: bool) -> None:
        super().__init__()
        self.squash = squash

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, S, S) -> (B, C, S, S)."""
        return (torch.tanh(x) if self.squash else x.clamp(-1, 1)) / 2 + 0.5


class _FromPixels(nn.Module):
    """From pixels in [0, 1] to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, S, S) -> (B, C, S, S)."""
        return 2 * x - 1
