"""The split-brain autoencoder (Zhang, Isola & Efros, CVPR 2017).

Colourisation learns from grey pictures and so never looks at a colour. Here the encoder is cut in
two: one half sees the lightness and tells the colour, the other sees the colour and tells the
lightness. Together their features have seen everything, and no half could copy its answer. What
takes both at once, as the shade of a colour in its place, neither half can know.

Shapes: B batch, H and W the image in pixels, h and w the places that are told, Q bins of colour,
N bins of lightness, D features of both halves.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.nets import make_encoder
from gencourse.pretext.decoder import PixelDecoder
from gencourse.pretext.lab import ab_bins, nearest_bins, rgb_to_lab
from gencourse.pretext.task import PretextTask, register

AB_SCALE = 110.0  # the colours of a screen have |a| and |b| up to about this


@register
class SplitBrain(PretextTask):
    """Which colour goes with this lightness, and which lightness with this colour?

    The measure is the share of places that are right, over both questions; chance is that of the
    commonest answers.

    Args:
        event_shape: (3, H, W).
        spacing: distance of the bins of colour in Lab.
        num_lightness: N, bins of lightness between 0 and 100.
        stride: one answer for each square of this many pixels.
        encoder: see `PretextTask`.
        widths: of both halves together; each has half of them, so that D is the same as elsewhere.

    Attributes:
        encoder: the half that sees lightness.
        colour_encoder: the half that sees a and b.

    Raises:
        ValueError: images without colour, odd widths, a size below 1, and as in `PretextTask`.
    """

    name = "split_brain"
    category = "reconstruction"
    bins: Tensor

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        spacing: float = 20.0,
        num_lightness: int = 10,
        stride: int = 2,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        if any(width % 2 for width in widths):
            raise ValueError(f"widths are {tuple(widths)}, expected even ones, for two halves")
        half = tuple(width // 2 for width in widths)
        super().__init__(event_shape, encoder=encoder, widths=half, in_channels=1)
        if event_shape[0] != 3 or num_lightness < 2:
            raise ValueError(
                f"event_shape is {tuple(event_shape)} and num_lightness is {num_lightness}, "
                "expected (3, H, W) in colour and at least 2"
            )
        self.num_lightness, self.stride = num_lightness, stride
        grey, colour = (1, *event_shape[1:]), (2, *event_shape[1:])
        self.colour_encoder = make_encoder(encoder, colour, widths=half)
        self.register_buffer("bins", ab_bins(spacing))
        # the half that sees one part paints the other
        self.colour_decoder = PixelDecoder(self.encoder, grey, len(self.bins), stride=stride)
        self.grey_decoder = PixelDecoder(self.colour_encoder, colour, num_lightness, stride=stride)

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return scaled Lab images (B, 3, H, W) and the bins of colour and lightness (B, h, w)."""
        lab = rgb_to_lab(x)
        told = F.avg_pool2d(lab, self.stride)
        shade = (told[:, 0] * (self.num_lightness / 100)).long().clamp(0, self.num_lightness - 1)
        colour = nearest_bins(told[:, 1:].permute(0, 2, 3, 1), self.bins)
        return scaled(lab), (colour, shade)

    def forward(self, lab: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, Q, h, w) of colour, from lightness, and (B, N, h, w) the reverse."""
        colour = self.colour_decoder(self.encoder.maps(lab[:, :1]))
        return colour, self.grey_decoder(self.colour_encoder.maps(lab[:, 1:]))

    def halves(self, lab: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of lightness and of colour of scaled Lab, -> (B, D/2) twice."""
        return self.encoder(lab[:, :1]), self.colour_encoder(lab[:, 1:])

    def features(self, x: Tensor) -> Tensor:
        """Return the features of both halves, (B, 3, H, W) -> (B, D)."""
        return torch.cat(self.halves(scaled(rgb_to_lab(x))), 1)

    def criterion(self, output: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        """Return the sum of both cross-entropies in nats, averaged over places, -> ()."""
        pairs = zip(output, target, strict=True)
        return sum(F.cross_entropy(logits, bins) for logits, bins in pairs)

    def measure(self, output: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        """Return the share of each image's places that are right, over both questions, -> (B,)."""
        pairs = zip(output, target, strict=True)
        right = [(logits.argmax(1) == bins).flatten(1) for logits, bins in pairs]
        return torch.cat(right, 1).float().mean(1)

    def guess(self, output: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> float:
        """Return the share of the commonest colour and the commonest lightness."""
        most = [int(bins.flatten().bincount().max()) / bins.numel() for bins in target]
        return sum(most) / 2


def scaled(lab: Tensor) -> Tensor:
    """Return L / 100, a / 110 and b / 110, (B, 3, H, W) -> same."""
    return lab / lab.new_tensor([100.0, AB_SCALE, AB_SCALE])[:, None, None]
