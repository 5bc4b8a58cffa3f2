"""A narration of what bounces: sentences that come too early or too late, and some idle talk.

Shapes: N clips, T frames, K things, M sentences, L words.
"""

import torch
from torch import Tensor

from gencourse.data.bouncing import WALLS
from gencourse.data.shapes import COLOURS, SHAPES
from gencourse.data.vocabulary import Vocabulary

CHATTER = ("what a nice day it is", "let me see now", "so where was i")
_SAID = ("the", "hits", "wall", *WALLS, *COLOURS, *SHAPES)
_IDLE = sorted({word for text in CHATTER for word in text.split()} - set(_SAID))
WORLD_WORDS = Vocabulary([*_SAID, *_IDLE], words=True)
LENGTH = 7  # "the red circle hits the left wall"


def narrate(
    hits: Tensor,
    shape: Tensor,
    colour: Tensor,
    *,
    num_sentences: int,
    max_offset: float,
    unmentioned: Tensor,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Return a clip's sentences in the order in which they are said.

    Each of them speaks of another hit, drawn at random; where there are too few hits, the rest is
    idle talk. A sentence about frame t is said at t plus an offset that is uniform between
    -max_offset and max_offset, also if that is before or after the clip.

    Args:
        hits: which walls were hit, (N, T, K, 4).
        shape: (N, K).
        colour: (N, K).
        num_sentences: M.
        max_offset: in frames.
        unmentioned: things that are never spoken of, (N, K) of bool.
        generator: draws hits, offsets and idle talk.

    Returns:
        "tokens" (N, M, L) of WORLD_WORDS; "times" (N, M); "said_of" (N, M), the number of the
        thing; "happened" (N, M), the frame of the hit; the last two are -1 for idle talk.
    """
    n, frames, k, walls = hits.shape
    told = (hits & ~unmentioned[:, None, :, None]).flatten(1)  # (N, T K 4)
    draw = torch.rand(n, max(told.shape[1], num_sentences), generator=generator)
    draw[:, : told.shape[1]] += ~told
    draw[:, told.shape[1] :] += 2
    value, event = draw.sort(1)
    idle, event = value[:, :num_sentences] >= 1, event[:, :num_sentences]  # (N, M)
    frame, rest = event // (k * walls), event % (k * walls)
    thing, wall = rest // walls, rest % walls
    thing = thing.clamp(max=k - 1)

    def words(names: tuple[str, ...]) -> Tensor:
        return WORLD_WORDS.encode(names)[:, 0]

    the, hit, the_wall = words(("the", "hits", "wall")).tolist()
    tokens = torch.full((n, num_sentences, LENGTH), the)
    tokens[..., 1] = words(tuple(COLOURS))[colour.gather(1, thing)]
    tokens[..., 2] = words(SHAPES)[shape.gather(1, thing)]
    tokens[..., 3], tokens[..., 6] = hit, the_wall
    tokens[..., 5] = words(WALLS)[wall]
    talk = WORLD_WORDS.encode(CHATTER, length=LENGTH)
    which = torch.randint(len(CHATTER), idle.shape, generator=generator)
    tokens = torch.where(idle[..., None], talk[which], tokens)

    offset, place = torch.rand(2, *idle.shape, generator=generator)
    times = torch.where(idle, place * frames, frame + max_offset * (2 * offset - 1))
    order = times.argsort(1)
    return {
        "tokens": tokens.gather(1, order[..., None].expand_as(tokens)),
        "times": times.gather(1, order),
        "said_of": torch.where(idle, -1, thing).gather(1, order),
        "happened": torch.where(idle, -1, frame).gather(1, order),
    }
