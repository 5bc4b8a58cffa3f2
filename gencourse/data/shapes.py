"""Rendered coloured shapes whose attributes are known, drawn at once and without a file.

A picture is a black square with one shape in it. Distances to the shape's edges give the coverage
of each pixel, so that edges are smooth, and everything is a tensor over all images.

Shapes: N images, S side of the image in pixels.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from gencourse.data.array_data import ArrayData

SHAPES = ("circle", "square", "triangle")
COLOURS: dict[str, tuple[int, int, int]] = {  # after Okabe & Ito (2008), for all kinds of sight
    "red": (213, 94, 0),
    "green": (0, 158, 115),
    "blue": (0, 114, 178),
    "yellow": (240, 228, 66),
    "pink": (204, 121, 167),
    "cyan": (86, 180, 233),
}
SCALE = (0.2, 0.35)
POSITION = (0.31, 0.69)  # the largest triangle touches no border from here
_CHUNK = 4096  # images rendered at a time, which bounds the memory


def shapes(
    n: int,
    *,
    seed: int = 0,
    size: int = 32,
    scale: tuple[float, float] = SCALE,
    position: tuple[float, float] = POSITION,
) -> ArrayData:
    """Return n images with independent, uniform attributes: x (n, 3, size, size), y the shape.

    `attributes` of the data set holds, for each image,

    - "shape" (n,) and "colour" (n,): numbers into SHAPES and COLOURS;
    - "scale" (n,): the square root of the shape's area, as a fraction of the image's side;
    - "position" (n, 2): its centre of mass as fractions of the width, from the left, and of the
      height, from the top.

    Values are multiples of 1/255. The first m images of `shapes(n)` are not those of `shapes(m)`.

    Args:
        n: number of images.
        seed: of the attributes.
        size: S, side of the images in pixels, at least 8.
        scale: smallest and largest; a shape that is too large for its position is cut off by the
            border.
        position: smallest and largest, of both coordinates.

    Raises:
        ValueError: a range that is empty or leaves [0, 1], or a size below 8.
    """
    for name, (low, high) in (("scale", scale), ("position", position)):
        if not 0 <= low <= high <= 1:
            raise ValueError(f"{name} is {(low, high)}, expected 0 <= smallest <= largest <= 1")
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    attributes = {
        "shape": torch.randint(len(SHAPES), (n,), generator=generator),
        "colour": torch.randint(len(COLOURS), (n,), generator=generator),
        "scale": uniform(*scale, n),
        "position": uniform(*position, n, 2),
    }
    x = render_shapes(attributes, size=size)
    source = f"rendered shapes, seed {seed}"
    y = attributes["shape"]
    return ArrayData(x, y, source=source, class_names=SHAPES, attributes=attributes)


def large_shapes(n: int, *, seed: int = 0, size: int = 16) -> ArrayData:
    """Return `shapes` that fill much of the picture, so that 16 pixels show which shape it is.

    The scale is between 0.3 and 0.48, and the position within 0.05 of the middle.
    """
    return shapes(n, seed=seed, size=size, scale=(0.3, 0.48), position=(0.45, 0.55))


def render_shapes(attributes: Mapping[str, Tensor], *, size: int = 32) -> Tensor:
    """Draw the images that have these attributes (see `shapes`), -> (N, 3, size, size) in [0, 1].

    Raises:
        ValueError: a shape or colour that has no number, a size below 8, or an attribute missing.
    """
    if missing := {"shape", "colour", "scale", "position"} - set(attributes):
        raise ValueError(f"attributes lack {sorted(missing)}")
    if size < 8:
        raise ValueError(f"size is {size}, expected at least 8 pixels")
    for name, values in (("shape", SHAPES), ("colour", COLOURS)):
        number = attributes[name]
        if ((number < 0) | (number >= len(values))).any():
            raise ValueError(f"{name} holds {number.tolist()[:9]}, expected 0..{len(values) - 1}")
    rgb = torch.tensor(list(COLOURS.values()), dtype=torch.float64)
    keys = ("shape", "colour", "scale", "position")
    chunks = zip(*(attributes[key].split(_CHUNK) for key in keys), strict=True)
    images = []
    for shape, colour, scale, position in chunks:
        covered = _coverage(shape, scale, position, size)  # (n, S, S)
        image = covered[:, None] * rgb[colour][:, :, None, None]  # (n, 3, S, S)
        images.append(image.round().float() / 255)
    return torch.cat(images) if images else torch.empty(0, 3, size, size)


def _coverage(shape: Tensor, scale: Tensor, position: Tensor, size: int) -> Tensor:
    """Return the share of each pixel that the shape covers, (N, S, S)."""
    # in double precision, so that no machine rounds to another one of the 256 values
    scale, position = scale.double(), position.double()
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    dx = centre[None, None, :] - position[:, 0, None, None]  # (N, 1, S)
    dy = centre[None, :, None] - position[:, 1, None, None]  # (N, S, 1), downwards
    s = scale[:, None, None]
    # signed distance to the edge, negative inside; each shape has the area s²
    circle = (dx.square() + dy.square()).sqrt() - s / math.sqrt(math.pi)
    square = torch.maximum(dx.abs(), dy.abs()) - s / 2
    # an equilateral triangle, point up, is three half-planes at the radius of its inscribed circle
    slanted = math.sqrt(3) / 2 * dx.abs() - dy / 2
    triangle = torch.maximum(slanted, dy) - s / math.sqrt(3 * math.sqrt(3))
    which = shape[:, None, None]
    distance = torch.where(which == 0, circle, torch.where(which == 1, square, triangle))
    return (0.5 - distance * size).clamp(0, 1)
