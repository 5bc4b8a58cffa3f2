"""Pictures with something taken away, y = A(x): the data of image-to-image tasks.

Inpainting, uncropping, super-resolution and colourisation differ in A only, and A is linear in
all four. The same pairs train a network that undoes A (`gan.Pix2Pix`), and A itself is what a
search in a generator's latent space needs (`gan.latent_search`).

Shapes: N images, C channels, H x W pixels, ... axes in front, for instance several guesses of x.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in grey (ITU-R BT.601)
SIDES = ("left", "right", "top", "bottom")


@dataclass(frozen=True)
class Degraded:
    """Images x and what is left of them.

    Attributes:
        y: A(x), in [0, 1].
        x: the images, (N, C, H, W).
        A: the linear map, (..., N, C, H, W) -> (..., *y.shape), the same for any x of these N.
        mask: (N, 1, H, W), 1 where the pixels are known and 0 where they are lost; None where
            every pixel has changed.
    """

    y: Tensor
    x: Tensor
    A: Callable[[Tensor], Tensor]
    mask: Tensor | None = None

    @property
    def input(self) -> Tensor:
        """What a network gets, (N, C', H, W): y in the size of x, and the mask as last channel."""
        factor = self.x.shape[-1] // self.y.shape[-1]
        y = self.y.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
        return y if self.mask is None else torch.cat([y, self.mask], 1)

    def pairs(self) -> TensorDataset:
        """Return the rows (input, x) to train on."""
        return TensorDataset(self.input, self.x)


def inpainting(
    x: Tensor, *, hole: float = 0.5, generator: torch.Generator | None = None
) -> Degraded:
    """Black out a rectangle somewhere in each image.

    Args:
        x: images (N, C, H, W) in [0, 1].
        hole: its sides as fractions of the image's, in (0, 1); rounded to at least one pixel.
        generator: randomness of the places, all equally likely.

    Raises:
        ValueError: no images in [0, 1], or a hole that leaves nothing or takes nothing.
    """
    _, _, height, width = _checked(x)
    _check_fraction("hole", hole)

    def outside(length: int) -> Tensor:
        """Where a hole's side does not reach, (N, length)."""
        size = min(max(round(hole * length), 1), length - 1)
        start = torch.randint(length - size + 1, (len(x), 1), generator=generator)
        place = torch.arange(length)
        return (place < start) | (place >= start + size)

    mask = (outside(height)[:, :, None] | outside(width)[:, None, :])[:, None].to(x)
    return _degraded(x, lambda image: image * mask, mask)


def uncropping(
    x: Tensor,
    *,
    missing: float = 0.5,
    side: str | None = None,
    generator: torch.Generator | None = None,
) -> Degraded:
    """Black out one side of each image.

    Args:
        x: images (N, C, H, W) in [0, 1].
        missing: fraction that is lost, in (0, 1); rounded to at least one pixel.
        side: "left", "right", "top" or "bottom"; drawn for each image when None.
        generator: randomness of the sides.

    Raises:
        ValueError: no images in [0, 1], an unknown side, or a fraction outside (0, 1).
    """
    _, _, height, width = _checked(x)
    _check_fraction("missing", missing)
    if side is not None and side not in SIDES:
        raise ValueError(f"side is {side!r}, expected one of {SIDES}, or None")

    def known(length: int) -> Tensor:
        """Where the first side's loss does not reach, (length,)."""
        return torch.arange(length) >= min(max(round(missing * length), 1), length - 1)

    columns, rows = known(width).expand(height, -1), known(height)[:, None].expand(-1, width)
    masks = torch.stack([columns, columns.flip(1), rows, rows.flip(0)])  # as in SIDES
    drawn = torch.randint(len(SIDES), (len(x),), generator=generator)
    which = drawn if side is None else torch.full((len(x),), SIDES.index(side))
    mask = masks[which][:, None].to(x)
    return _degraded(x, lambda image: image * mask, mask)


def super_resolution(x: Tensor, *, factor: int = 4) -> Degraded:
    """Shrink each image: y (N, C, H / factor, W / factor) holds the means of blocks.

    Raises:
        ValueError: no images in [0, 1], or a size that `factor` does not divide.
    """
    shape = _checked(x)
    if factor < 1 or shape[2] % factor or shape[3] % factor:
        raise ValueError(f"factor is {factor}, expected a divisor of the sides {shape[2:]}")

    def means(image: Tensor) -> Tensor:
        blocks = image.unflatten(-1, (-1, factor)).unflatten(-3, (-1, factor))
        return blocks.mean((-3, -1))

    return _degraded(x, means, None)


def colourisation(x: Tensor) -> Degraded:
    """Take the colour away: y (N, 1, H, W) is how bright each pixel looks.

    Raises:
        ValueError: no images in [0, 1], or not of 3 channels.
    """
    channels = _checked(x)[1]
    if channels != 3:
        raise ValueError(f"x has {channels} channels, expected red, green and blue")

    def grey(image: Tensor) -> Tensor:
        weights = image.new_tensor(LUMA)[:, None, None]
        return (weights * image).sum(-3, keepdim=True)

    return _degraded(x, grey, None)


def _degraded(x: Tensor, A: Callable[[Tensor], Tensor], mask: Tensor | None) -> Degraded:
    # rounding can push a mean of ones above 1
    return Degraded(A(x).clamp(0, 1), x, A, mask)


def _checked(x: Tensor) -> tuple[int, ...]:
    """Return the shape of images, or raise a ValueError if they are none."""
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(
            f"x has shape {tuple(x.shape)} and {x.dtype}, expected images (N, C, H, W) of floats"
        )
    low, high = torch.stack(torch.aminmax(x)).tolist() if x.numel() else (0, 0)
    if not (low >= 0 and high <= 1):
        raise ValueError(f"x has pixels from {low:g} to {high:g}, expected them in [0, 1]")
    return tuple(x.shape)


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}, expected a fraction between 0 and 1")
