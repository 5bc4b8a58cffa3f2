"""What the GANs of pictures share: pixels outside [0, 1] are refused.

Shapes: B batch, C channels, S side of the image in pixels.
"""

import torch
from torch import Tensor

from gencourse.gan.gan import GAN


class PictureGAN(GAN):
    """A GAN of pictures with pixels in [0, 1], which its losses check."""

    def real(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Return the images of a batch (x, ...), -> (B, C, S, S).

        Raises:
            ValueError: images of another size, or pixels outside [0, 1].
        """
        return checked_pixels(super().real(batch))


def checked_pixels(x: Tensor) -> Tensor:
    """Return x, or raise a ValueError if some pixel is not in [0, 1]."""
    low, high = torch.stack(torch.aminmax(x)).tolist() if x.numel() else (0, 0)
    if not (low >= 0 and high <= 1):
        raise ValueError(f"x has pixels from {low:g} to {high:g}, expected them in [0, 1]")
    return x
