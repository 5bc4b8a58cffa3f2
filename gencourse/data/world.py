"""A rendered world to learn from: shapes that move and bounce, with their sound and a narration.

Everything that a task without labels could find out is known: which pixel belongs to what, where
each thing is, when it bounces, what it sounds like, and which sentence is about it.

Shapes: N clips, T frames, K things, S side of the picture in pixels, M sentences, L words.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gencourse.data.array_data import ArrayData
from gencourse.data.bounce_sounds import bounce_sounds
from gencourse.data.bouncing import bounce
from gencourse.data.narration import narrate
from gencourse.data.shapes import COLOURS, SCALE, SHAPES, _coverage

SPEED = (0.05, 0.12)  # widths of the picture in a frame
BACKGROUNDS = ("black", "texture", "sky")
_CHUNK = 4096  # pictures of one thing rendered at a time, which bounds the memory


def world(
    n: int,
    *,
    seed: int = 0,
    size: int = 16,
    frames: int = 16,
    num_shapes: int = 2,
    friction: float = 0.0,
    stationary: float = 0.0,
    silent: Sequence[str] = (),
    unmentioned: Sequence[str] = (),
    background: str = "black",
    max_offset: float = 3.0,
    num_sentences: int = 4,
) -> ArrayData:
    """Return n clips: x (n, T, 3, S, S) in multiples of 1/255, y (n,) the shape of thing 0.

    Things of a clip have different colours and pass through each other, thing 0 in front.
    `attributes` of the data set holds, for each clip,

    - "shape", "colour" (n, K): numbers into SHAPES and COLOURS; "scale" (n, K) as in `shapes`;
    - "tracks" (n, T, K, 2): centres of mass as fractions of the width, from the left, and of the
      height, from the top;
    - "masks" (n, T, S, S): 0 for the background, k + 1 where most of a pixel is thing k;
    - "hits" (n, T, K, 4): whether the left, right, top, bottom wall was hit since the frame
      before; "bounces" (n, T, K): whether any was;
    - "sound" (n, T, 128): samples in [-1, 1], 2048 a second, see `bounce_sounds`;
    - "tokens" (n, M, L), "times", "said_of", "happened" (n, M): the narration, see `narrate`.

    The first m clips of `world(n)` are not those of `world(m)`.

    Args:
        n: number of clips.
        seed: of everything.
        size: S, at least 8.
        frames: T.
        num_shapes: K, up to the number of COLOURS.
        friction: things get slower by exp(-friction) each frame. Without it a clip played
            backwards is as probable as forwards.
        stationary: probability that a thing rests.
        silent: names of SHAPES that bounce without a sound.
        unmentioned: names of SHAPES of which the narration never speaks.
        background: "black"; "texture", smooth grey noise, another for each clip; or "sky", which
            is bright and blue above a dark ground.
        max_offset: how many frames a sentence may come too early or too late.
        num_sentences: M.

    Raises:
        ValueError: a number out of its range, or an unknown name.
    """
    _check(n, size, frames, num_shapes, friction, stationary, max_offset, num_sentences)
    if background not in BACKGROUNDS:
        raise ValueError(f"background is {background!r}, expected one of {BACKGROUNDS}")
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        u = torch.rand(*shape, generator=generator, dtype=torch.float64)
        return low + (high - low) * u

    shape = torch.randint(len(SHAPES), (n, num_shapes), generator=generator)
    colour = uniform(0, 1, n, len(COLOURS)).argsort(1)[:, :num_shapes]
    scale = uniform(*SCALE, n, num_shapes)
    low, high = _walls(shape, scale)
    start = low + (high - low) * uniform(0, 1, n, num_shapes, 2)
    angle, speed = uniform(0, 2 * math.pi, n, num_shapes), uniform(*SPEED, n, num_shapes)
    speed = speed * (uniform(0, 1, n, num_shapes) >= stationary)
    velocity = speed[..., None] * torch.stack([angle.cos(), angle.sin()], -1)
    tracks, hits = bounce(start, velocity, low=low, high=high, frames=frames, friction=friction)
    bounces = hits.any(-1)
    behind = _background(background, n, size, generator)
    x, masks = _render(shape, colour, scale, tracks, behind)
    narration = narrate(
        hits,
        shape,
        colour,
        num_sentences=num_sentences,
        max_offset=max_offset,
        unmentioned=_named("unmentioned", unmentioned)[shape],
        generator=generator,
    )
    attributes = {
        "shape": shape,
        "colour": colour,
        "scale": scale.float(),
        "tracks": tracks.float(),
        "masks": masks,
        "hits": hits,
        "bounces": bounces,
        "sound": bounce_sounds(bounces, shape, colour, _named("silent", silent)[shape]),
        **narration,
    }
    source = f"rendered world, seed {seed}"
    return ArrayData(x, shape[:, 0], source=source, class_names=SHAPES, attributes=attributes)


def _walls(shape: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least and the largest place of each centre, (N, K, 2), inside the picture."""
    circle, square = scale / math.sqrt(math.pi), scale / 2
    inscribed = scale / math.sqrt(3 * math.sqrt(3))  # radius, of the equilateral triangle
    side = torch.stack([circle, square, math.sqrt(3) * inscribed]).gather(0, shape[None])[0]
    above = torch.stack([circle, square, 2 * inscribed]).gather(0, shape[None])[0]
    below = torch.stack([circle, square, inscribed]).gather(0, shape[None])[0]
    return torch.stack([side, above], -1), 1 - torch.stack([side, below], -1)


def _render(
    shape: Tensor, colour: Tensor, scale: Tensor, tracks: Tensor, behind: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw all things over the background (N, 3, S, S), -> (N, T, 3, S, S) and masks."""
    n, frames, k, _ = tracks.shape
    size = behind.shape[-1]
    rgb = torch.tensor(list(COLOURS.values()), dtype=torch.float64) / 255
    video = torch.empty(n, frames, 3, size, size)
    masks = torch.zeros(n, frames, size, size, dtype=torch.uint8)
    for rows in torch.arange(n).split(max(1, _CHUNK // frames)):
        picture = behind[rows, None].expand(-1, frames, -1, -1, -1)
        for thing in reversed(range(k)):  # the one in front comes last

            def each(t: Tensor, thing: int = thing, rows: Tensor = rows) -> Tensor:
                return t[rows, thing].repeat_interleave(frames)

            places = tracks[rows, :, thing].flatten(0, 1)
            covered = _coverage(each(shape), each(scale), places, size)
            covered = covered.unflatten(0, (len(rows), frames))  # (n, T, S, S)
            ink = rgb[colour[rows, thing]][:, None, :, None, None]
            picture = torch.lerp(picture, ink, covered[:, :, None])
            masks[rows] = torch.where(covered >= 0.5, thing + 1, masks[rows])
        video[rows] = (picture * 255).round().float() / 255
    return video, masks


def _background(kind: str, n: int, size: int, generator: torch.Generator) -> Tensor:
    """Return what stands behind the things, (N, 3, S, S) of float64 in [0, 1]."""
    if kind == "black":
        return torch.zeros(n, 3, size, size, dtype=torch.float64)
    u = torch.rand(n, 8, 4, generator=generator, dtype=torch.float64)
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    if kind == "sky":
        horizon = 0.4 + 0.3 * u[:, 0, :1, None]
        above = ((horizon - centre[:, None]) * size + 0.5).clamp(0, 1)[:, None]  # (N, 1, S, 1)
        light = (1 - 0.3 * centre)[:, None]
        blue, earth = (
            torch.tensor(c, dtype=torch.float64)[:, None, None]
            for c in ((0.45, 0.65, 0.95), (0.30, 0.22, 0.12))
        )
        return torch.lerp(earth, blue * light, above).expand(n, 3, size, size)
    # eight waves of random direction, at most three periods across, summed to a grey level
    across, down, phase, weight = (u[..., i, None, None] for i in range(4))
    turns = 3 * ((2 * across - 1) * centre + (2 * down - 1) * centre[:, None]) + phase
    grey = (weight * (2 * math.pi * turns).sin()).mean(1, keepdim=True)  # (N, 1, S, S), within ±1
    return (0.25 + 0.25 * grey).expand(n, 3, size, size)


def _named(argument: str, names: Sequence[str]) -> Tensor:
    """Return whether each of SHAPES is among the names, (3,) of bool."""
    if isinstance(names, str) or set(names) - set(SHAPES):
        raise ValueError(f"{argument} is {names!r}, expected a list of names of {SHAPES}")
    return torch.tensor([name in names for name in SHAPES])


def _check(
    n: int,
    size: int,
    frames: int,
    num_shapes: int,
    friction: float,
    stationary: float,
    max_offset: float,
    num_sentences: int,
) -> None:
    if n < 1 or size < 8 or frames < 1 or num_sentences < 1:
        raise ValueError(
            f"n is {n}, size is {size}, frames is {frames} and num_sentences is {num_sentences}, "
            "expected at least 1, 8 pixels, 1 and 1"
        )
    if not 1 <= num_shapes <= len(COLOURS):
        raise ValueError(f"num_shapes is {num_shapes}, expected 1..{len(COLOURS)}")
    if not (friction >= 0 and 0 <= stationary <= 1 and max_offset >= 0):
        raise ValueError(
            f"friction is {friction}, stationary is {stationary} and max_offset is {max_offset}, "
            "expected at least 0, a probability and at least 0"
        )
