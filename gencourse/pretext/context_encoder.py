"""The context encoder (Pathak, Krähenbühl, Donahue, Darrell & Efros, CVPR 2016).

A square of the picture is cut out, and the network paints what was there from what is around it.
The least squared error has the conditional mean, for Gaussian data μ_h + S_hc S_cc⁻¹ (x_c - μ_c);
where several things could be there it is their blurred average. A discriminator that has to tell
painted squares from true ones asks for one of them instead. Even whoever knows what is shown can
hardly be right, and much effort goes into detail that no label asks for.

Shapes: B batch, C channels, H and W the image in pixels, h and w the hole, P places of the map.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gencourse.losses import non_saturating_loss
from gencourse.pretext.decoder import PixelDecoder, map_shape
from gencourse.pretext.task import PretextTask, frozen, register

PLACES = ("random", "centre")
Masked = tuple[Tensor, Tensor]


def cut(x: Tensor, corners: Tensor, *, hole: Sequence[int]) -> Tensor:
    """Return the rectangle of each image at its corner, (B, C, H, W), (B, 2) -> (B, C, h, w).

    A corner is the row and the column of the top left pixel.
    """
    rows = corners[:, :1] + torch.arange(hole[0], device=x.device)  # (B, h)
    columns = corners[:, 1:] + torch.arange(hole[1], device=x.device)  # (B, w)
    which = torch.arange(len(x), device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def black_out(x: Tensor, corners: Tensor, *, hole: Sequence[int], fill: float) -> Tensor:
    """Return images whose rectangles at the corners hold `fill`, (B, C, H, W) -> same."""
    inside = []
    for axis in (0, 1):
        place = torch.arange(x.shape[2 + axis], device=x.device) - corners[:, axis : axis + 1]
        inside.append((place >= 0) & (place < hole[axis]))
    lost = inside[0][:, :, None] & inside[1][:, None, :]  # (B, H, W)
    return torch.where(lost[:, None], x.new_tensor(fill), x)


class AcrossPlaces(nn.Module):
    """A linear map between the places of each channel by itself, (B, D, h, w) -> same.

    The channel-wise fully connected layer of the paper: through it what one corner shows reaches
    the other, with D P² weights where a full layer would have D² P². It starts near the identity.

    Args:
        num_channels: D.
        num_places: P.
    """

    def __init__(self, num_channels: int, num_places: int) -> None:
        super().__init__()
        noise = 0.1 * torch.randn(num_channels, num_places, num_places) / num_places**0.5
        self.W = nn.Parameter(torch.eye(num_places) + noise)

    def forward(self, maps: Tensor) -> Tensor:
        """Mix the places, (B, D, h, w) -> same."""
        return torch.einsum("dpq,bdq->bdp", self.W, maps.flatten(2)).view_as(maps)


@register
class ContextEncoder(PretextTask):
    """What belongs into the hole? Chance is the error of the mean of all holes.

    Args:
        event_shape: (C, H, W).
        hole: sides of the hole as a fraction of the image's, rounded to at least one pixel.
        place: "random" for each image, or always the "centre".
        adversarial: weight of the discriminator's opinion, in [0, 1); 1 minus it is that of the
            squared error. The paper has 0.001; 0 makes no discriminator.
        fill: value that the hole holds.
        encoder: see `PretextTask`.
        widths: see `PretextTask`.

    Attributes:
        discriminator: squares (B, C, h, w) -> logits (B, 1); None without one.

    Raises:
        ValueError: a hole that leaves nothing or takes nothing, an unknown place, a weight out of
            range, and as in `PretextTask`.
    """

    name = "context_encoder"
    category = "reconstruction"
    metric = "squared error"
    higher_is_better = False

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        hole: float = 0.5,
        place: str = "random",
        adversarial: float = 0.001,
        fill: float = 0.5,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths)
        if not 0 < hole < 1 or not 0 <= adversarial < 1:
            raise ValueError(
                f"hole is {hole} and adversarial is {adversarial}, expected 0 < hole < 1 and "
                "0 <= adversarial < 1"
            )
        if place not in PLACES or min(self.event_shape[1:]) < 2:
            raise ValueError(
                f"place is {place!r} and event_shape is {self.event_shape}, expected one of "
                f"{PLACES} and sides of at least 2 pixels"
            )
        self.place, self.adversarial, self.fill = place, adversarial, fill
        self.hole = tuple(min(max(round(hole * side), 1), side - 1) for side in event_shape[1:])
        channels, (d, h, w) = event_shape[0], map_shape(self.encoder, event_shape)
        self.across = AcrossPlaces(d, h * w)
        self.decoder = PixelDecoder(self.encoder, event_shape, channels)
        self.discriminator = _discriminator(channels) if adversarial else None

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Masked, Tensor]:
        """Cut a hole into each image, -> images (B, C, H, W) with corners (B, 2), and holes."""
        room = x.new_tensor(x.shape[2:]) - x.new_tensor(self.hole)
        if self.place == "centre":
            corners = (room / 2).long().expand(len(x), 2)
        else:
            u = torch.rand(len(x), 2, generator=generator, device=x.device)
            corners = (u * (room + 1)).long()
        masked = black_out(x, corners, hole=self.hole, fill=self.fill)
        return (masked, corners), cut(x, corners, hole=self.hole)

    def forward(self, masked: Masked) -> Tensor:
        """Return what belongs into the holes, (B, C, H, W) and (B, 2) -> (B, C, h, w)."""
        x, corners = masked
        return cut(self.paint(x), corners, hole=self.hole)

    def paint(self, x: Tensor) -> Tensor:
        """Return the whole picture as the decoder paints it, (B, C, H, W) -> same."""
        return self.decoder(self.across(self.encoder.maps(x)))

    def loss(
        self, batch: tuple[Tensor, ...], *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the losses of both players in one scalar, -> ().

        The discriminator learns from true squares and painted ones; what painted them learns from
        its error and from a discriminator held still (`frozen`). No term reaches both.
        """
        x = batch[0]
        self.check(x)
        with torch.no_grad():
            masked, target = self.make(x, generator=generator)
        output = self(masked)
        error = self.criterion(output, target)
        if self.discriminator is None:
            return error
        fooled = non_saturating_loss.generator(frozen(self.discriminator, output))
        told = non_saturating_loss.discriminator(
            self.discriminator(target), self.discriminator(output.detach())
        )
        return (1 - self.adversarial) * error + self.adversarial * fooled + told

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the squared error, averaged over the hole's pixels and channels, -> ()."""
        return (output - target).square().mean()

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return each hole's squared error, averaged over pixels and channels, -> (B,)."""
        return (output - target).square().flatten(1).mean(1)

    def guess(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the error of the mean hole, -> (B,)."""
        return self.measure(target.mean(0), target)


def _discriminator(channels: int) -> nn.Module:
    """Two convolutions and a mean; without batch norm, which would couple true and painted."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 1),
    )
