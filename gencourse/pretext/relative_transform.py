"""Relative transformation: by which affine map does the second view follow from the first?

A picture and a warped copy go through the same encoder, and the network tells the map from the two
features (Zhang, Qi, Wang & Luo, "AET vs. AED", CVPR 2019). Matching two views is an old craft; it
needs to know where things are more than what they are.

Positions count in half sides of the picture from its middle: x from -1 (left) to 1 (right), y from
-1 (top) to 1 (bottom). A map A = (L | t) takes the point p of the first view to L p + t in the
second. Two maps are as far apart as they send points apart: the squared distance, averaged over
the picture, is |L - L'|^2 / 3 + |t - t'|^2, as p has variance 1/3 along each axis.

Shapes: B batch, C channels, H and W the image in pixels, P points, D features.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.nets import MLP
from gencourse.pretext.task import PretextTask, register


def apply_affine(points: Tensor, maps: Tensor) -> Tensor:
    """Return L p + t of each point, (B, P, 2) and (B, 2, 3) -> (B, P, 2)."""
    return points @ maps[..., :2].mT + maps[..., None, :, 2]


def affine_from_points(source: Tensor, target: Tensor) -> Tensor:
    """Return the map that takes one set of points nearest to another, -> (B, 2, 3).

    Least squares, exact for three points in general position: what is to be predicted can be
    worked out by hand where the points that belong together are known.

    Args:
        source: (B, P, 2), with P >= 3.
        target: (B, P, 2), where each point has gone.

    Raises:
        ValueError: other shapes, or fewer than three points.
    """
    if source.shape != target.shape or source.ndim != 3 or source.shape[1:] < (3, 2):
        raise ValueError(
            f"source has shape {tuple(source.shape)} and target {tuple(target.shape)}, "
            "expected (B, P, 2) both, with P >= 3"
        )
    ones = torch.ones_like(source[..., :1])
    return torch.linalg.lstsq(torch.cat([source, ones], 2), target).solution.mT


def invert(maps: Tensor) -> Tensor:
    """Return the maps back, (B, 2, 3) -> (B, 2, 3)."""
    back = torch.linalg.inv(maps[..., :2])
    return torch.cat([back, -back @ maps[..., 2:]], -1)


def warp(x: Tensor, maps: Tensor) -> Tensor:
    """Move each picture by its map, bilinear, (B, C, H, W) and (B, 2, 3) -> (B, C, H, W).

    `grid_sample` asks for every pixel of the result where it comes from, hence the inverse.
    Nothing is seen of what lay outside; the nearest pixel of the border stands in for it.

    Raises:
        ValueError: maps of another shape.
    """
    if maps.shape != (len(x), 2, 3):
        raise ValueError(f"maps have shape {tuple(maps.shape)}, expected ({len(x)}, 2, 3)")
    grid = F.affine_grid(invert(maps), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def map_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean squared distance of where points go, (B, 2, 3), (B, 2, 3) -> (B,)."""
    apart = (a - b).square().sum(1)  # (B, 3)
    return apart[:, :2].sum(1) / 3 + apart[:, 2]


@register
class RelativeTransform(PretextTask):
    """Which affine map leads from the first view to the second? The error is `map_distance`.

    The maps turn, magnify, shear and shift, in this order of the parameters; all four are uniform
    about "not at all". The best guess is the mean of all maps, which is the identity shrunk by
    the mean cosine, sin(r) / r.

    Args:
        event_shape: (C, H, W).
        rotation: largest turn either way, in degrees.
        scale: largest share by which the picture grows or shrinks, in [0, 1).
        shear: largest shear either way.
        shift: largest shift along each axis, in half sides.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Raises:
        ValueError: a negative range or a scale not below 1; all four 0; and as in `PretextTask`.
    """

    name = "relative_transform"
    category = "transformation"
    metric = "squared point error"
    higher_is_better = False

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        rotation: float = 60.0,
        scale: float = 0.3,
        shear: float = 0.2,
        shift: float = 0.3,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        ranges = (rotation, scale, shear, shift)
        if min(ranges) < 0 or max(ranges) == 0 or scale >= 1:
            raise ValueError(
                f"rotation, scale, shear and shift are {ranges}, expected >= 0, not all 0, "
                "and scale < 1"
            )
        self.rotation, self.scale, self.shear, self.shift = ranges
        d = self.encoder.num_features
        self.head = MLP(2 * d, 6, hidden=(2 * d,))

    def maps(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw a map for each row of x, -> (B, 2, 3) of its kind."""
        u = torch.rand(5, len(x), generator=generator, device=x.device, dtype=x.dtype) * 2 - 1
        angle, size = math.radians(self.rotation) * u[0], 1 + self.scale * u[1]
        cos, sin, one, none = angle.cos(), angle.sin(), torch.ones_like(u[0]), u[0] * 0
        turn = torch.stack([cos, -sin, sin, cos], 1).unflatten(1, (2, 2))
        lean = torch.stack([one, self.shear * u[2], none, one], 1).unflatten(1, (2, 2))
        return torch.cat([size[:, None, None] * turn @ lean, self.shift * u[3:].T[..., None]], 2)

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return both views (B, 2, C, H, W), and the maps (B, 2, 3)."""
        maps = self.maps(x, generator=generator)
        return torch.stack([x, warp(x, maps)], 1), maps

    def forward(self, views: Tensor) -> Tensor:
        """Return the maps that lead from the first to the second view, -> (B, 2, 3).

        What the head gives is what the map does beyond leaving all where it is.
        """
        pairs = self.encoder(views.flatten(0, 1)).unflatten(0, (-1, 2))  # (B, 2, D)
        found = self.head(pairs.flatten(1)).unflatten(1, (2, 3))
        return found + torch.eye(2, 3, device=found.device, dtype=found.dtype)

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean of `map_distance`, -> ()."""
        return map_distance(output, target).mean()

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return `map_distance`, -> (B,)."""
        return map_distance(output, target)

    def guess(self, output: Tensor, target: Tensor) -> Tensor:
        """Return `map_distance` to the mean of all maps, -> (B,)."""
        r = math.radians(self.rotation)
        mean = torch.eye(2, 3, device=target.device, dtype=target.dtype)
        return map_distance(mean * (math.sin(r) / r if r else 1.0), target)
