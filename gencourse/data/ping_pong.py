"""The lost ping-pong ball: a small thing that matters, before a large thing that does not.

A wall, a table and a net fill the picture and can be predicted. A ball of a few pixels jumps from
one frame to the next in one of eight directions, and nothing tells which. The best prediction by
squared error is the mean of the eight futures: eight ghosts, each with 1/8 of the ball's
brightness. It is known in closed form here (Goodfellow, Bengio & Courville, "Deep learning",
2016, section 15.3, figures 15.5 and 15.6 tell the story of a robot's camera).

Shapes: n scenes, S side of a frame in pixels, M moves.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.data.array_data import ArrayData

MOVES = ((4, 0), (3, 3), (0, 4), (-3, 3), (-4, 0), (-3, -3), (0, -4), (3, -3))
"""What may be added to the ball's (column, row), in pixels; all equally likely."""

RADIUS = 1.2  # of the ball in pixels: it covers 4.9 of them in all
_MARGIN = 5  # from where no move takes the ball over the border


def ping_pong(n: int, *, seed: int = 0, size: int = 16) -> ArrayData:
    """Return n pairs of frames: x (n, 1, size, size) is one and y, of the same shape, the next.

    `attributes` of the data set holds, for each scene,

    - "background" (n, 1, size, size): both frames without the ball, at most 0.6 bright;
    - "position" (n, 2) and "next_position" (n, 2): pixel of the ball's centre, (column, row);
    - "move" (n,): the number into MOVES.

    Args:
        n: number of scenes.
        seed: of what is drawn.
        size: S, side of the frames in pixels, at least 16.

    Raises:
        ValueError: frames too small for the moves.
    """
    if size < 16:
        raise ValueError(f"size is {size}, expected at least 16 pixels, room for every move")
    generator = torch.Generator().manual_seed(seed)
    wall = 0.1 + 0.3 * torch.rand(n, generator=generator)
    table = 0.3 + 0.3 * torch.rand(n, generator=generator)
    edge = torch.randint(size // 2, size - 3, (n,), generator=generator)
    position = torch.randint(_MARGIN, size - _MARGIN, (n, 2), generator=generator)
    move = torch.randint(len(MOVES), (n,), generator=generator)
    background = _background(wall, table, edge, size)
    next_position = position + torch.tensor(MOVES)[move]
    attributes = {
        "background": background,
        "position": position,
        "next_position": next_position,
        "move": move,
    }
    x, y = (with_ball(background, place) for place in (position, next_position))
    return ArrayData(x, y, source=f"rendered ping-pong, seed {seed}", attributes=attributes)


def _background(wall: Tensor, table: Tensor, edge: Tensor, size: int) -> Tensor:
    """Draw a wall that fades upwards, a table from row `edge` down, a net, -> (n, 1, S, S)."""
    row, column = torch.arange(size)[:, None], torch.arange(size)
    shade = wall[:, None, None] * (0.5 + 0.5 * row / size).expand(-1, size)
    on_table = (row >= edge[:, None, None]).expand(-1, -1, size)
    picture = torch.where(on_table, table[:, None, None], shade)
    net = (column == size // 2) & ((row - edge[:, None, None] + 2).abs() < 2)
    return torch.where(net, 0.0, picture)[:, None]


def with_ball(background: Tensor, position: Tensor) -> Tensor:
    """Draw a white ball at the pixels (n, 2) into backgrounds, (n, 1, S, S) -> the same."""
    cover = _cover(position, background.shape[-1]).to(background)
    return background + cover * (1 - background)


def _cover(position: Tensor, size: int) -> Tensor:
    """Return how much of each pixel a ball covers, about, (n, 2) -> (n, 1, S, S) in [0, 1]."""
    place = torch.arange(size)
    dx, dy = (place - position[:, i, None] for i in (0, 1))
    distance = (dx[:, None, :].square() + dy[:, :, None].square()).sqrt()
    return (RADIUS + 0.5 - distance).clamp(0, 1)[:, None]


def expected_next_frame(data: ArrayData) -> Tensor:
    """Return E(y | x), the mean over the moves: no prediction has a smaller expected square error.

    Args:
        data: of `ping_pong`, or rows of it.
    """
    background, position = data.attributes["background"], data.attributes["position"]
    futures = [with_ball(background, position + torch.tensor(move)) for move in MOVES]
    return torch.stack(futures).mean(0)


class Balls(NamedTuple):
    """What a simple detector finds in frames.

    Attributes:
        count: (n,) regions brighter than the threshold that touch no other one.
        peak: (n,) the highest cover of a pixel: 1 for a whole ball, 1/8 for a ghost.
        position: (n, 2) the pixel (column, row) with the highest cover.
    """

    count: Tensor
    peak: Tensor
    position: Tensor


def find_balls(frames: Tensor, background: Tensor, *, threshold: float = 0.5) -> Balls:
    """Look for balls where frames differ from the known background, both (n, 1, S, S).

    What is b of the way from the background to white is covered by b. Covers above the threshold
    that touch, also at a corner, are one ball.

    Raises:
        ValueError: frames and backgrounds that do not match, or a threshold outside (0, 1).
    """
    if frames.shape != background.shape or frames.ndim != 4 or frames.shape[1] != 1:
        raise ValueError(
            f"frames have shape {tuple(frames.shape)} and background {tuple(background.shape)}, "
            "expected (n, 1, S, S) twice"
        )
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is {threshold}, expected a cover between 0 and 1")
    cover = ((frames - background) / (1 - background)).double()
    found = cover > threshold
    # each pixel starts with a number of its own and takes over the largest that it touches
    number = torch.arange(1, cover[0].numel() + 1, dtype=torch.float64, device=cover.device)
    start = number.view(1, *cover.shape[1:]) * found
    region, before = start, torch.zeros_like(start)
    while not torch.equal(region, before):
        region, before = F.max_pool2d(region, 3, 1, 1) * found, region
    count = ((region == start) & found).flatten(1).sum(1)  # one pixel of each keeps its number
    peak, place = cover.flatten(1).max(1)
    size = frames.shape[-1]
    return Balls(count, peak.to(frames.dtype), torch.stack([place % size, place // size], 1))
