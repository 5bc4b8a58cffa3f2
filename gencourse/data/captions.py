"""Captions of the rendered shapes: "a small red circle".

Four words, in the order size, colour, shape. What a caption does not say, the place and the exact
size, is left to a generator's noise.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from gencourse.data.shapes import COLOURS, SCALE, SHAPES
from gencourse.data.vocabulary import Vocabulary

SIZES = ("small", "large")
MIDDLE = sum(SCALE) / 2  # a shape of `shapes` of this scale or more is large


def captions(attributes: Mapping[str, Tensor], *, middle: float = MIDDLE) -> list[str]:
    """Return the caption of each image from its attributes (see `shapes`), N texts.

    Args:
        attributes: of the images.
        middle: the scale from which a shape is large.

    Raises:
        ValueError: an attribute missing, or a number that no shape or colour has.
    """
    if missing := {"shape", "colour", "scale"} - set(attributes):
        raise ValueError(f"attributes lack {sorted(missing)}")
    colours, numbers = list(COLOURS), {}
    for name, values in (("shape", SHAPES), ("colour", colours)):
        numbers[name] = attributes[name].tolist()
        if wrong := [i for i in numbers[name] if i not in range(len(values))]:
            raise ValueError(f"{name} holds {wrong[0]}, expected 0..{len(values) - 1}")
    large = (attributes["scale"] >= middle).tolist()
    rows = zip(large, numbers["colour"], numbers["shape"], strict=True)
    return [f"a {SIZES[size]} {colours[colour]} {SHAPES[shape]}" for size, colour, shape in rows]


def caption_vocabulary() -> Vocabulary:
    """Return the words of all captions."""
    return Vocabulary(["a", *SIZES, *COLOURS, *SHAPES], words=True)


def look_like(x: Tensor) -> Tensor:
    """Return the scale that pictures of one shape on black seem to have, (N, 3, S, S) -> (N,).

    The root of the share of pixels that are covered, each by its brightest channel relative to
    the brightest of the picture.
    """
    brightness = x.amax(1)  # (N, S, S)
    covered = brightness / brightness.amax((1, 2), keepdim=True).clamp(min=1e-6)
    return torch.sqrt(covered.mean((1, 2)))
