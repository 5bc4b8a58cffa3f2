"""TransGAN (Jiang, Chang & Wang, NeurIPS 2021): two transformers and no convolution.

The generator begins with a few wide tokens. From stage to stage it trades width for resolution:
pixel shuffle lays four quarters of a token's features out as a 2 x 2 square. High resolutions
have many tokens, so attention stays inside the cells of a grid there. The discriminator goes the
other way and sees the image through patches of several sizes.

Left out of the paper: relative positions, and augmentation of the discriminator's input.

Shapes: B batch, C channels, S side of the image in pixels, L latents, N tokens on a side, W width
of a token in the present stage, P side of a patch.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from gencourse.gan.grid_attention import GridSelfAttention
from gencourse.gan.picture_gan import PictureGAN
from gencourse.nets import TransformerBlock
from gencourse.protocols import Configurable


class TransGANGenerator(Configurable, nn.Module):
    """Tokens from noise, blocks, pixel shuffle, blocks, ..., (B, L) -> (B, C, S, S).

    Args:
        event_shape: (C, S, S).
        num_latents: L.
        width: of the tokens of the first stage; each next stage has a quarter.
        depths: number of blocks in each stage; in the last a token is a pixel.
        num_heads: of the attention; must divide all widths.
        grid: side of the cells in stages with more than grid x grid tokens.

    Raises:
        ValueError: an image or a width that the stages cannot make, or a size below 1.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 64,
        width: int = 128,
        depths: Sequence[int] = (2, 2),
        num_heads: int = 4,
        grid: int = 8,
    ) -> None:
        super().__init__()
        shape, factor = tuple(event_shape), 2 ** (len(depths) - 1)
        _check_square(shape, depths)
        if num_latents < 1:
            raise ValueError(f"num_latents is {num_latents}, expected at least 1")
        if shape[1] % factor:
            raise ValueError(
                f"event_shape is {shape}, expected a side that is a multiple of {factor}, "
                f"which {len(depths) - 1} doublings can make"
            )
        if width < 1 or width % factor**2:
            raise ValueError(
                f"width is {width}, expected a multiple of {factor**2}, "
                f"of which {len(depths) - 1} pixel shuffles take a quarter each"
            )
        self.side, self.width = shape[1] // factor, width
        self.tokens = nn.Linear(num_latents, self.side**2 * width)
        sides = [self.side * 2**i for i in range(len(depths))]
        self.stages = nn.ModuleList(
            Stage(width // 4**i, depth, num_heads=num_heads, side=side, grid=grid, pixel_norm=True)
            for i, (side, depth) in enumerate(zip(sides, depths, strict=True))
        )
        self.pixels = nn.Linear(width // factor**2, shape[0])

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, L) -> (B, C, S, S) in [0, 1]."""
        x = self.stages[0](self.tokens(z).unflatten(1, (-1, self.width)))  # (B, N², W)
        for stage in self.stages[1:]:
            x = stage(as_tokens(F.pixel_shuffle(as_map(x), 2)))  # (B, 4 N², W / 4)
        return (as_map(self.pixels(x)).tanh() + 1) / 2


class TransGANDiscriminator(Configurable, nn.Module):
    """Tokens from patches of several sizes, the finest first, (B, C, S, S) -> logits (B,).

    Stage i works on one token for each square of P 2^i pixels: the first half of its features is
    the mean of four tokens of the stage before, the other half comes from the pixels themselves. A
    class token joins in the last stage and gives the logit.

    Args:
        event_shape: (C, S, S).
        patch: P of the first stage; P 2^(stages - 1) must divide S.
        width: of the last stage's tokens; each stage before has half.
        depths: number of blocks in each stage.
        num_heads: of the attention; must divide all widths.
        grid: side of the cells in stages with more than grid x grid tokens.

    Raises:
        ValueError: an image that the patches do not tile, a width that cannot be halved, or a
            size below 1; in `forward` an image of another size.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        patch: int = 2,
        width: int = 64,
        depths: Sequence[int] = (1, 2),
        num_heads: int = 4,
        grid: int = 8,
    ) -> None:
        super().__init__()
        self.event_shape, last = tuple(event_shape), 2 ** (len(depths) - 1)
        _check_square(self.event_shape, depths)
        if patch < 1 or self.event_shape[1] % (patch * last):
            raise ValueError(
                f"event_shape is {self.event_shape} and patch is {patch}, expected a side that "
                f"is a multiple of {patch * last}, the largest patch"
            )
        if width < 1 or width % last:
            raise ValueError(f"width is {width}, expected a multiple of {last}")
        sides = [self.event_shape[1] // (patch * 2**i) for i in range(len(depths))]
        widths = [width // 2**i for i in reversed(range(len(depths)))]
        self.patches = nn.ModuleList(
            nn.Conv2d(self.event_shape[0], w // (2 if i else 1), patch * 2**i, patch * 2**i)
            for i, w in enumerate(widths)
        )
        rest = zip(widths, depths, sides, strict=True)
        self.stages = nn.ModuleList(
            Stage(w, depth, num_heads=num_heads, side=side, grid=grid) for w, depth, side in rest
        )
        self.class_token = nn.Parameter(0.02 * torch.randn(1, width))
        self.last = TransformerBlock(width, num_heads)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map pixels in [0, 1], (B, C, S, S) -> logits (B,)."""
        if x.shape[1:] != self.event_shape:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, *{self.event_shape})")
        x = 2 * x - 1
        # a penalty needs a second derivative, and the fused kernel has none
        with sdpa_kernel(SDPBackend.MATH) if x.requires_grad else nullcontext():
            tokens = self.stages[0](as_tokens(self.patches[0](x)))
            for patches, stage in zip(self.patches[1:], self.stages[1:], strict=True):
                coarser = F.avg_pool2d(as_map(tokens), 2)
                tokens = stage(as_tokens(torch.cat([coarser, patches(x)], 1)))
            tokens = torch.cat([self.class_token.expand(len(x), 1, -1), tokens], 1)
            return self.head(self.norm(self.last(tokens)[:, 0])).flatten()


class TransGAN(PictureGAN):
    """The two transformers against each other.

    Args:
        event_shape: (C, S, S).
        num_latents: L.
        width: of the generator's first tokens.
        depths: blocks in each of the generator's stages; each doubles the side.
        discriminator_width: of the discriminator's last tokens.
        discriminator_depths: blocks in each of its stages; each doubles the patch.
        patch: side of its smallest patches, in pixels.
        num_heads: of the attention, in both.
        grid: side of the cells of attention where there are more tokens, in both.
        **game: loss and penalty, as in `GAN`. The paper plays "wasserstein" with a penalty.

    Raises:
        ValueError: as in `GAN` and in the networks; in the losses pixels outside [0, 1].
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 64,
        width: int = 128,
        depths: Sequence[int] = (2, 2),
        discriminator_width: int = 64,
        discriminator_depths: Sequence[int] = (1, 2),
        patch: int = 2,
        num_heads: int = 4,
        grid: int = 8,
        **game: Any,
    ) -> None:
        both = {"num_heads": num_heads, "grid": grid}
        generator = TransGANGenerator(
            event_shape, num_latents=num_latents, width=width, depths=depths, **both
        )
        discriminator = TransGANDiscriminator(
            event_shape,
            patch=patch,
            width=discriminator_width,
            depths=discriminator_depths,
            **both,
        )
        shapes = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, **shapes, **game)


class Stage(nn.Module):
    """Learned positions and blocks at one resolution, (B, N², W) -> (B, N², W).

    Args:
        width: W.
        depth: number of blocks.
        num_heads: of the attention.
        side: N.
        grid: side of the cells of attention, if there are more tokens than one cell holds.
        pixel_norm: divide each token by its root mean square, as the paper's generator does,
            instead of layer norm.

    Raises:
        ValueError: sizes below 1, cells that do not tile the square, or heads that do not divide
            the width.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        *,
        num_heads: int,
        side: int,
        grid: int,
        pixel_norm: bool = False,
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(0.02 * torch.randn(side**2, width))
        self.blocks = nn.ModuleList(TransformerBlock(width, num_heads) for _ in range(depth))
        for block in self.blocks:
            if side > grid:
                block.attention = GridSelfAttention(width, num_heads, side=side, grid=grid)
            if pixel_norm:
                block.attention_norm = nn.RMSNorm(width, elementwise_affine=False)
                block.mlp_norm = nn.RMSNorm(width, elementwise_affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N², W) -> (B, N², W)."""
        x = x + self.positions
        for block in self.blocks:
            x = block(x)
        return x


def as_map(tokens: Tensor) -> Tensor:
    """Lay tokens out as a square, (B, N², W) -> (B, W, N, N)."""
    side = round(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(2, (side, side))


def as_tokens(maps: Tensor) -> Tensor:
    """Read a square row by row, (B, W, N, N) -> (B, N², W)."""
    return maps.flatten(2).transpose(1, 2)


def _check_square(shape: tuple[int, ...], depths: Sequence[int]) -> None:
    if len(shape) != 3 or shape[1] != shape[2] or min(shape) < 1:
        raise ValueError(f"event_shape is {shape}, expected (C, S, S)")
    if not depths or min(depths) < 1:
        raise ValueError(f"depths are {tuple(depths)}, expected at least one stage of 1 block")
