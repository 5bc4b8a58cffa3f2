"""Context prediction (Doersch, Gupta & Efros, ICCV 2015).

Two patches of a picture, and the question where the second lies: above, to the lower left, ... one
of eight neighbours. Who knows how the parts of a thing lie to each other can tell. So can who
cheats: a line that runs on from one patch into the next gives it away, against which there are a
gap and a jitter; and a lens that bends colours differently prints into each patch where in the
picture it was, against which the colours are dropped or projected.

Shapes: B batch, C channels, H and W the image in pixels, P side of a patch.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gencourse.pretext.task import PretextTask, register

NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""(rows down, columns right) of the eight answers."""
GREEN_MAGENTA = (-1.0, 2.0, -1.0)
COLOURS = ("keep", "drop", "project")


def cut(x: Tensor, top: Tensor, left: Tensor, size: int) -> Tensor:
    """Cut one square out of each image, (B, C, H, W) and corners (B,) -> (B, C, size, size)."""
    step = torch.arange(size, device=x.device)
    rows, columns = (corner[:, None] + step for corner in (top, left))  # (B, size) each
    image, channel = (torch.arange(n, device=x.device) for n in x.shape[:2])
    return x[
        image[:, None, None, None],
        channel[:, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


def aberrate(x: Tensor, strength: float) -> Tensor:
    """Photograph images through a poor lens, (B, 3, H, W) -> same.

    Green is magnified about the middle by 1 + strength, red and blue are left alone: the farther
    out, the farther green lies outside of magenta.

    Raises:
        ValueError: images without three channels, or a strength that is not above -1.
    """
    if x.ndim != 4 or x.shape[1] != 3 or strength <= -1:
        raise ValueError(
            f"x has shape {tuple(x.shape)} and strength is {strength}, "
            "expected (B, 3, H, W) and strength > -1"
        )
    zoom = x.new_tensor([[1.0, 0, 0], [0, 1, 0]]) / (1 + strength)
    grid = F.affine_grid(zoom.expand(len(x), 2, 3), list(x[:, :1].shape), align_corners=False)
    green = F.grid_sample(x[:, 1:2], grid, padding_mode="border", align_corners=False)
    return torch.cat([x[:, :1], green, x[:, 2:]], 1)


def drop_colours(x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Keep one channel of each patch, drawn at random, (B, C, H, W) -> same.

    The others become noise, with a hundredth of the kept channel's standard deviation (the
    paper's). One channel alone says nothing of how the lens bends the others.
    """
    b, c = x.shape[:2]
    kept = torch.randint(c, (b, 1, 1, 1), generator=generator, device=x.device)
    keep = torch.arange(c, device=x.device)[:, None, None] == kept  # (B, C, 1, 1)
    scale = x.take_along_dim(kept, 1).std((2, 3), keepdim=True, correction=0) / 100
    noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return torch.where(keep, x, noise * scale)


def project_colours(x: Tensor) -> Tensor:
    """Remove the green-magenta part of each pixel's colour, (B, 3, H, W) -> same.

    x - a (a.x) / (a.a) with a = (-1, 2, -1). What a lens does to green alone is then grey; it is
    fainter, but a faint second image is still there.

    Raises:
        ValueError: images without three channels.
    """
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, 3, H, W)")
    a = x.new_tensor(GREEN_MAGENTA)
    project = torch.eye(3, device=x.device, dtype=x.dtype) - torch.outer(a, a) / a.dot(a)
    return torch.einsum("ij,bjhw->bihw", project, x)


@register
class ContextPrediction(PretextTask):
    """Which of its eight neighbours is the second patch of the first? Chance is 1/8.

    The first patch lies anywhere where all eight neighbours are inside the picture. The second
    lies a patch and the gap farther in its direction, and is shifted by the jitter.

    Args:
        event_shape: (C, H, W).
        patch: P in pixels; a quarter of the picture's shorter side when None.
        gap: pixels between the patches; a quarter of the patch when None.
        jitter: most pixels by which a neighbour is shifted either way; as the gap when None.
        colour: "keep"; or against the lens, "drop" or "project".
        encoder: "conv" or "resnet18": it sees patches in training and whole pictures afterwards.
        widths: see `PretextTask`.

    Raises:
        ValueError: a picture too small for three patches, gaps and jitter; an encoder that is
            bound to one size; an unknown colour, or a projection without three channels.
    """

    name = "context_prediction"
    category = "structure"

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        patch: int | None = None,
        gap: int | None = None,
        jitter: int | None = None,
        colour: str = "keep",
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        side = min(self.event_shape[1:])
        self.patch = side // 4 if patch is None else patch
        self.gap = self.patch // 4 if gap is None else gap
        self.jitter = self.patch // 4 if jitter is None else jitter
        needed = 3 * self.patch + 2 * self.gap + 2 * self.jitter
        if self.patch < 1 or min(self.gap, self.jitter) < 0 or side < needed:
            raise ValueError(
                f"event_shape is {self.event_shape}, too small for 3x3 patches of {self.patch} "
                f"with gap {self.gap} and jitter {self.jitter}: expected sides >= {needed}, "
                "patch >= 1, gap >= 0 and jitter >= 0"
            )
        if colour not in COLOURS or (colour == "project" and self.event_shape[0] != 3):
            raise ValueError(
                f"colour is {colour!r} for {self.event_shape[0]} channels, expected one of "
                f"{COLOURS}, and 'project' with 3 channels only"
            )
        if encoder == "vit":
            raise ValueError("encoder is 'vit', bound to one size; expected 'conv' or 'resnet18'")
        self.colour = colour
        d = self.encoder.num_features
        self.head = nn.Sequential(nn.Linear(2 * d, d), nn.ReLU(), nn.Linear(d, len(NEIGHBOURS)))

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Cut two patches out of each image, -> (B, 2, C, P, P) and the direction (B,)."""
        options = {"generator": generator, "device": x.device}
        b, step = len(x), self.patch + self.gap
        answer = torch.randint(len(NEIGHBOURS), (b,), **options)
        direction = torch.tensor(NEIGHBOURS, device=x.device)[answer]  # (B, 2)
        margin = step + self.jitter
        first = torch.stack(
            [
                margin + torch.randint(side - 2 * margin - self.patch + 1, (b,), **options)
                for side in x.shape[2:]
            ],
            1,
        )
        shift = torch.randint(-self.jitter, self.jitter + 1, (b, 2), **options)
        second = first + step * direction + shift
        patches = torch.cat([cut(x, *corner.unbind(1), self.patch) for corner in (first, second)])
        if self.colour == "drop":
            patches = drop_colours(patches, generator=generator)
        elif self.colour == "project":
            patches = project_colours(patches)
        return torch.stack(patches.chunk(2), 1), answer

    def features(self, x: Tensor) -> Tensor:
        """Return the features of whole pictures, with the colours projected if patches are."""
        return self.encoder(project_colours(x) if self.colour == "project" else x)

    def forward(self, patches: Tensor) -> Tensor:
        """Return logits of the eight directions, (B, 2, C, P, P) -> (B, 8)."""
        pairs = self.encoder(patches.flatten(0, 1)).unflatten(0, (-1, 2))  # (B, 2, D)
        return self.head(pairs.flatten(1))
