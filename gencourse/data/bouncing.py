"""Things that move in a box and bounce off its walls, in closed form.

Along each axis a thing that is reflected at two walls is one that moves straight on through a row
of mirror images of the box: its place is a straight line folded back. So nothing is simulated step
by step, every frame is computed at once, and bounces are known exactly. Friction makes the line
slower with time and leaves its shape as it is.

Shapes: N clips, T frames, K things; the last axis is (horizontal, vertical).
"""

import torch
from torch import Tensor

WALLS = ("left", "right", "top", "bottom")


def bounce(
    start: Tensor, velocity: Tensor, *, low: Tensor, high: Tensor, frames: int, friction: float
) -> tuple[Tensor, Tensor]:
    """Return places (N, T, K, 2) and hits (N, T, K, 4), of bool: which of WALLS was hit.

    A hit in frame t happened after frame t - 1 and not after t. Without friction, and with starts
    that are uniform between the walls and velocities as often v as -v, a clip and its reverse have
    the same probability.

    Args:
        start: places in frame 0, (N, K, 2), between low and high.
        velocity: in frame 0, in widths of the picture per frame, (N, K, 2).
        low: the least place, (N, K, 2).
        high: the largest, (N, K, 2).
        frames: T.
        friction: by which speeds fall each frame, as exp(-friction).

    Raises:
        ValueError: a thing that is fast enough to hit two walls of an axis in one frame.
    """
    time = torch.arange(-1, frames, dtype=start.dtype)[:, None, None]  # one frame before the first
    travelled = time if friction == 0 else -torch.expm1(-friction * time) / friction
    room = (high - low)[:, None]  # (N, 1, K, 2)
    line = (start - low)[:, None] + velocity[:, None] * travelled  # (N, T + 1, K, 2)
    if ((line[:, 1:] - line[:, :-1]).abs() >= room).any():
        raise ValueError("a thing crosses its whole room in one frame, expected slower ones")
    image = (line / room).floor()  # the number of the mirror image; odd ones are reversed
    inside = line - image * room
    places = low[:, None] + torch.where(image % 2 == 0, inside, room - inside)
    # between images i - 1 and i lies a wall: the lower one if i is even
    border = torch.maximum(image[:, 1:], image[:, :-1])
    crossed = image[:, 1:] != image[:, :-1]
    sides = [crossed & (border % 2 == parity) for parity in (0, 1)]  # low, high: (N, T, K, 2)
    hits = torch.stack(sides, -1).flatten(-2)  # left, right, top, bottom
    return places[:, 1:], hits
