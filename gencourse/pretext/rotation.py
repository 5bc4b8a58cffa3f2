"""Rotation prediction (Gidaris, Singh & Komodakis, ICLR 2018).

A picture is turned by 0, 90, 180 or 270 degrees, and the network says by which. Whoever knows
which way up things stand can tell; nobody can for a thing that looks the same when turned. Nor is
there a reason to tell cats from dogs, and where every picture has a sky, the sky is enough.

Shapes: B batch, C channels, S side of the image in pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gencourse.pretext.task import PretextTask, register

TURNS = 4


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turn each image counter-clockwise by its number of quarter turns, (B, C, S, S), (B,).

    Numbers count modulo 4. A turn moves pixels and computes nothing, so that four of them are the
    identity bit by bit.

    Raises:
        ValueError: images that are not square, or another number of turns than images.
    """
    if x.ndim != 4 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected square images (B, C, S, S)")
    if turns.shape != x.shape[:1]:
        raise ValueError(f"turns has shape {tuple(turns.shape)}, expected ({len(x)},)")
    turned = torch.empty_like(x)
    for k in range(TURNS):
        rows = (turns % TURNS == k).nonzero()[:, 0]
        turned.index_copy_(0, rows, x.index_select(0, rows).rot90(k, (2, 3)))
    return turned


@register
class Rotation(PretextTask):
    """By how many quarter turns was the picture turned? Chance is 1/4.

    Args:
        event_shape: (C, S, S).
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: images that are not square, and as in `PretextTask`.
    """

    name = "rotation"
    category = "transformation"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if event_shape[1] != event_shape[2]:
            raise ValueError(f"event_shape is {tuple(event_shape)}, expected (C, S, S)")
        self.head = nn.Linear(self.encoder.num_features, TURNS)

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Turn each image by a number of its own, -> (B, C, S, S) and the turns (B,)."""
        turns = torch.randint(TURNS, (len(x),), generator=generator, device=x.device)
        return rotate(x, turns), turns

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the four turns, (B, C, S, S) -> (B, 4)."""
        return self.head(self.encoder(x))
