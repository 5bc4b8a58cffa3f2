"""The two networks of progressive growing (Karras et al., ICLR 2018), mirror images of each other.

Stage s has pictures of side 4 · 2^s; its newest layers have the weight α, the stage before has
1 - α. Outside, all pictures have the full side S: the generator's smaller ones are enlarged by
repeating pixels, and the discriminator averages them down again.

Shapes: B batch, C channels, S full side in pixels, L latents.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.gan.equalised import (
    SLOPE,
    EqualConv2d,
    EqualLinear,
    minibatch_deviation,
    pixel_norm,
)
from gencourse.gan.layers import widths
from gencourse.protocols import Configurable


def stage_channels(event_shape: Sequence[int], width: int) -> list[int]:
    """Return the features at sides 4, 8, ..., S: `width` next to the image, inwards doubled.

    Raises:
        ValueError: as in `widths`.
    """
    outwards = widths(event_shape, width)[::-1]  # (4w, 2w, w) for sides 8, 16, 32
    return [2 * outwards[0], *outwards]


def double(x: Tensor) -> Tensor:
    """Repeat each pixel, (B, C, H, W) -> (B, C, 2H, 2W)."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def halve(x: Tensor) -> Tensor:
    """Average 2x2 pixels, (B, C, 2H, 2W) -> (B, C, H, W)."""
    return F.avg_pool2d(x, 2)


class ProgressiveGenerator(Configurable, nn.Module):
    """Blocks that double the side, each with a layer to pixels, (B, L) -> (B, C, S, S).

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        num_latents: L.
        width: features at side S.

    Raises:
        ValueError: an image that cannot be made by doubling 4, or a size below 1.
    """

    def __init__(
        self, event_shape: Sequence[int], *, num_latents: int = 64, width: int = 16
    ) -> None:
        super().__init__()
        channels = stage_channels(event_shape, width)
        if num_latents < 1:
            raise ValueError(f"num_latents is {num_latents}, expected at least 1")
        self.last_stage = len(channels) - 1
        self.first = EqualLinear(num_latents, channels[0] * 16)
        pairs = [(channels[0], channels[0]), *itertools.pairwise(channels)]
        self.blocks = nn.ModuleList(
            nn.ModuleList([EqualConv2d(i, o), EqualConv2d(o, o)]) for i, o in pairs
        )
        self.to_pixels = nn.ModuleList(
            EqualConv2d(c, event_shape[0], 1, gain=1.0) for c in channels
        )

    def forward(self, z: Tensor, *, stage: int | None = None, alpha: float = 1.0) -> Tensor:
        """Map (B, L) -> (B, C, S, S) in [0, 1].

        Args:
            z: noise; only its direction counts.
            stage: blocks in use besides the first; when None, all.
            alpha: weight of the last of them, against the picture of the stage before.

        Raises:
            ValueError: a stage that is not there, or α outside [0, 1].
        """
        stage = checked_stage(stage, alpha, self.last_stage)
        h = self.first(pixel_norm(z)).unflatten(1, (-1, 4, 4))
        h = pixel_norm(F.leaky_relu(h, SLOPE))
        before = h
        for number, block in enumerate(self.blocks[: stage + 1]):
            before = h
            h = double(h) if number else h
            for layer in block:
                h = pixel_norm(F.leaky_relu(layer(h), SLOPE))
        x = self.to_pixels[stage](h)
        if stage and alpha < 1:
            x = torch.lerp(double(self.to_pixels[stage - 1](before)), x, alpha)
        for _ in range(stage, self.last_stage):
            x = double(x)
        return (torch.tanh(x) + 1) / 2


class ProgressiveDiscriminator(Configurable, nn.Module):
    """The generator's mirror image with the batch's variety near the end, (B, C, S, S) -> (B,).

    Args:
        event_shape: (C, S, S), S a power of 2 from 8.
        width: features at side S.
        grows: whether there are stages before the last.

    Raises:
        ValueError: an image that cannot be halved to 4 pixels, or a size below 1.
    """

    def __init__(self, event_shape: Sequence[int], *, width: int = 16, grows: bool = True) -> None:
        super().__init__()
        channels = stage_channels(event_shape, width)
        self.last_stage = len(channels) - 1
        self.first_stage = 0 if grows else self.last_stage
        self.from_pixels = nn.ModuleList(
            EqualConv2d(event_shape[0], c, 1) for c in channels[self.first_stage :]
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList([EqualConv2d(i, i), EqualConv2d(i, o)])
            for o, i in itertools.pairwise(channels)
        )
        self.mixed = EqualConv2d(channels[0] + 1, channels[0])
        self.last = nn.Sequential(
            nn.Flatten(),
            EqualLinear(channels[0] * 16, channels[0]),
            nn.LeakyReLU(SLOPE),
            EqualLinear(channels[0], 1, gain=1.0),
            nn.Flatten(0),
        )

    def forward(self, x: Tensor, *, stage: int | None = None, alpha: float = 1.0) -> Tensor:
        """Map pixels in [0, 1], (B, C, S, S) -> logits (B,).

        Args:
            x: pictures of full side, which are averaged down to the stage's.
            stage: blocks in use; when None, all.
            alpha: weight of the first of them, against the picture as the stage before sees it.

        Raises:
            ValueError: a stage that is not there, or α outside [0, 1].
        """
        stage = checked_stage(stage, alpha, self.last_stage, first=self.first_stage)
        x = 2 * x - 1
        for _ in range(stage, self.last_stage):
            x = halve(x)
        way = stage - self.first_stage
        h = F.leaky_relu(self.from_pixels[way](x), SLOPE)
        for number in range(stage, 0, -1):
            for layer in self.blocks[number - 1]:
                h = F.leaky_relu(layer(h), SLOPE)
            h = halve(h)
            if number == stage and way and alpha < 1:
                before = F.leaky_relu(self.from_pixels[way - 1](halve(x)), SLOPE)
                h = torch.lerp(before, h, alpha)
        h = F.leaky_relu(self.mixed(minibatch_deviation(h)), SLOPE)
        return self.last(h)


def checked_stage(stage: int | None, alpha: float, last: int, *, first: int = 0) -> int:
    """Return the stage, the last when None; a ValueError if there is none, or for α."""
    stage = last if stage is None else stage
    if not first <= stage <= last or not 0 <= alpha <= 1:
        raise ValueError(
            f"stage is {stage} and alpha is {alpha}, "
            f"expected {first}..{last} and a number in [0, 1]"
        )
    return stage
