"""The vision transformer, ViT (Dosovitskiy et al., ICLR 2021): a picture as a sentence of patches.

The image is cut into patches, each patch becomes one token by one linear map, and a transformer
without any convolution does the rest. What lies next to what it has to learn: without its learned
positions it would see a bag of patches.

Shapes: B batch, C channels, H and W the image in pixels, P side of a patch, h = H / P and
w = W / P, S = h w tokens, D features of a token.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gencourse.nets.attention import TransformerBlock
from gencourse.protocols import Configurable

POOLINGS = ("mean", "class")


class VisionTransformer(Configurable, nn.Module):
    """An encoder of images of one size, with the members of `ConvEncoder`.

    Args:
        event_shape: (C, H, W).
        patch: P; must divide H and W.
        width: D.
        depth: number of transformer blocks.
        num_heads: of the attention; must divide D.
        mlp_ratio: hidden units of the blocks' MLPs for each feature.
        overlap: pixels by which a patch reaches into its neighbours on each side (zeros beyond
            the border), as in ViTGAN (Lee et al., ICLR 2022); 0 in ViT.
        positions: whether a learned vector is added to each place.
        pooling: what an image's features are: "mean" over the tokens, or the output at a learned
            "class" token that stands before them, as in the paper.

    Raises:
        ValueError: patches that do not tile the image, a size below 1, another pooling; in the
            methods an image of another size.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        patch: int = 4,
        width: int = 64,
        depth: int = 4,
        num_heads: int = 4,
        mlp_ratio: int = 4,
        overlap: int = 0,
        positions: bool = True,
        pooling: str = "mean",
    ) -> None:
        super().__init__()
        shape = tuple(event_shape)
        if len(shape) != 3 or min(*shape, patch) < 1 or shape[1] % patch or shape[2] % patch:
            raise ValueError(
                f"event_shape is {shape} and patch is {patch}, "
                "expected (C, H, W) with sides that the patch divides"
            )
        if depth < 1 or overlap < 0:
            raise ValueError(
                f"depth is {depth} and overlap is {overlap}, expected at least 1 and at least 0"
            )
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is {pooling!r}, expected one of {POOLINGS}")
        self.event_shape, self.pooling, self.num_features = shape, pooling, width
        self.grid = (shape[1] // patch, shape[2] // patch)  # (h, w)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, num_heads, mlp_ratio=mlp_ratio) for _ in range(depth)
        )
        # a linear map of each patch is a convolution whose stride is the patch
        self.patches = nn.Conv2d(shape[0], width, patch + 2 * overlap, patch, overlap)
        places = self.grid[0] * self.grid[1]
        self.positions = _vectors(places, width) if positions else None
        self.class_token = _vectors(1, width) if pooling == "class" else None
        self.norm = nn.LayerNorm(width)

    def embed(self, x: Tensor) -> Tensor:
        """Return one token a patch, its position added, (B, C, H, W) -> (B, S, D)."""
        if x.shape[1:] != self.event_shape:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected (B, C, H, W) with (C, H, W) = "
                f"{self.event_shape}, the size that the positions were learned for"
            )
        tokens = self.patches(x).flatten(2).transpose(1, 2)  # (B, S, D)
        return tokens if self.positions is None else tokens + self.positions

    def encode(self, tokens: Tensor) -> Tensor:
        """Run blocks and the last norm over tokens of `embed`, all or some of them.

        Returns:
            (B, T, D) -> (B, T, D); (B, 1 + T, D) with the class token in front if there is one.
        """
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(len(tokens), 1, -1), tokens], 1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def maps(self, x: Tensor) -> Tensor:
        """Return the features of each patch, (B, C, H, W) -> (B, D, h, w)."""
        first = 0 if self.class_token is None else 1
        return self.encode(self.embed(x))[:, first:].transpose(1, 2).unflatten(2, self.grid)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of each image, (B, C, H, W) -> (B, D)."""
        tokens = self.encode(self.embed(x))
        return tokens.mean(1) if self.class_token is None else tokens[:, 0]


def _vectors(number: int, width: int) -> nn.Parameter:
    """Return learned vectors, (number, width), drawn from N(0, 0.02²) as in the paper's code."""
    return nn.Parameter(0.02 * torch.randn(number, width))
