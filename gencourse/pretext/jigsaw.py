"""Jigsaw puzzles (Noroozi & Favaro, ECCV 2016).

A picture is cut into tiles, the tiles are shuffled, and the network names the shuffle. It sees all
tiles at once, so that what is ambiguous about two of them can be settled by the others. Of all
shuffles only some are asked for, chosen to differ in as many places as possible: two that differ
in two tiles alone are hard to tell apart, and teach little.

Shapes: B batch, C channels, H and W the image in pixels, N = grid^2 tiles, S side of a tile,
P permutations, D features.
"""

import itertools
import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from gencourse.pretext.context_prediction import cut
from gencourse.pretext.task import PretextTask, register


@cache
def permutation_set(num_tiles: int, n: int) -> Tensor:
    """Choose n permutations that differ from one another in many places, -> (n, num_tiles).

    Greedy, as in the paper: the first is the identity, and each next one has the largest Hamming
    distance to the nearest of those before it; among equals, the largest mean distance, and then
    the first in the order of the alphabet. The result does not depend on chance.

    Raises:
        ValueError: more tiles than 9, or not between 2 and all num_tiles! permutations.
    """
    if not 2 <= num_tiles <= 9 or not 2 <= n <= math.factorial(num_tiles):
        raise ValueError(
            f"num_tiles is {num_tiles} and n is {n}, expected 2 to 9 tiles and 2 to num_tiles!"
        )
    every = torch.tensor(list(itertools.permutations(range(num_tiles))), dtype=torch.int8)
    chosen, nearest = [0], torch.full((len(every),), num_tiles, dtype=torch.int32)
    total = torch.zeros_like(nearest)
    while len(chosen) < n:
        distance = (every != every[chosen[-1]]).sum(1, dtype=torch.int32)
        nearest, total = torch.minimum(nearest, distance), total + distance
        chosen.append(int((nearest * (n * num_tiles) + total).argmax()))
    return every[chosen].long()


def hamming(permutations: Tensor) -> Tensor:
    """Return in how many places each pair differs, (P, N) -> (P, P)."""
    return (permutations[:, None] != permutations).sum(2)


def shuffle(tiles: Tensor, permutations: Tensor) -> Tensor:
    """Put tile p[i] of each image in place i, (B, N, ...) and (B, N) -> (B, N, ...).

    `shuffle(shuffle(tiles, p), p.argsort(1))` are the tiles again.

    Raises:
        ValueError: permutations of another shape.
    """
    if permutations.shape != tiles.shape[:2]:
        raise ValueError(
            f"permutations have shape {tuple(permutations.shape)}, "
            f"expected {tuple(tiles.shape[:2])}"
        )
    index = permutations.reshape(*permutations.shape, *[1] * (tiles.ndim - 2))
    return tiles.take_along_dim(index, 1)


@register
class Jigsaw(PretextTask):
    """Which of P permutations shuffled the tiles? Chance is 1 / P.

    A tile is cut at a random place of its cell, so that no edge runs on from one into the next.

    Args:
        event_shape: (C, H, W).
        grid: cells along each side, 2 or 3.
        num_permutations: P; for a grid of 2 at most 24, which are all.
        margin: pixels by which a tile is smaller than its cell; an eighth of the cell, at least 1,
            when None.
        normalise: whether each tile is brought to mean 0 and standard deviation 1 (the paper's
            remedy: neighbours have similar means). It takes contrast and colour cast away.
        encoder: "conv" or "resnet18": it sees tiles in training and whole pictures afterwards.
        widths: see `PretextTask`.

    Raises:
        ValueError: a picture too small for the grid, another grid, more permutations than there
            are, or an encoder that is bound to one size.
    """

    name = "jigsaw"
    category = "structure"
    permutations: Tensor

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        grid: int = 2,
        num_permutations: int = 24,
        margin: int | None = None,
        normalise: bool = False,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if grid not in (2, 3):
            raise ValueError(f"grid is {grid}, expected 2 or 3")
        if encoder == "vit":
            raise ValueError("encoder is 'vit', bound to one size; expected 'conv' or 'resnet18'")
        cell = min(self.event_shape[1:]) // grid
        self.margin = max(1, cell // 8) if margin is None else margin
        self.tile = cell - self.margin
        if self.margin < 0 or self.tile < 1:
            raise ValueError(
                f"event_shape is {self.event_shape}, too small for {grid}x{grid} tiles with "
                f"margin {self.margin}: expected sides >= {grid * (max(self.margin, 0) + 1)}, "
                "margin >= 0"
            )
        self.grid, self.normalise = grid, normalise
        self.register_buffer("permutations", permutation_set(grid**2, num_permutations).clone())
        d = self.encoder.num_features
        self.head = nn.Sequential(
            nn.Linear(grid**2 * d, 2 * d), nn.ReLU(), nn.Linear(2 * d, num_permutations)
        )

    def tiles(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Cut one tile out of each cell, row by row, (B, C, H, W) -> (B, N, C, S, S)."""
        b, n = len(x), self.grid**2
        cells = [side // self.grid for side in x.shape[2:]]
        place = torch.arange(n, device=x.device).expand(b, n)
        corners = [
            cell * index
            + torch.randint(cell - self.tile + 1, (b, n), generator=generator, device=x.device)
            for cell, index in zip(cells, (place // self.grid, place % self.grid), strict=True)
        ]
        repeated = x[:, None].expand(-1, n, -1, -1, -1).flatten(0, 1)
        flat = cut(repeated, corners[0].flatten(), corners[1].flatten(), self.tile)
        return flat.unflatten(0, (b, n))

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Cut and shuffle, -> (B, N, C, S, S) and the numbers of the permutations (B,)."""
        tiles = self.tiles(x, generator=generator)
        answer = torch.randint(
            len(self.permutations), (len(x),), generator=generator, device=x.device
        )
        return shuffle(self._normalised(tiles), self.permutations[answer]), answer

    def _normalised(self, x: Tensor) -> Tensor:
        """Bring each picture to mean 0 and standard deviation 1, if asked; a flat one to 0."""
        if not self.normalise:
            return x
        mean = x.mean((-3, -2, -1), keepdim=True)
        scale = x.std((-3, -2, -1), keepdim=True, correction=0)
        return (x - mean) / scale.clamp(min=1e-3)

    def features(self, x: Tensor) -> Tensor:
        """Return the features of whole pictures, normalised if tiles are."""
        return self.encoder(self._normalised(x))

    def forward(self, tiles: Tensor) -> Tensor:
        """Return logits of the permutations, (B, N, C, S, S) -> (B, P)."""
        features = self.encoder(tiles.flatten(0, 1)).unflatten(0, tiles.shape[:2])  # (B, N, D)
        return self.head(features.flatten(1))
