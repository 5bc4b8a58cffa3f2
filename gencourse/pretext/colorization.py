"""Colourisation as a pretext task (Zhang, Isola & Efros, ECCV 2016).

A grey picture goes in, and the colour of each place is to be told: whoever knows a frog knows that
it is green. A squared error would answer with the mean of all possible colours, which is grey;
so the ab plane is cut into bins and the answer is a distribution over them. Most pixels of the
world are nearly grey, hence rare colours count more. The features see grey pictures only, and
what colour alone would tell is lost on them.

Shapes: B batch, H and W the image in pixels, h and w the places that get a colour, Q bins.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gencourse.pretext.decoder import PixelDecoder
from gencourse.pretext.lab import ab_bins, lab_to_rgb, nearest_bins, rgb_to_lab
from gencourse.pretext.task import PretextTask, register

NEIGHBOURS = 5  # bins that share a colour between them


def soft_bins(ab: Tensor, bins: Tensor, *, width: float) -> Tensor:
    """Share each colour among its nearest bins, (..., 2) and (Q, 2) -> (..., Q), sums 1.

    The weights are a Gaussian of the distance with standard deviation `width` (the paper's 5
    where bins are 10 apart), so that a near miss costs less than a far one.
    """
    distance = (ab[..., None, :] - bins).square().sum(-1)
    near, which = distance.topk(min(NEIGHBOURS, len(bins)), largest=False)
    return torch.zeros_like(distance).scatter(-1, which, (-near / (2 * width**2)).softmax(-1))


def rebalancing_weights(prior: Tensor, *, mix: float = 0.5) -> Tensor:
    """Return how much a colour of each bin counts, (Q,) -> (Q,); 1 on average under the prior.

    Equation 4 of the paper: proportional to 1 / ((1 - λ) p + λ / Q) with λ the mix. All 1 for
    λ = 1.

    Raises:
        ValueError: a mix outside (0, 1]; without any, colours never seen would count infinitely.
    """
    if not 0 < mix <= 1:
        raise ValueError(f"mix is {mix}, expected 0 < mix <= 1")
    weights = 1 / ((1 - mix) * prior + mix / len(prior))
    return weights / (prior * weights).sum()


def annealed_mean(logits: Tensor, bins: Tensor, *, temperature: float = 0.38) -> Tensor:
    """Return a colour for a distribution over bins, (B, Q, h, w) -> (B, 2, h, w).

    The mean after the distribution was sharpened by the temperature (equation 5): 1 is the mean,
    safe and grey, towards 0 it is the most probable bin, vivid and spotty.

    Raises:
        ValueError: a temperature that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, expected more than 0")
    return torch.einsum("bqhw,qc->bchw", (logits / temperature).softmax(1), bins)


def lightness(x: Tensor) -> Tensor:
    """Return L / 100 of images in [0, 1], (B, 3, H, W) -> (B, 1, H, W) in [0, 1]."""
    return rgb_to_lab(x)[:, :1] / 100


@register
class Colorization(PretextTask):
    """Which colour has each place of a grey picture?

    The measure is the share of places whose most probable bin is right, weighted as in the loss;
    chance is that share for one colour everywhere.

    Args:
        event_shape: (3, H, W).
        spacing: distance of the bins in Lab; the paper's 10 is for large pictures and many steps.
        stride: one colour is told for each square of this many pixels; the paper has 4.
        rebalance: the mix λ of `rebalancing_weights`, 1 for none.
        encoder: see `PretextTask`; it sees one channel.
        widths: see `PretextTask`.

    Attributes:
        bins: centres, (Q, 2).
        prior: how often each bin was seen in training so far, (Q,), sums 1; uniform at first.

    Raises:
        ValueError: images without colour, a stride that does not divide the sides, and as in
            `PretextTask`, `ab_bins` and `rebalancing_weights`.
    """

    name = "colorization"
    category = "reconstruction"
    metric = "rebalanced accuracy"
    bins: Tensor
    prior: Tensor
    batches: Tensor

    def __init__(
        self,
        event_shape: Sequence[int],
        *,
        spacing: float = 20.0,
        stride: int = 2,
        rebalance: float = 0.5,
        encoder: str = "conv",
        widths: Sequence[int] = (16, 32, 64),
    ) -> None:
        super().__init__(event_shape, encoder=encoder, widths=widths, in_channels=1)
        if event_shape[0] != 3:
            raise ValueError(f"event_shape is {tuple(event_shape)}, expected (3, H, W) in colour")
        self.spacing, self.stride, self.rebalance = spacing, stride, rebalance
        bins = ab_bins(spacing)
        prior = torch.full((len(bins),), 1 / len(bins))
        rebalancing_weights(prior, mix=rebalance)  # refuses a mix out of range
        self.register_buffer("bins", bins)
        self.register_buffer("prior", prior)
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        grey = (1, *event_shape[1:])
        self.decoder = PixelDecoder(self.encoder, grey, len(bins), stride=stride)

    def make(
        self, x: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return lightness (B, 1, H, W) in [0, 1], and colours (B, h, w, 2); nothing is drawn.

        In training mode the colours are counted for `prior`.
        """
        lab = rgb_to_lab(x)
        ab = F.avg_pool2d(lab[:, 1:], self.stride).permute(0, 2, 3, 1)
        if self.training:
            self.batches += 1
            counts = nearest_bins(ab, self.bins).flatten().bincount(minlength=len(self.bins))
            self.prior.lerp_(counts.to(self.prior) / counts.sum(), 1 / float(self.batches))
        return lab[:, :1] / 100, ab

    def forward(self, grey: Tensor) -> Tensor:
        """Return logits of the bins, (B, 1, H, W) -> (B, Q, h, w)."""
        return self.decoder(self.encoder.maps(grey))

    def features(self, x: Tensor) -> Tensor:
        """Return the features of the pictures without colour, (B, 3, H, W) -> (B, D)."""
        return self.encoder(lightness(x))

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the rebalanced cross-entropy in nats, averaged over places, -> ()."""
        share = soft_bins(target, self.bins, width=self.spacing / 2).permute(0, 3, 1, 2)
        loss = F.cross_entropy(output, share, reduction="none")  # (B, h, w)
        return (self._weights()[nearest_bins(target, self.bins)] * loss).mean()

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """Return each place's weight if its bin is right, else 0; mean weight 1, -> (B h w,)."""
        bins = nearest_bins(target, self.bins)
        weights = self._weights()[bins]
        return (weights / weights.mean() * (output.argmax(1) == bins)).flatten()

    def guess(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the measure of the best bin that is the same everywhere, -> ()."""
        counts = nearest_bins(target, self.bins).flatten().bincount(minlength=len(self.bins))
        weighted = counts * self._weights()
        return weighted.max() / weighted.sum()

    def _weights(self) -> Tensor:
        return rebalancing_weights(self.prior, mix=self.rebalance)

    @torch.no_grad()
    def colourise(self, x: Tensor, *, temperature: float = 0.38) -> Tensor:
        """Return pictures with the lightness of x and the colours told, (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: as in `annealed_mean`.
        """
        grey = lightness(x)
        ab = annealed_mean(self(grey), self.bins, temperature=temperature)
        ab = F.interpolate(ab, size=x.shape[2:], mode="bilinear", align_corners=False)
        return lab_to_rgb(torch.cat([100 * grey, ab], 1))
