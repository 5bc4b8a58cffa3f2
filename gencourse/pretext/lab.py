"""CIELAB: colours in which distance is difference to the eye, and colour apart from lightness.

sRGB (IEC 61966-2-1) to XYZ to L*a*b* (CIE 1976) under the white of daylight D65, with the
constants of scikit-image. L is 0 for black and 100 for white; a goes from green to red, b from
blue to yellow, and grey has a = b = 0.

Shapes: B batch, H and W the image in pixels, Q bins of colour, ... any axes.
"""

import torch
from torch import Tensor

XYZ_FROM_RGB = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.95047, 1.0, 1.08883)  # D65, seen by the observer of 1931
_THRESHOLD, _SLOPE, _SHIFT = 0.008856, 7.787, 16 / 116  # near black the cube root is a line


def rgb_to_lab(x: Tensor) -> Tensor:
    """Return L, a and b of sRGB images in [0, 1], (B, 3, H, W) -> same.

    Raises:
        ValueError: images that do not have three channels.
    """
    _check(x)
    linear = torch.where(x > 0.04045, ((x.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, x / 12.92)
    matrix = x.new_tensor(XYZ_FROM_RGB) / x.new_tensor(WHITE)[:, None]
    t = torch.einsum("ij,bjhw->bihw", matrix, linear)
    f = torch.where(t > _THRESHOLD, t.clamp(min=_THRESHOLD) ** (1 / 3), _SLOPE * t + _SHIFT)
    fx, fy, fz = f.unbind(1)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], 1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Return sRGB images, (B, 3, H, W) -> same; what no screen can show is cut to [0, 1].

    Raises:
        ValueError: images that do not have three channels.
    """
    _check(lab)
    fy = (lab[:, 0] + 16) / 116
    f = torch.stack([fy + lab[:, 1] / 500, fy, fy - lab[:, 2] / 200], 1)
    t = torch.where(f > _THRESHOLD ** (1 / 3), f**3, (f - _SHIFT) / _SLOPE)
    matrix = torch.linalg.inv(lab.new_tensor(XYZ_FROM_RGB)) * lab.new_tensor(WHITE)
    linear = torch.einsum("ij,bjhw->bihw", matrix, t)
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, 12.92 * linear).clamp(0, 1)


def ab_bins(spacing: float = 10.0) -> Tensor:
    """Return the squares of the ab plane that hold a colour of sRGB, as centres (Q, 2).

    Centres are multiples of `spacing`. Which of them are needed is found from a lattice of
    colours: Q is 260 at the spacing of Zhang et al., 10, where their list has 313.

    Raises:
        ValueError: a spacing outside 5..100; the lattice is too coarse for less.
    """
    if not 5 <= spacing <= 100:
        raise ValueError(f"spacing is {spacing}, expected a distance in Lab, 5 to 100")
    levels = torch.linspace(0, 1, 52, dtype=torch.float64)  # every fifth of the 256 values
    lattice = torch.stack(torch.meshgrid(levels, levels, levels, indexing="ij"))  # (3, 52, 52, 52)
    colours = rgb_to_lab(lattice.reshape(1, 3, -1, 52))[0, 1:].flatten(1).T
    # + 0 makes 0 of -0
    return ((colours / spacing).round().unique(dim=0) * spacing + 0).float()


def nearest_bins(ab: Tensor, bins: Tensor) -> Tensor:
    """Return the number of the nearest centre of each colour, (..., 2) and (Q, 2) -> (...)."""
    # ‖x - c‖² without ‖x‖², which is the same for all c
    scores = ab @ bins.T - bins.square().sum(1) / 2
    return scores.argmax(-1)


def _check(x: Tensor) -> None:
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected colour images (B, 3, H, W)")
