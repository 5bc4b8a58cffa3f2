"""ViTGAN (Lee et al., "Training GANs with vision transformers", ICLR 2022).

A vision transformer as a discriminator is too strong and too steep. Three changes calm it:
attention by distance and spectral normalisation that keeps each weight's first norm (both in
`lipschitz`), and patches that overlap. In the generator the noise enters through every layer norm,
and each token becomes its patch through a small network over coordinates (`patch_decoder`).

Left out of the paper: augmentation of the discriminator's input and its consistency term.

Shapes: B batch, C channels, S side of the image in pixels, P side of a patch, T = (S / P)² tokens,
W width, L latents, K features of a condition.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gencourse.gan.lipschitz import L2SelfAttention, normalise_to_initial
from gencourse.gan.patch_decoder import PatchDecoder
from gencourse.gan.picture_gan import PictureGAN
from gencourse.nets import MLP, TransformerBlock, VisionTransformer
from gencourse.protocols import Configurable


class SelfModulatedNorm(nn.Module):
    """γ(w) LayerNorm(h) + β(w), after Chen et al. (ICLR 2019): w sets scale and shift.

    γ(w) is 1 plus a linear map of w and β(w) a linear map of w, so that zero weights leave plain
    layer norm.

    Args:
        width: W of h.
        num_conditions: features of w.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, width: int, num_conditions: int) -> None:
        super().__init__()
        if width < 1 or num_conditions < 1:
            raise ValueError(
                f"width is {width} and num_conditions is {num_conditions}, expected at least 1"
            )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.scale_shift = nn.Linear(num_conditions, 2 * width)
        nn.init.xavier_uniform_(self.scale_shift.weight)  # torch's own would let w say little
        nn.init.zeros_(self.scale_shift.bias)

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        """Map tokens (B, T, W) and conditions (B, K) -> (B, T, W)."""
        scale, shift = self.scale_shift(w)[:, None].chunk(2, -1)  # (B, 1, W) each
        return (1 + scale) * self.norm(h) + shift


class SelfModulatedBlock(nn.Module):
    """A `TransformerBlock` whose norms are self-modulated, with a skip around each half.

    Args:
        width: W.
        num_heads: of the attention; must divide W.
        num_conditions: features of w.

    Raises:
        ValueError: a size below 1, or heads that do not divide the width.
    """

    def __init__(self, width: int, num_heads: int, *, num_conditions: int) -> None:
        super().__init__()
        block = TransformerBlock(width, num_heads)
        self.attention, self.mlp = block.attention, block.mlp
        self.attention_norm = SelfModulatedNorm(width, num_conditions)
        self.mlp_norm = SelfModulatedNorm(width, num_conditions)

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        """Map tokens (B, T, W) and conditions (B, K) -> (B, T, W)."""
        h = h + self.attention(self.attention_norm(h, w))
        return h + self.mlp(self.mlp_norm(h, w))


class ViTGANGenerator(Configurable, nn.Module):
    """Learned positions, blocks modulated by w = MLP(z), a patch a token, (B, L) -> (B, C, S, S).

    Args:
        event_shape: (C, S, S).
        num_latents: L.
        patch: P; must divide S.
        width: W of the tokens and of w.
        depth: number of blocks.
        num_heads: of the attention; must divide W.

    Raises:
        ValueError: an image that the patches do not tile, or a size below 1.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 64,
        patch: int = 4,
        width: int = 64,
        depth: int = 3,
        num_heads: int = 4,
    ) -> None:
        super().__init__()
        shape = _square(event_shape, patch)
        if min(num_latents, depth) < 1:
            raise ValueError(
                f"num_latents is {num_latents} and depth is {depth}, expected at least 1 each"
            )
        self.patch, self.num_patches = patch, shape[1] // patch  # on a side
        self.mapping = MLP(num_latents, width, hidden=(width,), activation="GELU")
        for layer in self.mapping.layers[::2]:
            nn.init.kaiming_uniform_(layer.weight)  # w varies as much as z does
        self.positions = nn.Parameter(0.02 * torch.randn(self.num_patches**2, width))
        self.blocks = nn.ModuleList(
            SelfModulatedBlock(width, num_heads, num_conditions=width) for _ in range(depth)
        )
        self.norm = SelfModulatedNorm(width, width)
        self.decoder = PatchDecoder(width, patch=patch, channels=shape[0])

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, L) -> (B, C, S, S) in [0, 1]."""
        w = self.mapping(z)
        h = self.positions.expand(len(z), -1, -1)  # (B, T, W); z enters through the norms only
        for block in self.blocks:
            h = block(h, w)
        x = self.decoder(self.norm(h, w))  # (B, T, P², C)
        x = x.unflatten(1, (self.num_patches,) * 2).unflatten(3, (self.patch,) * 2)
        x = x.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)  # (B, C, S, S)
        return (x.tanh() + 1) / 2


class ViTGANDiscriminator(Configurable, nn.Module):
    """A `VisionTransformer` with L2 attention and improved spectral norm, -> logits (B,).

    The logit comes from the mean over tokens, where the paper has a class token: with attention
    by distance a class token begins by seeing little but itself.

    Args:
        event_shape: (C, S, S).
        patch: P; must divide S.
        overlap: pixels by which a patch reaches into its neighbours.
        width: W.
        depth: number of blocks.
        num_heads: of the attention; must divide W.

    Raises:
        ValueError: an image that the patches do not tile, or a size below 1; in `forward` an image
            of another size.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        patch: int = 4,
        overlap: int = 2,
        width: int = 64,
        depth: int = 3,
        num_heads: int = 4,
    ) -> None:
        super().__init__()
        self.encoder = VisionTransformer(
            _square(event_shape, patch), patch=patch, overlap=overlap, width=width, depth=depth,
            num_heads=num_heads, pooling="mean",
        )  # fmt: skip
        for block in self.encoder.blocks:
            block.attention = L2SelfAttention(width, num_heads)
        self.head = nn.Linear(width, 1)
        for layer in self.modules():  # the norms drawn here stay for good
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
        for block in self.encoder.blocks:  # far apart, each token would see itself only
            nn.init.xavier_uniform_(block.attention.queries.weight, gain=0.5)
        normalise_to_initial(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map pixels in [0, 1], (B, C, S, S) -> logits (B,)."""
        return self.head(self.encoder(2 * x - 1)).flatten()


class ViTGAN(PictureGAN):
    """The two vision transformers against each other.

    Args:
        event_shape: (C, S, S).
        num_latents: L.
        patch: P, in both; must divide S.
        overlap: pixels by which the discriminator's patches reach into their neighbours.
        width: W of the tokens, in both.
        depth: number of blocks, in each.
        num_heads: of the attention, in both; must divide W.
        **game: loss and penalty, as in `GAN`.

    Raises:
        ValueError: as in `GAN` and in the networks; in the losses pixels outside [0, 1].
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        num_latents: int = 64,
        patch: int = 4,
        overlap: int = 2,
        width: int = 64,
        depth: int = 3,
        num_heads: int = 4,
        **game: Any,
    ) -> None:
        both = {"patch": patch, "width": width, "depth": depth, "num_heads": num_heads}
        generator = ViTGANGenerator(event_shape, num_latents=num_latents, **both)
        discriminator = ViTGANDiscriminator(event_shape, overlap=overlap, **both)
        shapes = {"event_shape": event_shape, "num_latents": num_latents}
        super().__init__(generator, discriminator, **shapes, **game)


def _square(event_shape: Sequence[int], patch: int) -> tuple[int, ...]:
    shape = tuple(event_shape)
    if len(shape) != 3 or shape[1] != shape[2] or min(*shape, patch) < 1 or shape[1] % patch:
        raise ValueError(
            f"event_shape is {shape} and patch is {patch}, "
            "expected (C, S, S) with a side that the patch divides"
        )
    return shape
